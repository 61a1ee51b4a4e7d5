using System.Globalization;
using Spectre.Console;
using VertFed.Protocol;

namespace VertFed.Cli.Demo.Horizontal;

/// <summary>The report for people. What a party wrote is escaped and stripped of control characters.</summary>
internal static class HorizontalText
{
    private const int RoundsShown = 8;
    private static readonly string[] FilesShown = ["folder", "data", "job_spec", "model", "report"];

    public static void Write(IAnsiConsole console, HorizontalDemoReport report)
    {
        console.WriteLine();
        console.WriteLine(Invariant(
            $"Job {report.Job}: {report.Status} after {report.SecondsTotal:0.0} s (horizontal, {report.Strategy}, {report.Partition}, secure aggregation {report.SecureAggregation}, VertFed {SoftwareVersion.ReleaseOf(report.Version)})"));
        WriteRounds(console, report);
        WriteTest(console, report.Test);
        WriteParties(console, report);
        Heading(console, "Who learned what");
        foreach (Learned learned in report.Disclosures)
        {
            console.WriteLine($"  {learned.Party}: {learned.What}");
        }

        Heading(console, "Files");
        foreach (string name in FilesShown.Where(report.Files.ContainsKey))
        {
            console.WriteLine($"  {name,-10} {report.Files[name]}");
        }

        console.WriteLine("  The configurations, logs and data folders of all six processes are in the folder.");
    }

    private static void WriteRounds(IAnsiConsole console, HorizontalDemoReport report)
    {
        DemoRound[] rounds = [.. report.Rounds];
        Heading(console, "Rounds");
        Table table = TableOf("Round", "Parties", "Loss before", "Largest change", "kB up", "kB down");
        int every = Math.Max(1, (rounds.Length + RoundsShown - 1) / RoundsShown);
        for (int i = 0; i < rounds.Length; i++)
        {
            DemoRound round = rounds[i];
            if (i % every == 0 || i == rounds.Length - 1)
            {
                table.AddRow(
                    round.Round == 0 ? "scaling" : round.Round.ToString(CultureInfo.InvariantCulture),
                    Invariant($"{round.Counted.Count} of {round.Invited.Count}"),
                    Number(round.Loss),
                    round.Round == 0 ? "-" : round.Movement.ToString("0.0e+00", CultureInfo.InvariantCulture),
                    Invariant($"{round.BytesUp / 1e3:0.0}"),
                    Invariant($"{round.BytesDown / 1e3:0.0}"));
            }
        }

        console.Write(table);
        console.WriteLine(Invariant($"All rounds are in report.json. Up {report.BytesUp / 1e3:0.0} kB, down {report.BytesDown / 1e3:0.0} kB."));
        foreach (DemoRound round in rounds)
        {
            foreach (DemoRoundNote note in round.Refusals.Concat(round.Outliers))
            {
                console.WriteLine(Error.OneLine(Invariant($"  round {round.Round}: {note.Party}: {note.Reason}")));
            }
        }
    }

    private static void WriteTest(IAnsiConsole console, HoldoutComparison? test)
    {
        if (test is null)
        {
            return;
        }

        Heading(console, Invariant($"Test ({test.Rows:N0} rows that no node had)"));
        Table table = TableOf("", "Joint model", "All rows in one place", "Difference");
        table.AddRow("AUC", Number(test.Auc), Number(test.AucCentralised), Signed(test.Difference));
        table.AddRow("log-loss", Number(test.LogLoss), Number(test.LogLossCentralised), Signed(test.LogLoss - test.LogLossCentralised));
        console.Write(table);
        console.WriteLine(test.Tolerance is { } tolerance
            ? Invariant($"The AUC may be {tolerance:0.000} below that of the fit in one place: {(HorizontalOutcome.IsNear(test) ? "it is near enough" : "it is too far below")}.")
            : "Only fedavg is held to the fit in one place.");
    }

    private static void WriteParties(IAnsiConsole console, HorizontalDemoReport report)
    {
        Heading(console, "The joint model at each party, on its own training rows");
        Table table = TableOf("Party", "Rows", "AUC", "Log-loss", "Accuracy");
        foreach (NodePart part in report.Parties)
        {
            table.AddRow(Markup.Escape(Error.OneLine(part.Party)), part.TrainRows.ToString("N0", CultureInfo.InvariantCulture), Number(part.Score), Number(part.Loss), Number(part.Accuracy));
        }

        console.Write(table);
        if (report.Spread is { } spread)
        {
            console.WriteLine(Invariant($"AUC over parties: mean {spread.Mean:0.0000}, deviation {spread.Deviation:0.0000}, worst {spread.Worst:0.0000} ({Error.OneLine(spread.WorstParty)}), best {spread.Best:0.0000}"));
        }
    }

    private static void Heading(IAnsiConsole console, string text)
    {
        console.WriteLine();
        console.Write(new Text(text + "\n", new Style(decoration: Decoration.Bold)));
    }

    private static Table TableOf(params ReadOnlySpan<string> columns)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string column in columns)
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        return table;
    }

    private static string Number(double? value) => value is { } number ? number.ToString("0.0000", CultureInfo.InvariantCulture) : "-";

    private static string Signed(double? value) => value is { } number ? number.ToString("+0.0000;-0.0000;0.0000", CultureInfo.InvariantCulture) : "-";

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
