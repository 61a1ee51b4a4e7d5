using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Hosting;

/// <summary>A job that this node considers or runs: what the event loop and the worker say to each other.</summary>
internal sealed class JobEntry(SignedJob job, uint attempt, bool isResumed) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _cancellation = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _disposed;

    public SignedJob Job { get; } = job;

    public uint Attempt { get; } = attempt;

    /// <summary>Accepted by an earlier run of this node.</summary>
    public bool IsResumed { get; } = isResumed;

    public string Id => Job.Specification.Job;

    /// <summary>Completes when both parties have accepted.</summary>
    public Task Started => _started.Task;

    /// <summary>Cancelled when the job is to end early; <see cref="Breach"/>, <see cref="End"/> or <see cref="IsStopped"/> says why.</summary>
    public CancellationToken Cancellation => _cancellation.Token;

    /// <summary>The end that the coordinator announced, if it did.</summary>
    public JobEnd? End { get; private set; }

    /// <summary>What the coordinator broke, if this party found out.</summary>
    public VertFedException? Breach { get; private set; }

    /// <summary>The operator stops the node.</summary>
    public bool IsStopped { get; private set; }

    public void Start() => _started.TrySetResult();

    public void EndEarly(JobEnd end)
    {
        lock (_gate)
        {
            End ??= end;
            CancelUnlessDisposed();
        }
    }

    public void EndOnBreach(VertFedException breach)
    {
        lock (_gate)
        {
            Breach ??= breach;
            CancelUnlessDisposed();
        }
    }

    public void Stop()
    {
        lock (_gate)
        {
            IsStopped = true;
            CancelUnlessDisposed();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _cancellation.Dispose();
        }
    }

    private void CancelUnlessDisposed()
    {
        if (!_disposed)
        {
            _cancellation.Cancel();
        }
    }
}
