using VertFed.Coordinator.Relay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Rounds;

public sealed class RoundOutboxTests
{
    [Fact]
    public void Of_the_questions_of_a_job_to_a_party_that_does_not_read_the_last_alone_waits()
    {
        using Identity coordinator = Identity.Create();
        RoundOutbox outbox = new();
        (string one, string other) = (new string('1', 32), new string('2', 32));
        outbox.Add(new CoordinatorFrame { Start = new JobStart { Job = one } });
        foreach ((string job, uint round) in new[] { (one, 1u), (other, 1u), (one, 2u), (one, 3u) })
        {
            RoundHeader header = new RoundTrail(job, RoundCodec.Coordinator).Header(RoundCodec.Everyone, RoundStep.ModelOrder, round, attempt: 1);
            outbox.Add(new CoordinatorFrame { Round = RoundCodec.Build(header, new ModelOrder(), coordinator, 1).Message });
        }

        outbox.Add(new CoordinatorFrame { End = new JobEnd { Job = one } });

        Assert.Equal(4, outbox.Count);
        List<string> taken = [];
        while (outbox.TryTake(out CoordinatorFrame? frame))
        {
            RoundHeader? header = frame.Round is null ? null : RoundCodec.Parse(frame.Round).Header;
            taken.Add(header is null ? frame.FrameCase.ToString() : $"{header.Job[0]}, round {header.Round}");
        }

        Assert.Equal(["Start", "2, round 1", "1, round 3", "End"], taken);
        Assert.Equal(0, outbox.Count);
    }
}
