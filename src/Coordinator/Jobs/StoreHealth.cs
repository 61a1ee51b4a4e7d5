using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Jobs;

/// <summary>Whether the store works, by the last word of it: of a call that failed, or of the probe.</summary>
internal sealed class StoreHealth
{
    private volatile bool _failing;

    public bool IsFailing => _failing;

    public Pulse Changed { get; } = new();

    /// <summary>Takes note of a failure, if it is one of the store.</summary>
    public void Failed(VertFedException exception)
    {
        if (exception.Code == ErrorCode.Storage)
            Set(failing: true);
    }

    public void Works() => Set(failing: false);

    private void Set(bool failing)
    {
        if (_failing == failing)
            return;
        _failing = failing;
        Changed.Signal();
    }
}

/// <summary>
/// Asks the store every 2 s for a read and for a write transaction that changes nothing, so that a failure is known before a caller
/// meets it, and its end without one.
/// </summary>
internal sealed class StoreProbe(ICoordinatorStore store, StoreHealth health, TimeProvider time, ILogger<StoreProbe> logger) : BackgroundService
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(2);

    /// <summary>An envelope that no job has.</summary>
    private static readonly EnvelopeKey Nothing = new("", 0, Role.LabelParty, 0);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                try
                {
                    _ = await store.ListJobsAsync(1, null, filter: null, stoppingToken);
                    _ = await store.MarkDeliveredAsync(Nothing, 0, stoppingToken);
                    health.Works();
                }
                catch (VertFedException exception)
                {
                    if (!health.IsFailing)
                        Log.StoreFailed(logger, nameof(StoreProbe), exception.Message);
                    health.Failed(exception);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }
}
