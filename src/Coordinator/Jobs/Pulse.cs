namespace VertFed.Coordinator.Jobs;

/// <summary>
/// Tells any number of waiters that something changed, not what: they look at the store. Take <see cref="Next"/> before looking,
/// then no change is missed; changes that come while a waiter is busy count as one.
/// </summary>
internal sealed class Pulse
{
    private TaskCompletionSource _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Next => Volatile.Read(ref _next).Task;

    public void Signal() =>
        Interlocked.Exchange(ref _next, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
}
