using System.Globalization;
using Spectre.Console;
using VertFed.Protocol;

namespace VertFed.Cli.Reports;

/// <summary>The report of a horizontal job for people. What a party wrote is escaped and stripped of control characters.</summary>
internal static class HorizontalText
{
    private const int RoundsShown = 12;
    private const int NotesShown = 20;
    private static readonly string[] s_files = ["folder", "data", "job_spec", "transcript", "model", "report"];

    public static void Write(IAnsiConsole console, HorizontalReport report)
    {
        console.WriteLine();
        string shape = report.Training is { } training
            ? $"{training.Model}, {training.Strategy}, secure aggregation {training.SecureAggregation}{(training.Compression == "none" ? "" : $", {training.Compression}")}, "
            : "";
        string dealt = report.Demo is { } demo ? $"{demo.Partition}, " : "";
        console.WriteLine(Error.OneLine(Invariant(
            $"Job {report.Job}: {Jobs.JobOutcomes.Describe(report.Status, report.NotCoSigned)} after {report.SecondsTotal:0.0} s (horizontal, {dealt}{shape}VertFed {SoftwareVersion.ReleaseOf(report.Version)})")));
        if (report.Error is { } error)
        {
            string step = error.Step.Length > 0 ? $" at step {error.Step}" : "";
            console.WriteLine(Error.OneLine($"{error.Code}, raised by {error.Party}{step}: {error.Message}"));
        }

        WriteRounds(console, report.Training);
        WriteTest(console, report.Demo?.Test);
        WriteParties(console, report);
        WriteGroups(console, report.Groups);
        if (report.Disclosures.Count > 0)
        {
            Heading(console, "Who learned what");
            foreach (Learned learned in report.Disclosures)
            {
                console.WriteLine($"  {learned.Party}: {learned.What}");
            }
        }

        WriteFiles(console, report);
    }

    private static void WriteRounds(IAnsiConsole console, TrainingPart? training)
    {
        if (training is null || training.Rounds.Count == 0)
        {
            return;
        }

        TrainingRound[] rounds = [.. training.Rounds];
        bool losses = rounds.Any(round => round.Loss is not null);
        bool privacy = rounds.Any(round => round.Epsilon > 0);
        Heading(console, Invariant($"Rounds ({training.RoundsDone} of at most {training.RoundsMost}{(training.Converged ? ", converged" : "")}; {training.Columns} columns, {training.Parameters} {(training.Strategy.StartsWith("fedmd", StringComparison.Ordinal) ? "outputs on public rows" : "parameters")})"));
        Table table = TableOf(["Round", "Parties", .. If(losses, "Loss before"), "Largest change", "kB up", "kB down", .. If(privacy, "Epsilon")]);
        int every = Math.Max(1, (rounds.Length + RoundsShown - 1) / RoundsShown);
        for (int i = 0; i < rounds.Length; i++)
        {
            TrainingRound round = rounds[i];
            if (i % every == 0 || i == rounds.Length - 1)
            {
                table.AddRow(
                [
                    round.Round == 0 ? "scaling" : Invariant($"{round.Round}"),
                    Invariant($"{round.Counted.Count} of {round.Invited.Count}"),
                    .. If(losses, Number(round.Loss)),
                    round.Round == 0 ? "-" : round.Movement.ToString("0.0e+00", CultureInfo.InvariantCulture),
                    Kilobytes(round.BytesUp),
                    Kilobytes(round.BytesDown),
                    .. If(privacy, round.Epsilon > 0 ? round.Epsilon.ToString("0.###", CultureInfo.InvariantCulture) : "-"),
                ]);
            }
        }

        console.Write(table);
        string rest = every > 1 ? " The JSON has every round." : "";
        console.WriteLine($"Up {Kilobytes(training.BytesUp)} kB, down {Kilobytes(training.BytesDown)} kB in all.{rest}");
        WriteNotes(console, rounds);
    }

    private static void WriteNotes(IAnsiConsole console, TrainingRound[] rounds)
    {
        string[] notes =
        [
            .. rounds.SelectMany(round => round.Refusals.Select(note => Invariant($"  round {round.Round}: refused, {note.Party}: {note.Reason}"))
                .Concat(round.Outliers.Select(note => Invariant($"  round {round.Round}: outlier, {note.Party}: {note.Reason}")))),
        ];
        foreach (string note in notes.Take(NotesShown))
        {
            console.WriteLine(Error.OneLine(note));
        }

        if (notes.Length > NotesShown)
        {
            console.WriteLine(Invariant($"  and {notes.Length - NotesShown} more refusals and outliers, in the JSON"));
        }
    }

