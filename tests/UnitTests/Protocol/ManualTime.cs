namespace VertFed.UnitTests.Protocol;

/// <summary>A clock that moves when a test says so; timers fire on <see cref="Advance"/>, each at most once. Any thread may look at it and set timers.</summary>
internal sealed class ManualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly HashSet<ManualTimer> _timers = [];
    private DateTimeOffset _now = DateTimeOffset.UnixEpoch.AddDays(20_000);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>A clock that stands at the present, for whoever judges certificates of the present.</summary>
    public static ManualTime AtPresent() => new() { _now = System.GetUtcNow() };

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            return _now;
        }
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ManualTimer timer = new(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    public void Advance(TimeSpan by)
    {
        ManualTimer[] due;
        lock (_gate)
        {
            _now += by;
            due = [.. _timers.Where(timer => timer.Due <= _now)];
        }

        foreach (ManualTimer timer in due)
        {
            timer.Fire();
        }
    }

    private sealed class ManualTimer(ManualTime owner, Action fire) : ITimer
    {
        private TimeSpan _period;

        /// <summary>Under the owner's lock.</summary>
        public DateTimeOffset Due { get; private set; }

        public void Fire()
        {
            lock (owner._gate)
            {
                if (Due > owner._now)
                {
                    return;
                }

                Due = owner._now + _period;
                if (_period <= TimeSpan.Zero)
                {
                    Stop();
                }
            }

            fire();
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (owner._gate)
            {
                _period = period;
                if (dueTime < TimeSpan.Zero)
                {
                    Stop();
                    return true;
                }

                Due = owner._now + dueTime;
                owner._timers.Add(this);
                return true;
            }
        }

        public void Dispose()
        {
            lock (owner._gate)
            {
                Stop();
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }

        private void Stop()
        {
            Due = DateTimeOffset.MaxValue;
            owner._timers.Remove(this);
        }
    }
}
