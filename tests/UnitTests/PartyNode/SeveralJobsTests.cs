using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>Jobs of the same two parties at the same time.</summary>
public sealed class SeveralJobsTests
{
    [Fact]
    [Trait("Speed", "slow")]
    public async Task Two_jobs_run_at_once_each_with_its_own_keys_and_a_cancelled_one_leaves_the_other()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string first = await fixture.SubmitAsync();
        string second = await fixture.SubmitAsync();
        string third = await fixture.SubmitAsync();
        await bank.WaitForAsync("phase", first);
        await bank.WaitForAsync("phase", second);

        await fixture.CancelAsync(first);

        foreach (string job in new[] { second, third })
        {
            JobStatus status = await fixture.EndOfAsync(job);
            Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{retailer.Log}");
        }

        Assert.Equal(JobState.Cancelled, (await fixture.EndOfAsync(first)).State);

        // Both ran before either had ended; the third had to wait for a lane.
        string[] events = bank.Events.Split('\n');
        Assert.InRange(Line(events, "phase", second), 0, Line(events, "job_end", first) - 1);
        Assert.InRange(Line(events, "phase", first), 0, Line(events, "job_end", second) - 1);

        // Own keys, and a record that is the job's own throughout.
        List<ByteString> keys = [];
        foreach (string job in new[] { second, third })
        {
            foreach (bool inbound in new[] { false, true })
            {
                IReadOnlyList<JournalEntry> entries = await bank.Store.ReadEntriesAsync(job, 1, inbound, 0, 1000, CancellationToken.None);
                Assert.All(entries, entry => Assert.Equal(
                    job, EnvelopeCodec.Parse(ByteString.CopyFrom(entry.Core), ByteString.CopyFrom(entry.Attestation)).Header.Job));
                Envelope exchange = (inbound
                    ? await bank.Store.ReadInboundAsync(job, 1, 0, CancellationToken.None)
                    : await bank.Store.ReadOutboundAsync(job, 1, 0, CancellationToken.None))!;
                keys.Add(KeyExchange.Parser.ParseFrom(exchange.Payload).EphemeralKey);
            }
        }

        Assert.Equal(4, keys.Distinct().Count());
    }

    private static int Line(string[] events, string name, string job) => Array.FindIndex(
        events, line => line.StartsWith($"{{\"event\":\"{name}\"", StringComparison.Ordinal) && line.Contains(job, StringComparison.Ordinal));
}
