using VertFed.Storage.Sql;

namespace VertFed.UnitTests.Recovery;

/// <summary>Before or after a durable write, by number from 1.</summary>
/// <param name="MustGrow">After the first write from this number on that left something in the log: some change nothing.</param>
internal readonly record struct KillPoint(int Write, CommitStage Stage, bool MustGrow = false)
{
    public override string ToString() => $"{Stage} write {Write}";
}

/// <summary>
/// Stands at every durable write of one process. It counts them, and stops the process dead at a chosen one, or wherever it is: from then on
/// nothing becomes durable, and the folder can be copied as a killed process leaves it.
/// </summary>
internal sealed class DurableGate : IDisposable
{
    private readonly SemaphoreSlim _passage = new(1);
    private readonly ManualResetEventSlim _released = new();
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly KillPoint? _point;
    private volatile bool _dead;
    private bool _isInside;
    private int _writes;

    private readonly string? _log;
    private long _logLength;

    /// <param name="point">Null: it is not killed by itself.</param>
    /// <param name="log">The store's write-ahead log; null: it has none of its own.</param>
    public DurableGate(KillPoint? point, string? log) => (_point, _log) = (point, log);

    /// <summary>Length of the write-ahead log when the last write was about to be made durable.</summary>
    public long LogLengthBefore => Volatile.Read(ref _logLength);

    /// <summary>Completes when the process has come to its point, and stands still there.</summary>
    public Task Reached => _reached.Task;

    /// <summary>Writes that were begun.</summary>
    public int Writes => Volatile.Read(ref _writes);

    /// <summary>For <see cref="StoreOptions.CommitHook"/>; runs on the store's writer thread, which has nothing else to do.</summary>
    public void OnCommit(CommitStage stage)
    {
        if (stage == CommitStage.Before)
        {
            // A commit that failed is begun again, in the passage still.
            if (!_isInside)
            {
                _passage.Wait();
                _isInside = true;
            }

            ThrowIfDead();
            Interlocked.Increment(ref _writes);
            if (_log is not null)
            {
                Volatile.Write(ref _logLength, new FileInfo(_log).Length);
            }
        }

        if (_point is { } point && point.Stage == stage && (point.MustGrow ? point.Write <= _writes && HasGrown() : point.Write == _writes))
        {
            _reached.TrySetResult();
            _released.Wait();
            ThrowIfDead();
        }

        if (stage == CommitStage.After)
        {
            _isInside = false;
            _passage.Release();
        }
    }

    /// <summary>Stops the process between two writes, unless it stands at its point already.</summary>
    public async Task StopAsync()
    {
        if (!Reached.IsCompleted)
        {
            await Task.WhenAny(_passage.WaitAsync(), Reached);
        }
    }

    /// <summary>Lets a process that stands at its point go on as if nothing had been.</summary>
    public void Pass() => _released.Set();

    /// <summary>Lets the threads of a process that was killed run out: every write fails.</summary>
    public void Release()
    {
        _dead = true;
        _released.Set();
        _passage.Release();
    }

    public void Dispose()
    {
        _released.Dispose();
        _passage.Dispose();
    }

    private bool HasGrown() => _log is null || new FileInfo(_log).Length > LogLengthBefore;

    private void ThrowIfDead()
    {
        if (_dead)
        {
            _isInside = false;
            _passage.Release();
            throw new IOException("The process was killed.");
        }
    }
}
