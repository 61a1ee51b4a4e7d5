using System.CommandLine;
using System.Globalization;
using VertFed.Cli.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.Cli.Audit;

/// <summary>`audit list|export|verify|ledger|replay|access`: what an auditor does with the record of a job.</summary>
internal static class AuditCommand
{
    public static Command Create(Terminal terminal) => new("audit", "List, export, verify and replay signed transcripts, and show what they disclosed.")
    {
        CreateList(terminal),
        CreateExport(terminal),
        CreateVerify(terminal),
        CreateLedger(terminal),
        ReplayCommand.Create(terminal),
        AccessCommand.Create(terminal),
    };

    /// <summary>The argument that names a transcript file.</summary>
    internal static Argument<string> TranscriptFile() => new("FILE") { Description = "The transcript (.vft)." };

    /// <summary>Verifies a file with progress on a terminal.</summary>
    internal static async Task<Verdict> VerifyAsync(string path, VerifyOptions options, Terminal terminal, CancellationToken cancellationToken)
    {
        await using FileStream file = Open(path);
        long size = Math.Max(1, file.Length);
        using PercentLine line = new(terminal, "Verifying");
        return await TranscriptVerifier.VerifyAsync(file, options, new Report(progress => line.Show(progress.Bytes, size)), cancellationToken);
    }

    private static Command CreateList(Terminal terminal)
    {
        AccessOptions access = new();
        Option<int> limit = Numbers.Between("--limit", "How many of the newest.", 100, 1, 100_000);
        Option<bool> json = CommandLine.Json();
        Command command = new("list", "List the transcripts that the coordinator keeps, newest first.") { limit, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            using AuditClient client = new(caller);
            List<TranscriptSummary> transcripts = await client.ListAsync(result.GetValue(limit), cancellationToken);
            if (result.GetValue(json))
            {
                terminal.Output.WriteLine(AuditJson.Of(transcripts));
            }
            else
            {
                terminal.OutputConsole().Write(AuditText.Table(transcripts));
            }

            return 0;
        });
        return command;
    }

    private static Command CreateExport(Terminal terminal)
    {
        Argument<string> job = CommandLine.JobId();
        AccessOptions access = new();
        Option<string> output = new("--out", "-o") { Description = "The file to write; it must not exist.", Required = true, HelpName = "FILE" };
        Option<bool> json = CommandLine.Json();
        Command command = new("export", "Write the transcript of a job that has ended to one file.") { job, output, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            string path = result.GetRequiredValue(output);
            if (Path.Exists(path))
            {
                throw Error.FileExists(path);
            }

            using CoordinatorAccess caller = access.Open(result);
            using AuditClient client = new(caller);
            using PercentLine line = new(terminal, "Exporting");
            long size = await client.ExportAsync(result.GetRequiredValue(job), path, line.ShowBytes, cancellationToken);
            line.Dispose();
            terminal.Output.WriteLine(result.GetValue(json)
                ? AuditJson.Of(path, size)
                : string.Create(CultureInfo.InvariantCulture, $"{path}: {size:N0} bytes. Verify it with: vertfed audit verify {path}"));
            return 0;
        });
        return command;
    }

    private static Command CreateVerify(Terminal terminal)
    {
        Argument<string> file = TranscriptFile();
        PinOptions pins = new();
        Option<string?> model = new("--model") { Description = "A party's model.json: checks that it is the one that the party committed to.", HelpName = "FILE" };
        Option<bool> json = CommandLine.Json();
        Command command = new("verify", "Verify a transcript offline: signatures, chains, tree, co-signatures, order, sizes, disclosures.") { file, model, json };
        pins.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            string path = result.GetRequiredValue(file);
            Verdict verdict = await VerifyAsync(path, pins.Read(result), terminal, cancellationToken);
            ModelCheck? check = verdict.IsVerified && result.GetValue(model) is { } modelFile
                ? await ModelCheck.OfAsync(path, modelFile, cancellationToken)
                : null;
            if (result.GetValue(json))
            {
                terminal.Output.WriteLine(AuditJson.Of(verdict, check));
            }
            else
            {
                AuditText.Write(terminal.OutputConsole(), path, verdict, check);
            }

            return verdict.IsVerified && check is not { IsCommitted: false } ? 0 : (int)ErrorCode.DoesNotVerify;
        });
        return command;
    }

    private static Command CreateLedger(Terminal terminal)
    {
        Argument<string> file = TranscriptFile();
        Option<bool> json = CommandLine.Json();
        Command command = new("ledger", "Verify a transcript and list what each party learned beyond its own data.") { file, json };
        command.SetAction(async (result, cancellationToken) =>
        {
            string path = result.GetRequiredValue(file);
            Verdict verdict = await VerifyAsync(path, new VerifyOptions(), terminal, cancellationToken);
            if (verdict.RoundLedger is { } rounds)
            {
                if (result.GetValue(json))
                {
                    terminal.Output.WriteLine(AuditJson.Of(rounds));
                }
                else
                {
                    AuditText.Write(terminal.OutputConsole(), rounds);
                }

                return 0;
            }

            if (verdict.Ledger is not { } ledger)
            {
                throw Error.Job(ErrorCode.DoesNotVerify, $"{path} {verdict.Summary}");
            }

            if (result.GetValue(json))
            {
                terminal.Output.WriteLine(AuditJson.Of(ledger));
            }
            else
            {
                AuditText.Write(terminal.OutputConsole(), ledger);
            }

            return 0;
        });
        return command;
    }

    private static FileStream Open(string path)
    {
        try
        {
            return new FileStream(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Read, Share = FileShare.Read, BufferSize = 0, Options = FileOptions.SequentialScan });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Job(ErrorCode.Usage, $"The transcript '{path}' cannot be read: {Error.OneLine(e.Message)}");
        }
    }

    /// <summary>Progress on the thread that makes it: the verifier reports seldom, and lines must stay in order.</summary>
    private sealed class Report(Action<VerifyProgress> show) : IProgress<VerifyProgress>
    {
        void IProgress<VerifyProgress>.Report(VerifyProgress value) => show(value);
    }
}
