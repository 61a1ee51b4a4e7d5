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

    /// <summary>A store that has not answered by then counts as one that fails.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);

    private int _looks;
    private Task? _answer;

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
            // A store that hangs is asked one thing alone, whose answer the next look waits for.
            Task answer = _answer ??= AskAsync(wasFailing, cancellationToken);
            await answer.WaitAsync(Longest, time, cancellationToken);
            _answer = null;
            health.Works();
        }
        catch (TimeoutException) when (_answer is { IsCompleted: false })
        {
            Fail(new VertFedException(ErrorCode.Storage, $"the store has not answered within {Longest.TotalSeconds:0} s"));
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Whatever it is, the next look may find the store well; an unexpected message is not for a log.
            _answer = null;
            Fail(exception as VertFedException ?? new VertFedException(ErrorCode.Storage, $"the store failed with an unexpected {exception.GetType().Name}", exception));
        }

        void Fail(VertFedException reason)
        {
            if (!wasFailing)
                Log.StoreFailed(logger, nameof(StoreProbe), reason.Message);
            health.Failed(reason);
        }
    }

    private async Task AskAsync(bool isFailing, CancellationToken cancellationToken)
    {
        _ = await store.ListJobsAsync(1, null, filter: null, cancellationToken);
        if (isFailing || ++_looks % LooksPerWrite == 0)
            await store.ProbeAsync(isFailing ? Limits.MaxChunkBytes : 0, time.GetUtcNow().ToUnixTimeMilliseconds(), cancellationToken);
    }
}
