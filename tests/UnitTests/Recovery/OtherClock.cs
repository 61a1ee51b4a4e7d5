namespace VertFed.UnitTests.Recovery;

/// <summary>The clock of another machine, which is ahead of this one's or behind it, and can be set forward.</summary>
internal sealed class OtherClock(TimeSpan ahead) : TimeProvider
{
    private long _ahead = ahead.Ticks;

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ahead, by.Ticks);

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _ahead));
}
