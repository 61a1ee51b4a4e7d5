using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>Two jobs between the same two nodes at the same time.</summary>
public sealed class SeveralJobsTests
{
    [Fact]
    [Trait("Speed", "slow")]
    public async Task Two_jobs_of_the_same_parties_run_at_the_same_time_each_with_keys_of_its_own()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        fixture.StartNode(Role.LabelParty);
        fixture.StartNode(Role.FeatureParty);
        string[] jobs = [await fixture.SubmitAsync(), await fixture.SubmitAsync()];
        JobStatus first = await fixture.EndOfAsync(jobs[0]), second = await fixture.EndOfAsync(jobs[1]);
        Assert.Equal((JobState.Done, JobState.Done), (first.State, second.State));
        Assert.True(
            first.StartedUnixMs < second.EndedUnixMs && second.StartedUnixMs < first.EndedUnixMs,
            $"they ran one after the other: {first.StartedUnixMs} to {first.EndedUnixMs}, {second.StartedUnixMs} to {second.EndedUnixMs}");

        List<EnvelopeView> of = [.. await EntriesAsync(fixture, jobs[0]), .. await EntriesAsync(fixture, jobs[1])];
        string[] keys = [.. of.Where(entry => entry.Header.Step == Step.KeyExchange).Select(entry => Convert.ToHexString(entry.Core.PayloadHash.Span))];
        Assert.Equal(4, keys.Length);
        Assert.Distinct(keys);

        // The same data and spec, and not one sealed payload in common.
        string[] payloads = [.. of.Where(entry => entry.Core.PayloadSize > 0).Select(entry => Convert.ToHexString(entry.Core.PayloadHash.Span))];
        Assert.Distinct(payloads);
    }

    private static async Task<List<EnvelopeView>> EntriesAsync(NodeFixture fixture, string job)
    {
        var entries = new List<EnvelopeView>();
        using AsyncServerStreamingCall<TranscriptEntry> call = fixture.Audit.Entries(new EntriesRequest { Job = job });
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
            EnvelopeView entry = EnvelopeCodec.Parse(call.ResponseStream.Current.Core, call.ResponseStream.Current.Attestation);
            Assert.Equal(job, entry.Header.Job);
            entries.Add(entry);
        }

        return entries;
    }
}
