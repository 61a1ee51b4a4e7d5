using VertFed.Coordinator.Jobs;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Queue;

/// <summary>The estimate of a job's end.</summary>
public sealed class PaceTests
{
    [Fact]
    public void Without_two_rounds_seen_there_is_no_estimate()
    {
        var clock = new Clock();
        var pace = new Pace(30, clock);
        Assert.Equal(0U, pace.EtaSeconds());
        pace.Observe(Phase.Align, 5);
        pace.Observe(Phase.Train, 1);
        pace.Observe(Phase.Train, 1);
        Assert.Equal(0U, pace.EtaSeconds());
    }

    [Fact]
    public void The_rounds_that_the_spec_allows_still_go_on_at_the_pace_so_far()
    {
        var clock = new Clock();
        var pace = new Pace(30, clock);
        pace.Observe(Phase.Train, 4);
        clock.Advance(20);
        pace.Observe(Phase.Train, 8);
        Assert.Equal(22U * 5, pace.EtaSeconds());
        clock.Advance(3);
        Assert.Equal((22U * 5) - 3, pace.EtaSeconds());
        clock.Advance(1000);
        Assert.Equal(1U, pace.EtaSeconds());
    }

    private sealed class Clock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(int seconds) => _ticks += seconds * TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;
    }
}
