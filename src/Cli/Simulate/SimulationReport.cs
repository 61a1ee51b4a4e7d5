using System.Globalization;
using System.Text.Json.Serialization;
using Spectre.Console;
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
    private const int TableRows = 12;

    /// <summary>By the values of the column that --by names; empty without.</summary>
    public IReadOnlyList<GroupScore> Groups { get; init; } = [];

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
                round.BytesDown, (up + down) / 1e6, [.. round.Refusals.Select(refusal => refusal.Reason)], [.. round.Outliers.Select(outlier => outlier.Client)], Finite(round.Epsilon)));
        }

        ClientSpread spread = result.Spread;
        return new SimulationReport(
            options.Model.Head.Name, options.Strategy.Name, options.Partition.Name, options.Codec.Name, options.Clients, result.RowsOfClients.Min(),
            result.RowsOfClients.Max(), trainRows, testRows, options.Seed, Evaluation.ScoreName(options.Model.Head), rounds,
            new SpreadReport(spread.Measure, spread.Mean, spread.Deviation, spread.WorstDecile, spread.Worst, spread.Best), result.Parameters);
    }

    /// <summary>The table for people: some rounds, then the clients.</summary>
    public void Print(IAnsiConsole console)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string column in (ReadOnlySpan<string>)["round", "clients", "loss", Score, "accuracy", "MB so far", "ε spent"])
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        int step = Math.Max(1, Rounds.Count / TableRows);
        foreach (SimulatedRound round in Rounds.Where(round => round.Round % step == 0 || round.Round == 1 || round.Round == Rounds.Count))
        {
            table.AddRow(
                Text(round.Round), Text(round.Answered), Text(round.Loss), Text(round.Score), Text(round.Accuracy), round.Megabytes.ToString("0.00", CultureInfo.InvariantCulture), Text(round.Epsilon));
        }

        console.Write(table);
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{OverClients.Measure} on clients' own rows: mean {OverClients.Mean:0.0000}, deviation {OverClients.Deviation:0.0000}, worst decile {OverClients.WorstDecile:0.0000}"));
    }

    /// <summary>The scores by the values of a column.</summary>
    public void PrintGroups(IAnsiConsole console)
    {
        foreach (GroupScore group in Groups)
        {
            console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{group.Value:0.######}: {group.Rows} test rows, {Score} {Text(group.Score)}, accuracy {Text(group.Accuracy)}, loss {Text(group.Loss)}"));
        }
    }

    public string Plot()
    {
        string heading = string.Create(CultureInfo.InvariantCulture, $"{Model}, {Strategy}, {Partition}, {Clients} clients");
        return SvgPlot.Render(
            heading,
            [
                new PlotPanel($"{Score} by round", "round", [.. Rounds.Select(round => ((double)round.Round, round.Score ?? double.NaN))]),
                new PlotPanel($"{Score} by traffic", "megabytes up and down", [.. Rounds.Select(round => (round.Megabytes, round.Score ?? double.NaN))]),
            ]);
    }

    private static double? Finite(double value) => double.IsFinite(value) ? value : null;

    private static string Text(double? value) => value is null ? "-" : value.Value.ToString("0.0000", CultureInfo.InvariantCulture);

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}

/// <param name="Loss">On the test rows, without penalty.</param>
/// <param name="Megabytes">Up and down, up to this round.</param>
/// <param name="Outliers">Clients that the strategy set aside or weakened.</param>
/// <param name="Epsilon">ε spent so far, where updates are clipped and noisy.</param>
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
    double? Epsilon);

internal sealed record SpreadReport(string Measure, double Mean, double Deviation, double WorstDecile, double Worst, double Best);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(SimulationReport))]
internal sealed partial class SimulationJson : JsonSerializerContext;
