using VertFed.Protocol;

namespace VertFed.Coordinator.Jobs;

/// <summary>Offers queued jobs while there is room, one after the other, and looks again whenever something changed.</summary>
internal sealed class QueuePump(JobHub hub, JobQueue queue, TimeProvider time, ILogger<QueuePump> logger) : BackgroundService
{
    /// <summary>After a failure of the store.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                // Taken before the look, so that a change during the look is not missed.
                Task changed = queue.Changed.Next;
                try
                {
                    while (await hub.OfferNextAsync(stoppingToken))
                    {
                    }

                    hub.TellQueued();
                    await changed.WaitAsync(stoppingToken);
                }
                catch (VertFedException exception)
                {
                    // The job is in the queue still; a store that fails now may work later.
                    Log.StoreFailed(logger, nameof(QueuePump), exception.Message);
                    await Task.Delay(Pause, time, stoppingToken);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }
}
