using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>`job check`: what all parties' policies say of a job, without starting it.</summary>
internal static class CheckCommand
{
    public static Command Create(Terminal terminal)
    {
        Argument<string> spec = new("SPEC") { Description = "The job specification (YAML)." };
        AccessOptions access = new();
        Option<bool> json = CommandLine.Json();
        Command command = new("check", "Ask all parties what their policies say of a job, without starting it; exit code 4 if one refuses, 5 if one is away.") { spec, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            SignedJobSpec signed = JobFiles.LoadAndSign(result.GetRequiredValue(spec), caller.Identity, clientToken: null, out _);
            using JobClient client = new(caller);
            DryRunResponse response = await client.DryRunAsync(signed, cancellationToken);
            JobCheck check = JobCheck.Open(response, SignedJob.Verify(signed).Specification, caller.Identity);
            if (result.GetValue(json))
            {
                terminal.Output.WriteLine(JsonSerializer.Serialize(check, PreflightJson.Default.JobCheck));
            }
            else
            {
                Write(terminal.OutputConsole(), check);
            }

            return check.ExitCode;
        });
        return command;
    }

    /// <summary>Every rule of each party, then the estimate and the verdict. What parties wrote is shown on one line each, without control characters.</summary>
    internal static void Write(IAnsiConsole console, JobCheck check)
    {
        foreach (PreflightPart part in check.Parties)
        {
            string data = part.Data is { } shape
                ? string.Create(CultureInfo.InvariantCulture, $"; {Text(shape.Dataset)}: {shape.Rows:N0} rows, {shape.Columns:N0} columns")
                : "; its data was not looked at";
            console.WriteLine($"{Text(part.Party)}: {part.Verdict}, approval {Text(part.Approval)}{data}");
            Table table = new Table().Border(TableBorder.Simple);
            table.AddColumns("Rule", "When", "Verdict", "Why");
            foreach (PreflightRule rule in part.Rules)
            {
                table.AddRow(Escaped(rule.Name), Escaped(rule.Moment), Escaped(rule.Verdict), Escaped(rule.Reason));
            }

            console.Write(table);
            if (part.Error is { } error)
            {
                console.WriteLine($"{Text(error.Code)}: {Text(error.Message)}");
            }
        }

        foreach (string party in check.Missing)
        {
            console.WriteLine($"{party}: no answer");
        }

        if (check.Estimate is { } estimate)
        {
            console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Estimate, an order of magnitude: {estimate.Seconds:0} s, {estimate.Bytes / 1e6:0.0} MB"));
        }

        console.WriteLine($"Verdict: {check.Verdict}");
    }

    private static string Text(string given) => Error.OneLine(given);

    private static string Escaped(string given) => Markup.Escape(Text(given));
}
