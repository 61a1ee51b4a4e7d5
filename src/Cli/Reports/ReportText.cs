using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;
using VertFed.Protocol;

namespace VertFed.Cli.Reports;

/// <summary>The report for people. Everything that a party wrote is escaped and stripped of control characters.</summary>
internal static class ReportText
{
    /// <summary>Coefficients shown a party; report.json has all.</summary>
    public const int CoefficientsShown = 15;

    private const int DisclosuresShown = 40;

    /// <param name="gradientNorms">Whitened gradient norm of each iteration as it was reported on the way; may be empty.</param>
    public static void Write(IAnsiConsole console, Report report, IReadOnlyList<double>? gradientNorms = null)
    {
        console.WriteLine();
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"Job {report.Job}: {Jobs.JobOutcomes.Describe(report.Status, report.NotCoSigned)} after {report.SecondsTotal:0.0} s ({Shape(report)}, VertFed {SoftwareVersion.ReleaseOf(report.Version)})"));
        if (report.Error is { } error)
        {
            string step = error.Step.Length > 0 ? $" at step {error.Step}" : "";
            console.WriteLine(Error.OneLine($"{error.Code}, raised by {error.Party}{step}: {error.Message}"));
        }

        WriteAlign(console, report.Align);
        WriteTrain(console, report.Train, gradientNorms ?? []);
        WriteTest(console, report.Test);
        WriteScore(console, report.Score);
        WriteCoefficients(console, report.Coefficients);
        WritePhases(console, report);
        WriteGuards(console, report.Guards);
        WriteDisclosures(console, report.Disclosures);
        if (report.Files.Count > 0)
        {
            Heading(console, "Files");
            console.Write(Grid(report.Files.Select(file => (Cell(file.Key), Cell(file.Value)))));
        }
    }

    private static void WriteAlign(IAnsiConsole console, AlignSection? align)
    {
        if (align is null)
        {
            return;
        }

        Heading(console, $"Alignment ({align.Protocol})");
        List<(string, string)> rows =
        [
            ("bank rows", Count(align.BankRows)),
            ("retailer rows", Count(align.RetailerRows)),
            ("in both", Count(align.Intersection)),
        ];
        if (align.IntersectionSha256 is { } hash)
        {
            rows.Add(("SHA-256 of the sorted common ids", hash));
        }

        console.Write(Grid(rows));
    }

    private static void WriteTrain(IAnsiConsole console, TrainSection? train, IReadOnlyList<double> gradientNorms)
    {
        if (train is null)
        {
            return;
        }

        Heading(console, "Training");
        List<(string, string)> rows =
        [
            ("rows", Count(train.Rows)),
            ("iterations", string.Create(CultureInfo.InvariantCulture, $"{train.Iterations}, {(train.Converged ? "converged" : "not converged")}")),
            ("gradient norm", train.GradientNorm is { } norm ? norm.ToString("0.00e+00", CultureInfo.InvariantCulture) : "-"),
        ];
        if (gradientNorms.Count > 0)
        {
            rows.Add(("by iteration", string.Join("  ", gradientNorms.Select(value => value.ToString("0.0e+00", CultureInfo.InvariantCulture)))));
        }

        if (train.LogLoss is { } logLoss)
        {
            rows.Add(("mean log-loss, without the penalty", logLoss.ToString("0.000000", CultureInfo.InvariantCulture)));
        }

        if (train.Loss is { } loss)
        {
            rows.Add(("mean loss, without the penalty", loss.ToString("g8", CultureInfo.InvariantCulture)));
        }

        rows.Add(("clipped rows", Count(train.ClippedRows)));
        console.Write(Grid(rows));
    }

    private static void WriteTest(IAnsiConsole console, TestSection? test)
    {
        if (test is null)
        {
            return;
        }

        Heading(console, string.Create(CultureInfo.InvariantCulture, $"Test ({test.Rows:N0} rows)"));
        Table table = NewTable("", "Joint model", "Bank alone", "Difference");
        AddMetric(table, "AUC", test.Auc, test.AucLabelPartyOnly);
        AddMetric(table, "KS", test.Ks, test.KsLabelPartyOnly);
        AddMetric(table, "RMSE", test.Rmse, test.RmseLabelPartyOnly);
        console.Write(table);
    }

    private static string Shape(Report report) => report.Kind == "score"
        ? report.Family.Length > 0 ? $"score, {report.Family}" : "score"
        : string.Create(CultureInfo.InvariantCulture, $"{report.Family}, l2 {report.L2:g}, holdout {report.Holdout:g}");

    private static void WriteScore(IAnsiConsole console, ScoreSection? score)
    {
        if (score is null)
        {
            return;
        }

        Heading(console, "Scores");
        List<(string, string)> rows =
        [
            ("model, by the job that trained it", Cell(score.Model)),
            ("root of that job's transcript", Cell(score.TranscriptRoot)),
            ("scored", Count(score.Scored)),
            ("not shared, without a score", Count(score.NotShared)),
        ];
        if (score.LeftOut > 0)
        {
            rows.Add(("left out: id repeated or empty", Count(score.LeftOut)));
        }

        if (score.Quantiles is { } quantiles)
        {
            rows.Add(("quantiles", string.Join("  ", quantiles.Select(entry => $"{Cell(entry.Key)} {Metric(entry.Value)}"))));
        }

        console.Write(Grid(rows));
    }

    private static void AddMetric(Table table, string name, double? joint, double? alone)
    {
        if (joint is null && alone is null)
        {
            return;
        }

        table.AddRow(name, Metric(joint), Metric(alone), joint - alone is { } d ? d.ToString("+0.0000;-0.0000;0.0000", CultureInfo.InvariantCulture) : "-");
    }

    private static void WriteCoefficients(IAnsiConsole console, CoefficientSection? coefficients)
    {
        if (coefficients is null)
        {
            return;
        }

        Heading(console, "Coefficients (standardised scale, by size)");
        Table table = NewTable("Party", "Feature", "Coefficient");
        AddCoefficients(table, "bank", coefficients.Bank);
        AddCoefficients(table, "retailer", coefficients.Retailer);
        console.Write(table);
    }

    private static void AddCoefficients(Table table, string party, IReadOnlyDictionary<string, double>? coefficients)
    {
        if (coefficients is null)
        {
            return;
        }

        foreach ((string feature, double value) in coefficients
            .OrderByDescending(entry => Math.Abs(entry.Value)).ThenBy(entry => entry.Key, StringComparer.Ordinal).Take(CoefficientsShown))
        {
            table.AddRow(party, Cell(feature), value.ToString("+0.0000;-0.0000;0.0000", CultureInfo.InvariantCulture));
        }

        if (coefficients.Count > CoefficientsShown)
        {
            table.AddRow(party, string.Create(CultureInfo.InvariantCulture, $"... {coefficients.Count - CoefficientsShown} more in report.json"), "");
        }
    }

    private static void WritePhases(IAnsiConsole console, Report report)
    {
        if (report.Align is null && report.Train is null && report.Score is null)
        {
            return;
        }

        Heading(console, "Phases");
        Table table = NewTable("Phase", "Seconds", "MB of sealed payload, both parties");
        if (report.Align is { } align)
        {
            table.AddRow("align", align.Seconds.ToString("0.0", CultureInfo.InvariantCulture), (align.Bytes / 1e6).ToString("0.0", CultureInfo.InvariantCulture));
        }

        if (report.Train is { } train)
        {
            table.AddRow("train", train.Seconds.ToString("0.0", CultureInfo.InvariantCulture), (train.Bytes / 1e6).ToString("0.0", CultureInfo.InvariantCulture));
        }

        if (report.Score is { } score)
        {
            table.AddRow("score", score.Seconds.ToString("0.0", CultureInfo.InvariantCulture), (score.Bytes / 1e6).ToString("0.0", CultureInfo.InvariantCulture));
        }

        console.Write(table);
    }

    private static void WriteGuards(IAnsiConsole console, IReadOnlyList<GuardEntry> guards)
    {
        if (guards.Count == 0)
        {
            return;
        }

        Heading(console, "Guards");
        Table table = NewTable("Rule", "Limit", "Value", "Verdict");
        foreach (GuardEntry guard in guards)
        {
            table.AddRow(Cell(guard.Name), Short(guard.Limit), Short(guard.Value), Cell(guard.Verdict));
        }

        console.Write(table);
        if (guards.Any(guard => guard.Verdict == "warn" && guard.Name.Contains("own policy sets", StringComparison.Ordinal)))
        {
            console.WriteLine("A value that an own policy sets looser than its default is that party's own choice: it warns, so that whoever reads the report knows of it.");
        }
    }

    private static void WriteDisclosures(IAnsiConsole console, IReadOnlyList<DisclosureEntry> disclosures)
    {
        if (disclosures.Count == 0)
        {
            return;
        }

        Heading(console, "Disclosures (what was learned beyond own data)");
        Table table = new Table().Border(TableBorder.Simple);
        table.AddColumns(new TableColumn("Learned by"), new TableColumn("What"), new TableColumn("Numbers").RightAligned(), new TableColumn("Step"));
        foreach (DisclosureEntry entry in disclosures.Take(DisclosuresShown))
        {
            table.AddRow(Cell(entry.Party), Cell(entry.What), Count(entry.Scalars), Cell(entry.Step));
        }

        console.Write(table);
        if (disclosures.Count > DisclosuresShown)
        {
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"... {disclosures.Count - DisclosuresShown} more in report.json"));
        }
    }

    private static void Heading(IAnsiConsole console, string text)
    {
        console.WriteLine();
        console.Write(new Text(Error.OneLine(text) + "\n", new Style(decoration: Decoration.Bold)));
    }

    // The first column holds words, the others numbers.
    private static Table NewTable(params ReadOnlySpan<string> columns)
    {
        Table table = new Table().Border(TableBorder.Simple);
        bool wordy = true;
        foreach (string column in columns)
        {
            TableColumn added = new(Markup.Escape(column));
            table.AddColumn(wordy || column is "Feature" or "Verdict" ? added : added.RightAligned());
            wordy = false;
        }

        return table;
    }

    private static Grid Grid(IEnumerable<(string Name, string Value)> rows)
    {
        Grid grid = new();
        grid.AddColumn(new GridColumn().NoWrap().Padding(2, 0, 2, 0)).AddColumn();
        foreach ((string name, string value) in rows)
        {
            grid.AddRow((IRenderable)new Markup(name), new Markup(value));
        }

        return grid;
    }

    private static string Cell(string text) => Markup.Escape(Error.OneLine(text));

    private static string Count(long? value) => value is { } count ? count.ToString("N0", CultureInfo.InvariantCulture) : "-";

    private static string Metric(double? value) => value is { } number ? number.ToString("0.0000", CultureInfo.InvariantCulture) : "-";

    private static string Short(double value) => value.ToString("#,0.####", CultureInfo.InvariantCulture);
}
