using System.Globalization;
using Spectre.Console;
using VertFed.Cli.Hosts;
using VertFed.Cli.Jobs;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.Cli.Audit;

/// <summary>What auditors read. Everything that came from a file or the coordinator is escaped and stripped of control characters.</summary>
internal static class AuditText
{
    public static Table Table(IEnumerable<TranscriptSummary> transcripts)
    {
        Table table = new Table().Border(TableBorder.Simple);
        table.AddColumns("Job", "State", "Entries", "MB", "Payloads", "Checkpoint", "Not co-signed by");
        foreach (TranscriptSummary one in transcripts)
        {
            table.AddRow(
                Cell(one.Job),
                Cell(JobOutcomes.Word(one.State)),
                one.Entries.ToString(CultureInfo.InvariantCulture),
                (one.Bytes / 1e6).ToString("0.0", CultureInfo.InvariantCulture),
                one.Payloads == Payloads.Full ? "full" : "hashes",
                Cell(JobOutcomes.Name(one.Checkpoint)),
                Cell(string.Join(", ", one.NotCoSigned)));
        }

        return table;
    }

    public static void Write(IAnsiConsole console, string path, Verdict verdict, ModelCheck? model)
    {
        List<(string Name, string Value)> lines = [("Transcript", path)];
        if (verdict.Job.Length > 0)
        {
            lines.Add(("Job", string.Create(CultureInfo.InvariantCulture, $"{verdict.Job}, attempt {verdict.Attempt}")));
            lines.Add(("Submitter", verdict.Submitter));
            lines.Add(("Coordinator", verdict.Coordinator));
        }

        bool isHorizontal = verdict.Parties.Count > 0;
        lines.Add(("Entries", string.Create(CultureInfo.InvariantCulture, $"{verdict.Entries:N0}, {verdict.PayloadBytes / 1e6:N1} MB of {(isHorizontal ? "" : "sealed ")}payload{Unchecked(verdict)}")));
        foreach (VerifiedCheckpoint checkpoint in verdict.Checkpoints)
        {
            string signers = checkpoint.CoSigners.Count == 0 ? "by nobody" : "by " + string.Join(isHorizontal ? ", " : " and ", checkpoint.CoSigners.Select(signer => signer.Party));
            lines.Add((isHorizontal ? "Checkpoint" : $"After {JobOutcomes.Name(checkpoint.Phase)}", string.Create(CultureInfo.InvariantCulture, $"{checkpoint.Checkpoint.Size:N0} entries, co-signed {signers}")));
        }

        lines.AddRange(verdict.Remarks.Select(remark => ("Remark", remark)));
        if (verdict.Root.Length > 0)
        {
            lines.Add(("Core root", verdict.Root));
        }

        if (model is not null)
        {
            lines.Add(("Model", model.IsCommitted ? $"the one that '{model.Party}' committed to" : $"NOT the one that '{model.Party}' committed to"));
        }

        foreach ((string name, string value) in lines)
        {
            console.WriteLine($"{name,-15}{Error.OneLine(value)}");
        }

        console.WriteLine();
        console.WriteLine(Error.OneLine(verdict.IsVerified ? $"VERIFIED: {verdict.Summary}." : $"NOT VERIFIED: the transcript {verdict.Summary}"));
        if (verdict is { IsVerified: true, IsPinned: false })
        {
            console.WriteLine("The keys were taken from the file itself: compare the fingerprints, or give --submitter and --coordinator-key.");
        }
    }

    public static void Write(IAnsiConsole console, DisclosureLedger ledger)
    {
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"Aligned rows: {(ledger.RowsAtLeast == ledger.RowsAtMost ? "" : $"{ledger.RowsAtLeast:N0} to ")}{ledger.RowsAtMost:N0}. Training rounds: {ledger.Rounds}."));
        Table table = new Table().Border(TableBorder.Simple);
        table.AddColumns("To", "What", "Scalars", "A row", "Step");
        foreach (LedgerLine line in ledger.Lines)
        {
            table.AddRow(
                Cell(line.Party),
                Cell(line.What),
                (line.IsUpperBound ? "at most " : "") + line.Scalars.ToString("N0", CultureInfo.InvariantCulture),
                line.ScalarsPerRow.ToString("0.####", CultureInfo.InvariantCulture),
                Cell(line.Step.ToString()));
        }

        console.Write(table);
    }

    public static void Write(IAnsiConsole console, RoundLedger ledger)
    {
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Parties: {ledger.Specification.Parties.Count}. Rounds: {ledger.Rounds}."));
        foreach (string guarantee in RoundGuarantees.Of(ledger))
        {
            console.WriteLine(Error.OneLine(guarantee));
        }

        Table table = new Table().Border(TableBorder.Simple);
        table.AddColumns("To", "Of", "What", "Values", "Step");
        foreach (RoundLedgerLine line in ledger.Lines)
        {
            table.AddRow(Cell(line.To), Cell(line.Of), Cell(line.What), line.Values.ToString("N0", CultureInfo.InvariantCulture), Cell(line.Step.ToString()));
        }

        console.Write(table);
    }

    /// <summary>The outcome of one party's replay, as its program told it.</summary>
    public static void WriteReplay(TextWriter output, NodeEvent outcome)
    {
        string party = outcome.Text("party");
        string count = string.Create(
            CultureInfo.InvariantCulture, $"{outcome.Number("matched"):N0} of {outcome.Number("recorded"):N0} messages as recorded, byte for byte, in {outcome.Number("seconds"):0.0} s");
        output.WriteLine(Error.OneLine($"{party}: {(outcome.Flag("faithful") == true ? "FAITHFUL" : "DIVERGES")}: {count}"));
        if (outcome.Object("divergence") is { } where)
        {
            string round = where.Number("round") > 0 ? string.Create(CultureInfo.InvariantCulture, $" of round {where.Number("round"):0}") : "";
            output.WriteLine(Error.OneLine(string.Create(
                CultureInfo.InvariantCulture, $"  first difference: entry {where.Number("entry"):0}, {where.Text("step")}{round}, field {where.Text("field")}")));
        }
        else if (outcome.Text("difference").Length > 0)
        {
            output.WriteLine(Error.OneLine($"  {outcome.Text("difference")}"));
        }

        if (outcome.Text("ending").Length > 0)
        {
            output.WriteLine(Error.OneLine($"  {outcome.Text("ending")}"));
        }

        switch (outcome.Text("model"))
        {
            case "same":
                output.WriteLine("  model: the one that is kept, byte for byte");
                break;
            case "differs":
                output.WriteLine("  model: NOT the one that is kept");
                break;
        }

        foreach (NodeEvent coefficient in outcome.Object("replayed_model")?.Objects("coefficients") ?? [])
        {
            output.WriteLine(Error.OneLine(string.Create(CultureInfo.InvariantCulture, $"    {coefficient.Text("name"),-24}{coefficient.Number("value"):0.000000}")));
        }
    }

    private static string Unchecked(Verdict verdict) => verdict.UncheckedPayloadBytes == 0
        ? ""
        : string.Create(CultureInfo.InvariantCulture, $", of which {verdict.UncheckedPayloadBytes / 1e6:N1} MB are not in the file (hashes only)");

    private static string Cell(string text) => Markup.Escape(Error.OneLine(text));
}
