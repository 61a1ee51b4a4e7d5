using System.CommandLine;
using System.Diagnostics;

namespace VertFed.Cli.Hosts;

/// <summary>
/// `coordinator` and `party`: start the program beside this one with the same terminal and return its exit code. The
/// launcher starts them without this detour.
/// </summary>
internal static class HostCommand
{
    public static Command Create(string name, string program, string description)
    {
        Option<FileInfo> config = new("--config", "-c")
        {
            Description = "Configuration file (YAML).",
            Required = true,
            HelpName = "FILE",
        };
        Option<bool> parentPipe = new("--parent-pipe")
        {
            Description = "End when standard input reaches its end: for a program that starts this one as its child.",
        };
        Command command = new(name, description) { config, parentPipe };
        command.SetAction(async (result, cancellationToken) =>
        {
            List<string> arguments = ["--config", result.GetRequiredValue(config).FullName];
            if (result.GetValue(parentPipe))
            {
                arguments.Add("--parent-pipe");
            }

            return await RunAsync(program, arguments, cancellationToken);
        });
        return command;
    }

    /// <summary>Runs a program of ours on this terminal.</summary>
    /// <returns>Its exit code.</returns>
    public static async Task<int> RunAsync(string program, List<string> arguments, CancellationToken cancellationToken)
    {
        ProcessStartInfo info = new(HostLocator.Runtime()) { UseShellExecute = false };
        info.ArgumentList.Add(HostLocator.Find(program));
        arguments.ForEach(info.ArgumentList.Add);
        using Process process = Process.Start(info) ?? throw new InvalidOperationException($"Starting {program} gave no process.");
        using CancellationTokenRegistration forward = cancellationToken.Register(() => Terminate(process));
        await process.WaitForExitAsync(CancellationToken.None);
        return process.ExitCode;
    }

    // A terminal's Ctrl-C reaches the child by itself; a TERM sent to this process alone must be passed on.
    private static void Terminate(Process process)
    {
        if (process.HasExited)
        {
            return;
        }

        if (OperatingSystem.IsWindows())
        {
            process.Kill(entireProcessTree: true);
            return;
        }

        using Process? kill = Process.Start(new ProcessStartInfo("kill") { ArgumentList = { "-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture) } });
        kill?.WaitForExit();
    }
}
