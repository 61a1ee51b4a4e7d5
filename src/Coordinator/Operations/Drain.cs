namespace VertFed.Coordinator.Operations;

/// <summary>
/// What happens between the word to stop and the end: no job is taken or started any more, and those that run get their time to
/// end. What still runs then is no worse off than after a crash: it goes on where it stands once the coordinator is started again.
/// </summary>
internal static class Drain
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    /// <summary>Returns once no job runs, or the time is over, or somebody asks again.</summary>
    /// <param name="running">How many jobs run, of whatever kind.</param>
    /// <returns>How many jobs still run.</returns>
    public static async Task<int> WaitAsync(Func<int> running, TimeSpan patience, TimeProvider time, CancellationToken hurry)
    {
        DateTimeOffset until = time.GetUtcNow() + patience;
        using var timer = new PeriodicTimer(Look, time);
        try
        {
            while (running() > 0 && time.GetUtcNow() < until)
                await timer.WaitForNextTickAsync(hurry);
        }
        catch (OperationCanceledException) when (hurry.IsCancellationRequested)
        {
            // Told twice: at once, then.
        }

        return running();
    }
}