    private static void WriteTest(IAnsiConsole console, HoldoutComparison? test)
    {
        if (test is null)
        {
            return;
        }

        Heading(console, Invariant($"Test ({test.Rows:N0} rows that no node had)"));
        Table table = TableOf(["", "Joint model", "All rows in one place", "Difference"]);
        table.AddRow("AUC", Number(test.Auc), Number(test.AucCentralised), Signed(test.Difference));
        table.AddRow("log-loss", Number(test.LogLoss), Number(test.LogLossCentralised), Signed(test.LogLoss - test.LogLossCentralised));
        console.Write(table);
        console.WriteLine(test.Tolerance is { } tolerance
            ? Invariant($"The AUC may be {tolerance:0.000} below that of the fit in one place: {(test.Difference >= -tolerance ? "it is near enough" : "it is too far below")}.")
            : "Only fedavg is held to the fit in one place.");
    }

    private static void WriteParties(IAnsiConsole console, HorizontalReport report)
    {
        if (report.Parties.Count > 0)
        {
            Heading(console, "The final model at each party, on its own rows");
            bool own = report.Parties.Any(part => part.Personal is not null);
            bool epsilon = report.Parties.Any(part => part.Epsilon > 0);
            Table table = TableOf(["Party", "Training rows", "Measured on", Text(ScoreName(report)), "Loss", "Accuracy", .. If(own, "Own model"), .. If(own, "Its loss"), .. If(epsilon, "Epsilon")]);
            foreach (PartyPart part in report.Parties)
            {
                string measured = part.MeasuredOn.Length == 0 ? Text(part.Error?.Message ?? part.Status) : Text(Invariant($"{part.Rows:N0} {part.MeasuredOn} rows"));
                table.AddRow(
                [
                    Text(part.Party), Invariant($"{part.TrainRows:N0}"), measured, Number(part.Score), Number(part.Loss), Number(part.Accuracy),
                    .. If(own, Number(part.Personal?.Score)), .. If(own, Number(part.Personal?.Loss)), .. If(epsilon, part.Epsilon.ToString("0.###", CultureInfo.InvariantCulture)),
                ]);
            }

            console.Write(table);
            if (own)
            {
                console.WriteLine(Error.OneLine($"Each party's own model ({report.Parties.First(part => part.Personal is not null).Personal!.Method}) is measured on the same rows."));
            }
        }

        if (report.Missing.Count > 0)
        {
            console.WriteLine(Error.OneLine($"No report came from: {string.Join(", ", report.Missing)}"));
        }

        if (report.Spread is { } spread)
        {
            console.WriteLine(Error.OneLine(Invariant(
                $"{spread.Measure} over parties: mean {spread.Mean:0.0000}, deviation {spread.Deviation:0.0000}, worst decile {spread.WorstDecile:0.0000}, worst {spread.Worst:0.0000} ({spread.WorstParty}), best {spread.Best:0.0000}")));
        }
    }

    private static void WriteGroups(IAnsiConsole console, GroupReport? groups)
    {
        if (groups is null)
        {
            return;
        }

        Heading(console, groups.Column.Length == 0 ? "By the levels of the declared column" : Error.OneLine($"By {groups.Column}"));
        Table table = TableOf(["Level", "Parties", "Rows", "Score (mean of parties)", "Loss", "Accuracy"]);
        foreach (GroupLine line in groups.Levels)
        {
            table.AddRow(Text(line.Level), Invariant($"{line.Parties}"), Invariant($"{line.Rows:N0}"), Number(line.Score), Number(line.Loss), Number(line.Accuracy));
        }

        console.Write(table);
    }

    private static void WriteFiles(IAnsiConsole console, HorizontalReport report)
    {
        if (report.Files.Count == 0)
        {
            return;
        }

        Heading(console, "Files");
        foreach (string name in s_files.Where(report.Files.ContainsKey))
        {
            console.WriteLine($"  {name,-10} {report.Files[name]}");
        }

        console.WriteLine("  The configurations, logs and data folders of all processes are in the folder.");
    }

    private static string ScoreName(HorizontalReport report) =>
        report.Parties.Select(part => part.ScoreName).FirstOrDefault(name => name.Length > 0) is { } score ? (score == "auc" ? "AUC" : score) : "Score";

    private static void Heading(IAnsiConsole console, string text)
    {
        console.WriteLine();
        console.Write(new Text(text + "\n", new Style(decoration: Decoration.Bold)));
    }

    private static Table TableOf(string[] columns)
    {
        Table table = new Table().Border(TableBorder.Simple);
        foreach (string column in columns)
        {
            table.AddColumn(new TableColumn(column).RightAligned());
        }

        return table;
    }

    private static string[] If(bool there, string cell) => there ? [cell] : [];

    private static string Text(string given) => Markup.Escape(Error.OneLine(given));

    private static string Kilobytes(ulong bytes) => (bytes / 1e3).ToString("0.0", CultureInfo.InvariantCulture);

    private static string Number(double? value) => value is { } number ? number.ToString("0.0000", CultureInfo.InvariantCulture) : "-";

    private static string Signed(double? value) => value is { } number ? number.ToString("+0.0000;-0.0000;0.0000", CultureInfo.InvariantCulture) : "-";

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
