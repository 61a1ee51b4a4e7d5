using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace VertFed.EndToEnd;

/// <summary>A program started by a test, with what it prints. Ended with its tree when disposed.</summary>
internal sealed class RunningProgram : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();
    private readonly List<(string Text, TaskCompletionSource Seen)> _awaited = [];

    private RunningProgram(ProcessStartInfo info)
    {
        info.RedirectStandardOutput = true;
        info.RedirectStandardError = true;
        info.RedirectStandardInput = true;
        info.UseShellExecute = false;
        _process = new Process { StartInfo = info };
        _process.OutputDataReceived += (_, line) => Append(_output, line.Data);
        _process.ErrorDataReceived += (_, line) => Append(_error, line.Data);
        _process.Start();
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public string Output => Read(_output);

    public string Error => Read(_error);

    /// <summary>Starts `vertfed` as built beside the tests.</summary>
    public static RunningProgram Vertfed(params string[] arguments) => VertfedAt(Repository.Built("Cli"), arguments);

    /// <summary>Starts `vertfed` from another copy of the programs.</summary>
    public static RunningProgram VertfedAt(string folder, params string[] arguments) =>
        Start("dotnet", [Path.Combine(folder, "VertFed.Cli.dll"), .. arguments]);

    public static RunningProgram Start(string file, string[] arguments, IReadOnlyDictionary<string, string?>? environment = null, string? workingDirectory = null)
    {
        ProcessStartInfo info = new(file) { WorkingDirectory = workingDirectory ?? "" };
        Array.ForEach(arguments, info.ArgumentList.Add);
        foreach ((string name, string? value) in environment ?? new Dictionary<string, string?>())
        {
            info.Environment[name] = value;
        }

        return new RunningProgram(info);
    }

    /// <summary>Runs `vertfed` to its end.</summary>
    public static async Task<ProgramResult> RunVertfedAsync(params string[] arguments)
    {
        using RunningProgram program = Vertfed(arguments);
        return await program.EndAsync();
    }

    public async Task<ProgramResult> EndAsync(TimeSpan? patience = null)
    {
        using CancellationTokenSource deadline = new(patience ?? s_patience);
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException e)
        {
            throw new TimeoutException($"The program did not end in time.\n--- output\n{Output}\n--- error\n{Error}", e);
        }

        return new ProgramResult(_process.ExitCode, Output, Error);
    }

    /// <summary>Waits until a text was printed, on either stream.</summary>
    public async Task PrintedAsync(string text, TimeSpan? patience = null)
    {
        TaskCompletionSource seen = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_awaited)
        {
            if (Output.Contains(text, StringComparison.Ordinal) || Error.Contains(text, StringComparison.Ordinal))
            {
                return;
            }

            _awaited.Add((text, seen));
        }

        try
        {
            Task ended = _process.WaitForExitAsync();
            if (await Task.WhenAny(seen.Task, ended).WaitAsync(patience ?? s_patience) == ended && !seen.Task.IsCompleted)
            {
                throw new InvalidOperationException($"The program ended with {_process.ExitCode} before it printed '{text}'.\n--- output\n{Output}\n--- error\n{Error}");
            }
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"The program did not print '{text}' in time.\n--- output\n{Output}\n--- error\n{Error}", e);
        }
    }

    /// <summary>Sends a signal by name: INT, TERM, KILL.</summary>
    public void Signal(string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            // Whoever removes their folder next must find nobody who still writes there.
            IReadOnlyList<int> children = OperatingSystem.IsLinux() ? ProcessTable.ChildrenOf(_process.Id) : [];
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
            SpinWait.SpinUntil(() => !children.Any(ProcessTable.Runs), s_patience);
        }

        _process.Dispose();
    }

    private void Append(StringBuilder text, string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_awaited)
        {
            lock (text)
            {
                text.Append(line).Append('\n');
            }

            foreach ((string wanted, TaskCompletionSource seen) in _awaited)
            {
                if (line.Contains(wanted, StringComparison.Ordinal))
                {
                    seen.TrySetResult();
                }
            }
        }
    }

    private static string Read(StringBuilder text)
    {
        lock (text)
        {
            return text.ToString();
        }
    }
}

internal sealed record ProgramResult(int ExitCode, string Output, string Error)
{
    public override string ToString() => $"exit code {ExitCode}\n--- output\n{Output}\n--- error\n{Error}";
}
