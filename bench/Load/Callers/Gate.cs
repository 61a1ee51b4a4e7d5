namespace VertFed.Load.Callers;

/// <summary>Opens when so many have knocked and were let in or turned away: nobody takes a place that another has left.</summary>
internal sealed class Gate(int count)
{
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _undecided = count;

    /// <summary>Once for each that knocks.</summary>
    public void Decide()
    {
        if (Interlocked.Decrement(ref _undecided) == 0)
        {
            _opened.TrySetResult();
        }
    }

    /// <summary>For one that was let in: stays until the gate opens.</summary>
    public Task StayAsync(CancellationToken cancellationToken)
    {
        Decide();
        return _opened.Task.WaitAsync(cancellationToken);
    }
}
