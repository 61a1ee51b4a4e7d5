using VertFed.PartyNode.Policies;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Hosting;

/// <summary>A job that this node considers or runs: what the event loop, the lanes and the worker say to each other.</summary>
internal sealed class JobEntry(SignedJob job, uint attempt, bool isResumed) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _cancellation = new();
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<OperatorDecision> _decided = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _decideBefore;
    private bool _disposed;

    public SignedJob Job { get; } = job;

    public uint Attempt { get; } = attempt;

    /// <summary>Accepted, and perhaps begun, by an earlier run of this node.</summary>
    public bool IsResumed { get; } = isResumed;

    /// <summary>The offer was accepted, now or by an earlier run.</summary>
    public bool IsAnswered { get; set; } = isResumed;

    /// <summary>It counts among the jobs that the store knows to have run.</summary>
    public bool HasRun { get; set; }

    /// <summary>It is in a lane and both parties have accepted: what a node that is told to stop waits for.</summary>
    public bool IsRunning { get; set; }

    public string Id => Job.Specification.Job;

    /// <summary>Completes when both parties have accepted.</summary>
    public Task Started => _started.Task;

    /// <summary>Completes when the operator has decided.</summary>
    public Task<OperatorDecision> Decided => _decided.Task;

    /// <summary>When the job is refused unless the operator approves it before, in milliseconds since 1970; 0: it does not wait.</summary>
    public long DecideBeforeUnixMs
    {
        get => Volatile.Read(ref _decideBefore);
        set => Volatile.Write(ref _decideBefore, value);
    }

    /// <summary>What this party's record said when the job was offered.</summary>
    public PartyFacts Facts { get; set; } = PartyFacts.None;

    /// <summary>What the rules said last; null before they were asked with the input at hand.</summary>
    public PreflightReport? Preflight { get; set; }

    /// <summary>Cancelled when the job is to end early; <see cref="Breach"/>, <see cref="End"/> or <see cref="IsLeft"/> says why.</summary>
    public CancellationToken Cancellation => _cancellation.Token;

    /// <summary>The end that the coordinator announced, if it did.</summary>
    public JobEnd? End { get; private set; }

    /// <summary>What the coordinator broke, if this party found out.</summary>
    public VertFedException? Breach { get; private set; }

    /// <summary>The node stops or fails, and has no reason of the job's own to end it.</summary>
    public bool IsLeft { get; private set; }

    /// <summary>Nothing is to be said of this job, which stays open in the store: a later run of the node takes it up.</summary>
    public bool GoesOnLater => IsLeft && End is null && Breach is null;

    public void Start() => _started.TrySetResult();

    public void Decide(OperatorDecision decision) => _decided.TrySetResult(decision);

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

    public void Leave()
    {
        lock (_gate)
        {
            IsLeft = true;
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
