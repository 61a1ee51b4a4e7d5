using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.PartyNode.Hosting;

/// <summary>Forgets, at the start and once a day, envelopes and seeds of jobs that ended longer ago than the configuration keeps them, and
/// intersections that are no longer recent.</summary>
internal sealed class Retention(IPartyStore store, IntersectionHistory history, TimeSpan kept, TimeProvider time, NodeLog log)
{
    private static readonly TimeSpan Period = TimeSpan.FromDays(1);

    /// <summary>Runs until cancelled. A store that fails is tried again the next day; each failure is in the log.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using PeriodicTimer timer = new(Period, time);
        try
        {
            do
            {
                await PruneAsync(cancellationToken);
            }
            while (await timer.WaitForNextTickAsync(cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The node is stopping.
        }
    }

    private async Task PruneAsync(CancellationToken cancellationToken)
    {
        try
        {
            long before = time.GetUtcNow().Subtract(kept).ToUnixTimeMilliseconds();
            int all = 0;
            int pruned;
            do
            {
                pruned = await store.PruneAsync(before, cancellationToken);
                all += pruned;
            }
            while (pruned > 0);
            if (all > 0)
            {
                log.Pruned(all, kept);
            }

            int intersections = history.Prune();
            if (intersections > 0)
            {
                log.IntersectionsForgotten(intersections);
            }
        }
        catch (VertFedException error)
        {
            log.NotPruned(error.Message);
        }
    }
}
