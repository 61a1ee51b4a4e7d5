using System.Globalization;
using System.Text;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Simulation;

namespace VertFed.Cli.Simulate;

/// <summary>Several strategies on the same splits, each over the same seeds: the seed decides the held-out rows, the clients' rows and all chance in training.</summary>
internal sealed class StrategyComparison(SimulationOptions first, int seeds)
{
    private const int MostBands = 4;
    private readonly List<(string Name, List<SimulationResult> Runs)> _strategies = [];
    private readonly List<SimulationResult> _reference = [];

    /// <summary>The same model and local work with all rows in one place: what no federation comes by, and is measured against.</summary>
    public static SimulationOptions InOnePlace(SimulationOptions options) => new()
    {
        Model = options.Model,
        Strategy = new FedAvg(),
        Partition = Partition.Parse("iid"),
        Codec = new PlainCodec(),
        Clients = 1,
        Rounds = options.Rounds,
        Seed = options.Seed,
        Work = options.Work with { Privacy = null },
    };

    public void AddReference(SimulationResult result) => _reference.Add(result);

    public void Add(SimulationOptions options, SimulationResult result)
    {
        string name = options.Method?.Name ?? options.Strategy.Name;
        List<SimulationResult>? runs = _strategies.Find(strategy => strategy.Name == name).Runs;
        if (runs is null)
        {
            runs = [];
            _strategies.Add((name, runs));
        }

        runs.Add(result);
    }

    public ComparisonReport Report() => new(
        first.Model.Head.Name,
        first.Partition.Name,
        first.Clients,
        first.Rounds,
        first.Seed,
        seeds,
        Evaluation.ScoreName(first.Model.Head),
        new ComparedStrategy("all rows in one place", Measured.Of(_reference, LastScore), Measured.Of(_reference, LastLoss), null, null, 0, 0),
        [.. _strategies.Select(strategy => Row(strategy.Name, strategy.Runs))]);

    /// <summary>Means over seeds, with a band of one deviation where the bands are few enough to be told apart.</summary>
    public string Plot()
    {
        bool bands = seeds > 1 && _strategies.Count <= MostBands;
        string score = Evaluation.ScoreName(first.Model.Head);
        PlotSeries[] byRound = [.. _strategies.Select(strategy => new PlotSeries(strategy.Name, Points(strategy.Runs, bands, static (_, round) => round)))];
        PlotSeries[] byTraffic = [.. _strategies.Select(strategy => new PlotSeries(strategy.Name, Points(strategy.Runs, bands, Megabytes)))];
        string heading = string.Create(CultureInfo.InvariantCulture, $"{first.Model.Head.Name} · {first.Partition.Name} · {first.Clients} clients{(seeds > 1 ? $" · mean of {seeds} seeds" : "")}{(bands ? ", band of one deviation" : "")}");
        return SvgPlot.Render(
            heading, [new PlotPanel($"{score} by round", "round", score, byRound), new PlotPanel($"{score} by traffic", "megabytes, up and down", score, byTraffic)]);
    }

    private ComparedStrategy Row(string name, List<SimulationResult> runs) => new(
        name,
        Measured.Of(runs, LastScore),
        Measured.Of(runs, LastLoss),
        Measured.Of(runs, static run => run.Spread.WorstDecile),
        Measured.Of(runs, static run => run.Spread.Deviation),
        runs.Average(static run => run.Rounds.Sum(static round => round.BytesUp + round.BytesDown)) / 1e6,
        Wins(runs));

    // On how many seeds the strategy's score is the best of all.
    private int Wins(List<SimulationResult> runs)
    {
        bool larger = Evaluation.LargerIsBetter(first.Model.Head);
        return Enumerable.Range(0, runs.Count).Count(seed => _strategies.TrueForAll(other =>
            larger ? LastScore(runs[seed]) >= LastScore(other.Runs[seed]) : LastScore(runs[seed]) <= LastScore(other.Runs[seed])));
    }

    private static double LastScore(SimulationResult run) => run.Rounds[^1].Test.Score;

    private static double LastLoss(SimulationResult run) => run.Rounds[^1].Test.Loss;

    private static double Megabytes(SimulationResult run, int round) => run.Rounds.Take(round).Sum(static record => record.BytesUp + record.BytesDown) / 1e6;

    private static PlotPoint[] Points(List<SimulationResult> runs, bool bands, Func<SimulationResult, int, double> x) =>
    [
        .. Enumerable.Range(1, runs[0].Rounds.Count).Select(round =>
        {
            Measured score = Measured.Of(runs, run => run.Rounds[round - 1].Test.Score);
            return new PlotPoint(runs.Average(run => x(run, round)), score.Mean ?? double.NaN, bands ? score.Deviation ?? 0 : 0);
        }),
    ];
}

/// <summary>Over seeds. Null where a number does not exist for one of them.</summary>
/// <param name="Deviation">Of single runs (n − 1); 0 with one seed.</param>
internal sealed record Measured(double? Mean, double? Deviation)
{
    public static Measured Of(IReadOnlyList<SimulationResult> runs, Func<SimulationResult, double> measure)
    {
        double[] values = [.. runs.Select(measure)];
        double mean = values.Average();
        double spread = values.Length == 1 ? 0 : Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Length - 1));
        return double.IsFinite(mean) && double.IsFinite(spread) ? new Measured(mean, spread) : new Measured(null, null);
    }
}

/// <param name="Loss">On the test rows, without penalty.</param>
/// <param name="WorstDecile">Of clients, on their own rows; null in one place.</param>
/// <param name="ClientDeviation">Between clients, on their own rows; null in one place.</param>
/// <param name="Megabytes">Up and down, over all rounds, mean of the seeds.</param>
/// <param name="Best">On how many seeds it has the best score of all strategies.</param>
internal sealed record ComparedStrategy(string Name, Measured Score, Measured Loss, Measured? WorstDecile, Measured? ClientDeviation, double Megabytes, int Best);

/// <summary>What a comparison prints: JSON, or a Markdown table.</summary>
internal sealed record ComparisonReport(
    string Model,
    string Partition,
    int Clients,
    int Rounds,
    ulong Seed,
    int Seeds,
    string Score,
    ComparedStrategy InOnePlace,
    IReadOnlyList<ComparedStrategy> Strategies)
{
    public string Table()
    {
        StringBuilder table = new();
        table.Append(CultureInfo.InvariantCulture, $"| strategy | {Score} | loss | worst tenth of clients | deviation between clients | MB | best of {Seeds} |\n| --- | --- | --- | --- | --- | --- | --- |\n");
        foreach (ComparedStrategy row in Strategies.Prepend(InOnePlace))
        {
            bool central = ReferenceEquals(row, InOnePlace);
            table.Append(CultureInfo.InvariantCulture, $"| {(central ? row.Name : $"`{row.Name}`")} | {Text(row.Score)} | {Text(row.Loss)} | {Text(row.WorstDecile)} | {Text(row.ClientDeviation)} | ");
            table.Append(central ? "- | - |\n" : string.Create(CultureInfo.InvariantCulture, $"{row.Megabytes:0.00} | {row.Best} |\n"));
        }

        return table.ToString();
    }

    // Of one seed there is no deviation to show.
    private string Text(Measured? measured) => measured?.Mean is null
        ? "-"
        : string.Create(CultureInfo.InvariantCulture, $"{measured.Mean:0.0000}{(Seeds == 1 ? "" : $" ± {measured.Deviation:0.0000}")}");
}
