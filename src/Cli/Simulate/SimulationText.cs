using System.Globalization;
using Spectre.Console;

namespace VertFed.Cli.Simulate;

/// <summary>A simulation's report for people: some of the rounds, what went wrong in them, the clients, the groups.</summary>
internal static class SimulationText
{
    private const int RoundsShown = 12;
    private const int NotesShown = 5;

    public static void Write(IAnsiConsole console, SimulationReport report)
    {
        string protection = (report.Compression == "none" ? "" : $", {report.Compression}") + (report.Secure ? ", secure sum" : "");
        console.WriteLine(Invariant($"{report.Model}, {report.Strategy}, {report.Partition}{protection}, seed {report.Seed}: {report.TrainRows:N0} rows at {report.Clients:N0} clients ({report.SmallestClient:N0} to {report.LargestClient:N0} each), {report.TestRows:N0} test rows"));
        WriteRounds(console, report);
        WriteNotes(console, report.Rounds);
        console.WriteLine($"{report.OverClients.Measure} of clients, each on {(report.OwnTest ? "the rows that it kept for its test" : "its own training rows")}:");
        console.WriteLine($"  {report.OverClients}");
        if (report.Personal is { } personal)
        {
            console.WriteLine($"  with personal models ({personal.Name}): {personal.Own}");
            console.WriteLine(Invariant(
                $"  {report.Score} on all these rows together: shared {Text(personal.SharedScore)}, personal {Text(personal.OwnScore)}; loss {Text(personal.SharedLoss)} and {Text(personal.OwnLoss)}"));
        }

        if (report.ClusterSizes.Count > 0)
        {
            console.WriteLine($"clients by cluster: {string.Join(", ", report.ClusterSizes)}");
        }

        WriteGroups(console, report);
    }

    private static void WriteRounds(IAnsiConsole console, SimulationReport report)
    {
        bool accuracy = report.Score != "accuracy" && report.Rounds.Any(round => round.Accuracy is not null);
        bool privacy = report.Rounds.Any(round => round.Epsilon is not null);
        Table table = TableOf(["round", "clients", "loss", report.Score, .. accuracy ? ["accuracy"] : Array.Empty<string>(), "kB up", "kB down", "MB so far", .. privacy ? ["ε spent"] : Array.Empty<string>()]);
        int step = Math.Max(1, report.Rounds.Count / RoundsShown);
        foreach (SimulatedRound round in report.Rounds.Where(round => round.Round % step == 0 || round.Round == 1 || round.Round == report.Rounds.Count))
        {
            table.AddRow(
            [
                Invariant($"{round.Round}"),
                round.Answered == round.Invited ? Invariant($"{round.Answered}") : Invariant($"{round.Answered} of {round.Invited}"),
                Text(round.Loss),
                Text(round.Score),
                .. accuracy ? [Text(round.Accuracy)] : Array.Empty<string>(),
                Invariant($"{round.BytesUp / 1e3:0.0}"),
                Invariant($"{round.BytesDown / 1e3:0.0}"),
                Invariant($"{round.Megabytes:0.00}"),
                .. privacy ? [Text(round.Epsilon)] : Array.Empty<string>(),
            ]);
        }

        console.Write(table);
        console.WriteLine(Invariant($"Up {report.Rounds.Sum(round => round.BytesUp) / 1e6:0.00} MB, down {report.Rounds.Sum(round => round.BytesDown) / 1e6:0.00} MB in all."));
    }

    private static void WriteNotes(IAnsiConsole console, IReadOnlyList<SimulatedRound> rounds)
    {
        if (rounds.Count(round => round.Failure is not null) is int failed and > 0)
        {
            console.WriteLine(Invariant($"{failed} rounds left the model as it was, the last because: {rounds.Last(round => round.Failure is not null).Failure}"));
        }

        Frequent(console, "Refused", rounds.SelectMany(round => round.Refusals), "times");
        Frequent(console, "Set aside or weakened by the strategy", rounds.SelectMany(round => round.Outliers.Select(client => Invariant($"client {client}"))), "rounds");
    }

    // The most frequent first, the others as a number.
    private static void Frequent(IAnsiConsole console, string heading, IEnumerable<string> all, string unit)
    {
        (string What, int Count)[] counted = [.. all.GroupBy(static what => what, StringComparer.Ordinal).Select(group => (group.Key, group.Count())).OrderByDescending(pair => pair.Item2)];
        if (counted.Length > 0)
        {
            string more = counted.Length > NotesShown ? Invariant($", and {counted.Length - NotesShown} more") : "";
            console.WriteLine($"{heading}: {string.Join(", ", counted.Take(NotesShown).Select(pair => Invariant($"{pair.What} ({pair.Count} {unit})")))}{more}");
        }
    }

    private static void WriteGroups(IAnsiConsole console, SimulationReport report)
    {
        if (report.Groups.Count == 0)
        {
            return;
        }

        console.WriteLine($"Test rows by {report.By}:");
        Table table = TableOf([report.By!, "rows", report.Score, "accuracy", "loss"]);
        foreach (GroupScore group in report.Groups)
        {
            table.AddRow(Invariant($"{group.Value:0.######}"), Invariant($"{group.Rows:N0}"), Text(group.Score), Text(group.Accuracy), Text(group.Loss));
        }

        console.Write(table);
    }

    private static Table TableOf(IEnumerable<string> columns)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string column in columns)
        {
            table.AddColumn(new TableColumn(Markup.Escape(Error.OneLine(column))).RightAligned());
        }

        return table;
    }

    private static string Text(double? value) => value is null ? "-" : value.Value.ToString("0.0000", CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
