using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.Coordinator.Jobs;

/// <summary>
/// Whether the store works: not while its last writes failed, nor after a read or a probe that failed until one is well again. The gRPC health
/// service and the page of readiness both answer from this.
/// </summary>
internal sealed class StoreHealth(ICoordinatorStore store)
{
    private readonly Lock _gate = new();
    private string? _failure;
    private bool _told;

    /// <summary>Why it counts as failing, for the operator; null: it works.</summary>
    public string? Failure
    {
        get
        {
            lock (_gate)
                return store.Activity?.Failure ?? _failure;
        }
    }

    public bool IsFailing => Failure is not null;

    /// <summary>Signals when the answer may be another. A write that failed is seen at the next look of the probe.</summary>
    public Pulse Changed { get; } = new();

    /// <summary>Takes note of a failure, if it is one of the store.</summary>
    public void Failed(VertFedException exception)
    {
        if (exception.Code == ErrorCode.Storage)
            Set(exception.Message);
    }

    /// <summary>A read and a write were well.</summary>
    public void Works() => Set(failure: null);

    private void Set(string? failure)
    {
        lock (_gate)
        {
            _failure = failure;
            bool isFailing = IsFailing;
            if (_told == isFailing)
                return;
            _told = isFailing;
        }

        Changed.Signal();
    }
}
