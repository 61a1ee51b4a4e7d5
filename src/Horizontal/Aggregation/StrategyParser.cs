using System.Globalization;

namespace VertFed.Horizontal.Aggregation;

/// <summary>Strategies by the names of job specs and the command line: "name" or "name:parameter".</summary>
public static class StrategyParser
{
    /// <summary>Every name with what its parameter is, for help texts.</summary>
    public static IReadOnlyList<string> Forms { get; } =
    [
        "fedavg", "fedprox:MU", "scaffold", "fedavgm[:BETA]", "fedadam[:RATE]", "fedyogi[:RATE]", "fedadagrad[:RATE]", "fednova",
        "median", "trimmed-mean[:SHARE]", "krum[:SHARE]", "multi-krum[:SHARE]", "geometric-median", "norm-bound[:MULTIPLE]",
    ];

    /// <exception cref="HorizontalException">There is no such strategy, or its parameter is missing, too much or out of range.</exception>
    public static AggregationStrategy Parse(string text)
    {
        string[] parts = text.Split(':', 2);
        double? value = null;
        if (parts.Length == 2)
        {
            Throw.Invalid(
                !double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed),
                $"The parameter of strategy '{text}' is not a number.");
            value = parsed;
        }

        Throw.Invalid(
            parts[0] is "fedavg" or "scaffold" or "fednova" or "median" or "geometric-median" && parts.Length == 2,
            $"Strategy '{parts[0]}' takes no parameter.");
        return parts[0] switch
        {
            "fedavg" => new FedAvg(),
            "fedprox" => new FedProx(value ?? throw new HorizontalException(HorizontalError.InvalidInput, "Strategy 'fedprox' needs μ: fedprox:0.01.")),
            "scaffold" => new Scaffold(),
            "fedavgm" => new FedAvgM(value ?? 0.9),
            "fedadam" => new FedAdaptive(AdaptiveRule.Adam, value ?? 0.1),
            "fedyogi" => new FedAdaptive(AdaptiveRule.Yogi, value ?? 0.1),
            "fedadagrad" => new FedAdaptive(AdaptiveRule.Adagrad, value ?? 0.1),
            "fednova" => new FedNova(),
            "median" => new CoordinateMedian(),
            "trimmed-mean" => new TrimmedMean(value ?? 0.2),
            "krum" => new Krum(value ?? 0.2),
            "multi-krum" => new Krum(value ?? 0.2, 0),
            "geometric-median" => new GeometricMedian(),
            "norm-bound" => new NormBounding(value ?? 1),
            _ => throw new HorizontalException(HorizontalError.InvalidInput, $"There is no strategy '{parts[0]}': {string.Join(", ", Forms)}."),
        };
    }
}
