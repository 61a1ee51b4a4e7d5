using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.Coordinator.Jobs;

/// <summary>
/// Reads from the store every 2 s and writes to it every 10 s, so that a failure is known before a caller meets it. While the store fails, each
/// look writes as much as a chunk of a payload: a disk that takes a few bytes and no envelope is still full.
/// </summary>
internal sealed class StoreProbe(ICoordinatorStore store, StoreHealth health, TimeProvider time, ILogger<StoreProbe> logger) : BackgroundService
{
    private const int LooksPerWrite = 5;
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(2);
    private int _looks;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Period, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await LookAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }

    /// <summary>One look.</summary>
    internal async Task LookAsync(CancellationToken cancellationToken)
    {
        bool wasFailing = health.IsFailing;
        try
        {
            _ = await store.ListJobsAsync(1, null, filter: null, cancellationToken);
            if (wasFailing || ++_looks % LooksPerWrite == 0)
                await store.ProbeAsync(wasFailing ? Limits.MaxChunkBytes : 0, time.GetUtcNow().ToUnixTimeMilliseconds(), cancellationToken);
            health.Works();
        }
        catch (VertFedException exception)
        {
            if (!wasFailing)
                Log.StoreFailed(logger, nameof(StoreProbe), exception.Message);
            health.Failed(exception);
        }
    }
}
