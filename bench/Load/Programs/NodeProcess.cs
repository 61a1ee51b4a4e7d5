using System.Diagnostics;
using System.Text.Json;

namespace VertFed.Load.Programs;

/// <summary>What a process has used.</summary>
/// <param name="Processor">Since its start.</param>
/// <param name="Resident">Bytes of memory now.</param>
/// <param name="Peak">Most bytes of memory at any time.</param>
internal readonly record struct Usage(TimeSpan Processor, long Resident, long Peak)
{
    public const double MiB = 1 << 20;
}

/// <summary>
/// A coordinator or a party node as an operator runs it, in a process of its own. It ends when its input does, so that it does not outlive
/// this one.
/// </summary>
internal sealed class NodeProcess : IAsyncDisposable
{
    private const int LinesKept = 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly Queue<string> _lastLines = new();
    private readonly TaskCompletionSource<string> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;

    private NodeProcess(Process process)
    {
        _process = process;
        _reading = Task.WhenAll(ReadOutputAsync(), ReadErrorsAsync());
    }

    public Usage Usage
    {
        get
        {
            _process.Refresh();
            return new Usage(_process.TotalProcessorTime, _process.WorkingSet64, _process.PeakWorkingSet64);
        }
    }

    public bool HasExited => _process.HasExited;

    /// <summary>The last lines of its log.</summary>
    public string Log
    {
        get
        {
            lock (_lastLines)
            {
                return string.Join('\n', _lastLines);
            }
        }
    }

    /// <summary>Starts a program that was built beside this one and waits for its ready line.</summary>
    /// <param name="program">"Coordinator" or "PartyNode".</param>
    /// <exception cref="MeasureException">It ended instead, or took too long.</exception>
    public static async Task<(NodeProcess Process, JsonElement Ready)> StartAsync(string program, string config, CancellationToken cancellationToken)
    {
        ProcessStartInfo info = new(Runtime()) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in (string[])[Path.Combine(AppContext.BaseDirectory, $"VertFed.{program}.dll"), "--config", config, "--parent-pipe"])
        {
            info.ArgumentList.Add(argument);
        }

        NodeProcess node = new(Process.Start(info) ?? throw new MeasureException($"{program} did not start"));
        try
        {
            using JsonDocument ready = JsonDocument.Parse(await node._ready.Task.WaitAsync(Patience, cancellationToken));
            return (node, ready.RootElement.Clone());
        }
        catch (Exception e) when (e is TimeoutException or EndOfStreamException)
        {
            string log = node.Log;
            await node.DisposeAsync();
            throw new MeasureException($"{program} was not ready: {log}", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.StandardInput.Close();
        }

        try
        {
            await _process.WaitForExitAsync().WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            _process.Kill(entireProcessTree: true);
        }

        await _reading;
        _process.Dispose();
    }

    private static string Runtime() =>
        Environment.ProcessPath is { } own && Path.GetFileNameWithoutExtension(own) == "dotnet" ? own : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    private async Task ReadOutputAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Contains("\"event\":\"ready\"", StringComparison.Ordinal))
            {
                _ready.TrySetResult(line);
            }
        }

        _ready.TrySetException(new EndOfStreamException());
    }

    private async Task ReadErrorsAsync()
    {
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            lock (_lastLines)
            {
                _lastLines.Enqueue(line);
                if (_lastLines.Count > LinesKept)
                {
                    _lastLines.Dequeue();
                }
            }
        }
    }
}
