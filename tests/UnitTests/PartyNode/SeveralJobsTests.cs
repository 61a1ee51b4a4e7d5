using Google.Protobuf;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.Coordinator;
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

    [Fact]
    public async Task Jobs_that_hold_the_lanes_of_two_parties_crosswise_do_not_wait_for_each_other()
    {
        LanePatience patience = new() { Park = TimeSpan.FromSeconds(1), GiveWay = TimeSpan.FromMilliseconds(200) };
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, ManualBut("second"), patience: patience);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty, ManualBut("first"), patience: patience);
        string first = await SubmitAsync(fixture, "first");
        string second = await SubmitAsync(fixture, "second");
        await bank.WaitForAsync("held", first);
        await bank.WaitForAsync("answer", second);
        await retailer.WaitForAsync("held", second);
        await retailer.WaitForAsync("answer", first);

        // Each begins at once where it was held, and finds the only lane of the other party taken by the other.
        await Task.WhenAll(
            bank.Jobs.DecideAsync(first, approved: true, "", CancellationToken.None),
            retailer.Jobs.DecideAsync(second, approved: true, "", CancellationToken.None));

        await Task.WhenAll(RunsAsync(fixture, bank, first), RunsAsync(fixture, bank, second));
    }

    [Fact]
    public async Task An_approved_job_that_waits_for_a_lane_survives_the_nodes_stop()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, ManualBut("first"));
        RunningNode retailer = fixture.StartNode(Role.FeatureParty, around: HeldJournal.Around);
        string second = await SubmitAsync(fixture, "second");
        await bank.WaitForAsync("held", second);

        // The first has the only lane, and as its peer says nothing it stays there.
        string first = await SubmitAsync(fixture, "first");
        await bank.WaitForAsync("phase", first);
        await retailer.StopAsync();
        await bank.Jobs.DecideAsync(second, approved: true, "", CancellationToken.None);
        await bank.StopAsync();
        Assert.DoesNotContain("job_end", bank.Events, StringComparison.Ordinal);
        Assert.Equal(JobState.Offered, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = second })).State);

        RunningNode again = fixture.StartNode(Role.LabelParty, ManualBut("first"));
        fixture.StartNode(Role.FeatureParty);
        await RunsAsync(fixture, again, first);
        await RunsAsync(fixture, again, second);
    }

    [Fact]
    public async Task A_node_that_stops_begins_no_job_that_waits_and_its_next_run_does()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, ManualBut("none"));
        fixture.StartNode(Role.FeatureParty);
        string job = await SubmitAsync(fixture, "held");
        await bank.WaitForAsync("held", job);

        await bank.Host.DrainAsync(TimeSpan.Zero, CancellationToken.None);

        // The job leaves the node's hands beside this; what comes of it now is found in the store.
        await CheckpointTests.WaitAsync(() => Task.FromResult(bank.Host.JobsByState().Sum(state => state.Count) == 0));
        await bank.Jobs.DecideAsync(job, approved: true, "", CancellationToken.None);
        await bank.Host.Relay.PublishAsync(new StartEvent(job, 1), CancellationToken.None);
        await bank.LoggedAsync($"job {job} is offered, or runs, while the node stops");
        await bank.StopAsync();
        Assert.DoesNotContain("\"accepted\":true", bank.Events, StringComparison.Ordinal);

        await RunsAsync(fixture, fixture.StartNode(Role.LabelParty, ManualBut("none")), job);
    }

    /// <summary>Both parties are in the job at the same time; then it makes room.</summary>
    private static async Task RunsAsync(NodeFixture fixture, RunningNode node, string job)
    {
        await node.WaitForAsync("phase", $"{job}\",\"phase\":\"align\"");
        await fixture.CancelAsync(job);
    }

    /// <summary>One lane, and an operator who is asked about all jobs but those of a purpose.</summary>
    private static string ManualBut(string purpose) =>
        $"  allow_disclosure_risk: true\n  approval: manual\n  automatic_for: {{purposes: [{purpose}]}}\nmax_running_jobs: 1";

    private static Task<string> SubmitAsync(NodeFixture fixture, string purpose) => fixture.SubmitAsync(spec =>
    {
        spec.Purpose = purpose;
        spec.Train.MaxIterations = 1;
    });

    private static int Line(string[] events, string name, string job) => Array.FindIndex(
        events, line => line.StartsWith($"{{\"event\":\"{name}\"", StringComparison.Ordinal) && line.Contains(job, StringComparison.Ordinal));
}
