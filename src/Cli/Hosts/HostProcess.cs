using System.Diagnostics;
using System.Globalization;
using VertFed.Protocol;

namespace VertFed.Cli.Hosts;

/// <summary>
/// A coordinator or party run as a child of this process, with a pipe to its standard input. The child exits when that pipe
/// reaches its end, so it does not outlive a parent that is killed. Events come from its standard output; standard error
/// goes to its log file.
/// </summary>
internal sealed class HostProcess : IAsyncDisposable
{
    private const int MaxLineLength = 64 * 1024;
    private readonly Process _process;
    private readonly FileStream _logFile;
    private readonly StreamWriter _log;
    private readonly Task<int> _ended;
    private readonly TaskCompletionSource<NodeEvent> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _output;
    private readonly Task _errors;
    private string? _lastErrorLine;
    private IOException? _unwritten;

    private HostProcess(string name, Process process, string logPath, Action<NodeEvent> onEvent)
    {
        Name = name;
        LogPath = logPath;
        _process = process;
        // Without a buffer of its own: what it could not write it would try again when it is closed.
        _logFile = new FileStream(logPath, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
        _log = new StreamWriter(_logFile);
        _output = ReadOutputAsync(onEvent);
        _errors = ReadErrorsAsync();
        _ended = WaitAsync();
        Exited = ExitCodeAsync();
    }

    public string Name { get; }

    public string LogPath { get; }

    public int ProcessId => _process.Id;

    /// <summary>
    /// Completes with the exit code once the process has ended and all it wrote was read; with an error (<see cref="ErrorCode.Usage"/>) where its log could
    /// not be written, for which it was ended.
    /// </summary>
    public Task<int> Exited { get; }

    /// <summary>Starts a program of ours with a pipe to its standard input.</summary>
    /// <param name="onEvent">Called for every event line, one at a time, on a pool thread.</param>
    public static HostProcess Start(string name, string program, IEnumerable<string> arguments, string logPath, Action<NodeEvent> onEvent)
    {
        ProcessStartInfo info = new(HostLocator.Runtime())
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        info.ArgumentList.Add(HostLocator.Find(program));
        foreach (string argument in arguments)
        {
            info.ArgumentList.Add(argument);
        }

        Process process = Process.Start(info) ?? throw new InvalidOperationException($"Starting the {name} process gave no process.");
        return new HostProcess(name, process, logPath, onEvent);
    }

    /// <summary>Waits for the process's `ready` event.</summary>
    /// <exception cref="VertFedException">It ended before, with the code of its exit; or it was not ready in time.</exception>
    public async Task<NodeEvent> ReadyAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(timeout);
        Task first = await Task.WhenAny(_ready.Task, Exited, Task.Delay(Timeout.InfiniteTimeSpan, deadline.Token));
        cancellationToken.ThrowIfCancellationRequested();
        if (_ready.Task.IsCompletedSuccessfully)
        {
            return await _ready.Task;
        }

        throw first == Exited ? EndedEarly(await Exited) : Error.ChildNotReady(Name, timeout.TotalSeconds, LogPath);
    }

    /// <summary>The error that names this process, its exit code and the last line of its log.</summary>
    /// <param name="restarts">How often it had been started again before.</param>
    public VertFedException EndedEarly(int exitCode, int restarts = 0) => Error.ChildEnded(Name, exitCode, restarts, _lastErrorLine, LogPath);

    /// <summary>Closes the pipe, which asks the process to end, and kills its tree where it has not after the time given.</summary>
    public async Task StopAsync(TimeSpan patience)
    {
        if (!_process.HasExited)
        {
            try
            {
                _process.StandardInput.Close();
            }
            catch (IOException)
            {
                // The reading end is gone: the process is ending by itself, which the wait below observes.
            }
        }

        try
        {
            await _ended.WaitAsync(patience);
        }
        catch (TimeoutException)
        {
            _process.Kill(entireProcessTree: true);
            await _ended;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.FromSeconds(2));
        _process.Dispose();
        if (_unwritten is null)
        {
            await _log.DisposeAsync();
        }

        await _logFile.DisposeAsync();
    }

    private async Task<int> WaitAsync()
    {
        await _process.WaitForExitAsync();
        await Task.WhenAll(_output, _errors);
        return _process.ExitCode;
    }

    private async Task<int> ExitCodeAsync()
    {
        int exitCode = await _ended;
        return _unwritten is { } fault ? throw Error.CannotWrite(LogPath, fault) : exitCode;
    }

    // A log that cannot be written, for the disk is full: the process is ended, for nobody would see any more what becomes of it. What it still says
    // is read, or it would wait for a reader.
    private void GiveUp(IOException fault)
    {
        _unwritten ??= fault;
        try
        {
            _process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
    }

    private async Task ReadOutputAsync(Action<NodeEvent> onEvent)
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Length > MaxLineLength || NodeEvent.TryParse(line) is not { } nodeEvent)
            {
                Log(line.Length > MaxLineLength ? line[..MaxLineLength] : line);
                continue;
            }

            Log(line);
            if (string.Equals(nodeEvent.Name, "ready", StringComparison.Ordinal))
            {
                _ready.TrySetResult(nodeEvent);
            }

            onEvent(nodeEvent);
        }
    }

    private async Task ReadErrorsAsync()
    {
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            if (!string.IsNullOrWhiteSpace(line))
            {
                _lastErrorLine = Error.OneLine(line.Length > 500 ? line[..500] : line);
            }

            Log(line);
        }
    }

    private void Log(string line)
    {
        lock (_log)
        {
            if (_unwritten is not null)
            {
                return;
            }

            try
            {
                _log.Write(DateTimeOffset.UtcNow.ToString("HH:mm:ss.fff ", CultureInfo.InvariantCulture));
                _log.WriteLine(line);
                _log.Flush();
            }
            catch (IOException e)
            {
                GiveUp(e);
            }
        }
    }
}
