using System.Globalization;
using System.Text.Json.Serialization;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;

namespace VertFed.Cli.Simulate;

/// <summary>What `simulate --json` prints. Numbers that do not exist (an AUC of one class) are null.</summary>
internal sealed record SimulationReport(
    string Model,
    string Strategy,
    string Partition,
    string Compression,
    int Clients,
    int SmallestClient,
    int LargestClient,
    int TrainRows,
    int TestRows,
    ulong Seed,
    string Score,
    IReadOnlyList<SimulatedRound> Rounds,
    SpreadReport OverClients,
    IReadOnlyList<double> Parameters)
{
    /// <summary>The column that --by names; null without.</summary>
    public string? By { get; init; }

    /// <summary>By the values of the column that --by names; empty without.</summary>
    public IReadOnlyList<GroupScore> Groups { get; init; } = [];

    /// <summary>Whether updates were added by the secure sum.</summary>
    public bool Secure { get; init; }

    /// <summary>Whether clients are measured on rows kept for their own test, or on those that they trained on.</summary>
    public bool OwnTest { get; init; }

    /// <summary>Personal models; null without.</summary>
    public PersonalReport? Personal { get; init; }

    /// <summary>Clustered training: clients by cluster; else empty.</summary>
    public IReadOnlyList<int> ClusterSizes { get; init; } = [];

    public static SimulationReport Of(SimulationOptions options, SimulationResult result, int trainRows, int testRows)
    {
        long up = 0;
        long down = 0;
        List<SimulatedRound> rounds = [];
        foreach (RoundRecord round in result.Rounds)
        {
            up += round.BytesUp;
            down += round.BytesDown;
            rounds.Add(new SimulatedRound(
                round.Round, round.Invited, round.Answered, Finite(round.Test.Loss), Finite(round.Test.Score), Finite(round.Test.Accuracy), round.BytesUp,
                round.BytesDown, (up + down) / 1e6, [.. round.Refusals.Select(refusal => refusal.Reason)], [.. round.Outliers.Select(outlier => outlier.Client)], Finite(round.Epsilon), Finite(round.Staleness), round.Failure));
        }

        return new SimulationReport(
            options.Model.Head.Name, options.Method?.Name ?? options.Strategy.Name, options.Partition.Name, options.Codec.Name, options.Clients, result.RowsOfClients.Min(),
            result.RowsOfClients.Max(), trainRows, testRows, options.Seed, Evaluation.ScoreName(options.Model.Head), rounds, SpreadReport.Of(result.Spread), result.Parameters)
        {
            Secure = options.Secure,
            OwnTest = options.OwnTest > 0,
            ClusterSizes = result.ClusterSizes,
            Personal = result.Personal is not { } own
                ? null
                : new PersonalReport(
                    own.Name, SpreadReport.Of(own.Shared), SpreadReport.Of(own.Personal), Finite(own.SharedPooled.Score), Finite(own.PersonalPooled.Score), Finite(own.SharedPooled.Loss), Finite(own.PersonalPooled.Loss)),
        };
    }

    public string Plot()
    {
        string heading = string.Create(CultureInfo.InvariantCulture, $"{Model} · {Strategy} · {Partition} · {Clients} clients");
        return SvgPlot.Render(heading, [Panel("round", "round", static round => round.Round), Panel("traffic", "megabytes, up and down", static round => round.Megabytes)]);
    }

    // Accuracy beside the score, where the score is another.
    private PlotPanel Panel(string by, string label, Func<SimulatedRound, double> x)
    {
        List<PlotSeries> series = [new PlotSeries(Score, [.. Rounds.Select(round => new PlotPoint(x(round), round.Score ?? double.NaN, 0))])];
        if (Score == "auc")
        {
            series.Add(new PlotSeries("accuracy", [.. Rounds.Select(round => new PlotPoint(x(round), round.Accuracy ?? double.NaN, 0))]));
        }

        string what = Score == "auc" ? "auc and accuracy" : Score;
        return new PlotPanel($"{what} by {by}", label, what, series);
    }

    private static double? Finite(double value) => double.IsFinite(value) ? value : null;
}

/// <param name="Loss">On the test rows, without penalty.</param>
/// <param name="Megabytes">Up and down, up to this round.</param>
/// <param name="Outliers">Clients that the strategy set aside or weakened.</param>
/// <param name="Epsilon">ε spent so far, where updates are clipped and noisy.</param>
/// <param name="Staleness">fedbuff: of the updates taken, in versions, their mean.</param>
/// <param name="Failure">Why the round left the model as it was.</param>
internal sealed record SimulatedRound(
    int Round,
    int Invited,
    int Answered,
    double? Loss,
    double? Score,
    double? Accuracy,
    long BytesUp,
    long BytesDown,
    double Megabytes,
    IReadOnlyList<string> Refusals,
    IReadOnlyList<int> Outliers,
    double? Epsilon,
    double? Staleness,
    string? Failure);

/// <summary>Over clients, each alike.</summary>
internal sealed record SpreadReport(string Measure, double Mean, double Deviation, double WorstDecile, double Worst, double Best)
{
    public static SpreadReport Of(ClientSpread spread) => new(spread.Measure, spread.Mean, spread.Deviation, spread.WorstDecile, spread.Worst, spread.Best);

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"mean {Mean:0.0000} (worst {Worst:0.0000}, best {Best:0.0000}), deviation {Deviation:0.0000}, worst decile {WorstDecile:0.0000}");
}

/// <summary>Personal models beside the shared one, on the rows that clients keep for their own test: over clients, and on all these rows together.</summary>
internal sealed record PersonalReport(
    string Name, SpreadReport Shared, SpreadReport Own, double? SharedScore, double? OwnScore, double? SharedLoss, double? OwnLoss);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(SimulationReport))]
[JsonSerializable(typeof(ComparisonReport))]
internal sealed partial class SimulationJson : JsonSerializerContext;
