namespace VertFed.UnitTests.Coordinator;

/// <summary>
/// The system's clock, which a test may move on: deadlines of minutes are over at once, whatever the machine does, and all that waits for the clock by
/// itself goes on as ever.
/// </summary>
internal sealed class JumpingTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly HashSet<JumpingTimer> _timers = [];
    private TimeSpan _ahead;

    public override long TimestampFrequency => System.TimestampFrequency;

    private TimeSpan Ahead
    {
        get
        {
            lock (_gate)
                return _ahead;
        }
    }

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Ahead;

    public override long GetTimestamp() => System.GetTimestamp() + (long)(Ahead.TotalSeconds * System.TimestampFrequency);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        JumpingTimer timer = new(this, () => callback(state));
        lock (_gate)
            _timers.Add(timer);
        timer.Change(dueTime, period);
        return timer;
    }

    public void Jump(TimeSpan by)
    {
        JumpingTimer[] timers;
        lock (_gate)
        {
            _ahead += by;
            timers = [.. _timers];
        }

        foreach (JumpingTimer timer in timers)
            timer.Jumped();
    }

    /// <summary>Jumps until something has come to its end: what it waits for may be set after the first jump.</summary>
    public async Task JumpUntilAsync(Task end, TimeSpan by)
    {
        do
            Jump(by);
        while (await Task.WhenAny(end, Task.Delay(TimeSpan.FromSeconds(1))) != end);
        await end;
    }

    private sealed class JumpingTimer : ITimer
    {
        private readonly Lock _turn = new();
        private readonly JumpingTime _owner;
        private readonly ITimer _timer;
        private readonly Action _fire;
        private DateTimeOffset? _due;
        private TimeSpan _period;

        public JumpingTimer(JumpingTime owner, Action fire)
        {
            (_owner, _fire) = (owner, fire);
            _timer = System.CreateTimer(_ => Fire(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (_turn)
            {
                _period = period;
                _due = dueTime < TimeSpan.Zero ? null : _owner.GetUtcNow() + dueTime;
                return _timer.Change(dueTime, period);
            }
        }

        /// <summary>What was due in between is due now, once.</summary>
        public void Jumped()
        {
            lock (_turn)
            {
                if (_due is not { } due)
                    return;
                TimeSpan left = due - _owner.GetUtcNow();
                _timer.Change(left > TimeSpan.Zero ? left : TimeSpan.Zero, _period);
            }
        }

        public void Dispose()
        {
            lock (_owner._gate)
                _owner._timers.Remove(this);
            lock (_turn)
                _due = null;
            _timer.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Fire()
        {
            lock (_turn)
            {
                if (_due is null)
                    return;
                _due = _period > TimeSpan.Zero ? _owner.GetUtcNow() + _period : null;
            }

            _fire();
        }
    }
}
