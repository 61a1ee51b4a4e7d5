using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using VertFed.Cli.Hosts;
using VertFed.Protocol;

namespace VertFed.Cli.Doctor;

/// <summary>
/// `doctor`: what a machine offers, and for each configuration file whether its node could run. The programs look at their own
/// configuration themselves, with the rights that they have; this command starts them for that and shows what they found.
/// </summary>
internal static class DoctorCommand
{
    // A program that hangs at an address that swallows packets gives up after its own 10 s; this is for what nobody thought of.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    public static Command Create(Terminal terminal)
    {
        Option<FileInfo[]> configs = new("--config", "-c")
        {
            Description = "Configuration file of a coordinator or a party; may be given more than once.",
            HelpName = "FILE",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<bool> json = CommandLine.Json();
        Command command = new("doctor", "Check this machine, and what configuration files need: addresses, certificates, disks, stores, clocks. Exit code 1 if a check fails.") { configs, json };
        command.SetAction((result, cancellationToken) => RunAsync(terminal, result.GetValue(configs) ?? [], result.GetValue(json), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(Terminal terminal, FileInfo[] configs, bool json, CancellationToken cancellationToken)
    {
        List<Section> sections = [new("this machine", await AskAsync(HostLocator.Coordinator, config: null, cancellationToken))];
        foreach (FileInfo config in configs)
        {
            sections.Add(new Section(config.FullName, await AskAsync(ProgramOf(config), config, cancellationToken)));
        }

        if (json)
        {
            WriteJson(terminal, sections);
        }
        else
        {
            WriteText(terminal, sections);
        }

        return sections.Exists(section => section.Lines.Exists(line => line.Verdict == "fail")) ? 1 : 0;
    }

    /// <summary>A party's configuration has a role, and a coordinator's has none.</summary>
    private static string ProgramOf(FileInfo config)
    {
        if (!config.Exists)
        {
            throw Error.FileMissing("The configuration file", config.FullName);
        }

        if (config.Length > Limits.MaxSpecBytes)
        {
            throw new VertFedException(ErrorCode.Usage, $"{config.FullName}: longer than 64 KiB");
        }

        return File.ReadLines(config.FullName).Any(line => line.StartsWith("role:", StringComparison.Ordinal)) ? HostLocator.PartyNode : HostLocator.Coordinator;
    }

    private static async Task<List<Line>> AskAsync(string program, FileInfo? config, CancellationToken cancellationToken)
    {
        ProcessStartInfo info = new(HostLocator.Runtime())
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        info.ArgumentList.Add(HostLocator.Find(program));
        info.ArgumentList.Add("--doctor");
        if (config is not null)
        {
            info.ArgumentList.Add("--config");
            info.ArgumentList.Add(config.FullName);
        }

        using Process process = Process.Start(info) ?? throw new InvalidOperationException($"Starting {program} gave no process.");
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(Patience);
        try
        {
            Task<string> errors = process.StandardError.ReadToEndAsync(late.Token);
            string output = await process.StandardOutput.ReadToEndAsync(late.Token);
            await process.WaitForExitAsync(late.Token);
            List<Line> lines = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Line.Parse).OfType<Line>()];
            if (process.ExitCode is not (0 or 1))
            {
                string advice = "See what the program says; docs/operations.md lists what it needs.";
                lines.Add(new Line("program", "fail", $"ended with exit code {process.ExitCode}: {Error.OneLine(await errors)}", advice));
            }

            return lines;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            process.Kill(entireProcessTree: true);
            return [new Line("program", "fail", string.Create(CultureInfo.InvariantCulture, $"no answer within {Patience.TotalSeconds:0} s"), "Run it again; if it hangs again, run the program itself with --doctor.")];
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    private static void WriteText(Terminal terminal, List<Section> sections)
    {
        foreach (Section section in sections)
        {
            terminal.Output.WriteLine(section.Subject);
            int width = section.Lines.Select(line => line.Check.Length).DefaultIfEmpty(0).Max();
            foreach (Line line in section.Lines)
            {
                terminal.Output.WriteLine($"  {line.Verdict,-4}  {line.Check.PadRight(width)}  {Error.OneLine(line.Finding)}");
                if (line.Advice.Length > 0)
                {
                    terminal.Output.WriteLine($"        {new string(' ', width)}  {Error.OneLine(line.Advice)}");
                }
            }
        }
    }

    private static void WriteJson(Terminal terminal, List<Section> sections)
    {
        var report = new
        {
            failed = sections.Exists(section => section.Lines.Exists(line => line.Verdict == "fail")),
            sections = sections.Select(section => new
            {
                subject = section.Subject,
                checks = section.Lines.Select(line => new { check = line.Check, verdict = line.Verdict, finding = line.Finding, advice = line.Advice }),
            }),
        };
        terminal.Output.WriteLine(JsonSerializer.Serialize(report));
    }

    private sealed record Section(string Subject, List<Line> Lines);

    private sealed record Line(string Check, string Verdict, string Finding, string Advice)
    {
        /// <summary>One line of a program's report; null where the line is something else.</summary>
        public static Line? Parse(string text)
        {
            try
            {
                using JsonDocument json = JsonDocument.Parse(text);
                JsonElement root = json.RootElement;
                return new Line(Text(root, "check"), Text(root, "verdict"), Text(root, "finding"), Text(root, "advice"));
            }
            catch (JsonException)
            {
                return null;
            }
        }

        private static string Text(JsonElement root, string name) =>
            root.ValueKind == JsonValueKind.Object && root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
    }
}
