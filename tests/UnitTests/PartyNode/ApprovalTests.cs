using System.Text.Json;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Coordinator;
using VertFed.UnitTests.Protocol;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>Jobs that wait for a party's operator: how they go on, and how else they end.</summary>
public sealed class ApprovalTests
{
    private const string Manual = "  allow_disclosure_risk: true\n  approval: manual";
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_held_job_shows_what_the_rules_say_and_runs_once_the_operator_approves()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(400);
        RunningNode bank = fixture.StartNode(Role.LabelParty, Manual);
        RunningNode retailer = fixture.StartNode(Role.FeatureParty);
        string job = await HeldAsync(fixture, bank);

        NodeJob held = Assert.Single(await bank.Jobs.ListJobsAsync(10, held: true, None));
        Assert.Equal((job, JobState.Offered, "retailer"), (held.Job, held.State, held.Peer));
        Assert.Equal(24 * 3600 * 1000, held.DecideBeforeUnixMs - held.HeldUnixMs);
        using JsonDocument preflight = JsonDocument.Parse((await bank.Jobs.ShowJobAsync(job, None))!.Preflight);
        Assert.Equal("held", preflight.RootElement.GetProperty("verdict").GetString());
        Assert.Equal(400, preflight.RootElement.GetProperty("data").GetProperty("rows").GetInt32());

        // The node says that it holds the job before the coordinator has heard so.
        await CheckpointTests.WaitAsync(async () => (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).AwaitingApproval.SequenceEqual(["bank"]));
        Assert.DoesNotContain("\"phase\"", retailer.Events, StringComparison.Ordinal);

        Assert.True((await bank.Jobs.DecideAsync(job, approved: true, "fits our contract", None))!.Approved);

        // The same again changes nothing, before the job begins and after.
        Assert.Equal("fits our contract", (await bank.Jobs.DecideAsync(job, approved: true, "again", None))!.Reason);
        JobStatus status = await fixture.EndOfAsync(job);
        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{retailer.Log}");
        Assert.True((await bank.Jobs.DecideAsync(job, approved: true, "", None))!.Approved);
        VertFedException late = await Assert.ThrowsAsync<VertFedException>(() => bank.Jobs.DecideAsync(job, approved: false, "", None));
        Assert.Equal((ErrorCode.Usage, "the job was approved before, and a decision stays"), (late.Code, late.Message));
        Assert.Empty(await bank.Jobs.ListJobsAsync(10, held: true, None));
    }

    [Fact]
    public async Task A_refusal_reaches_the_submitter_with_the_operators_reason()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, Manual);
        fixture.StartNode(Role.FeatureParty);
        string job = await HeldAsync(fixture, bank);

        await bank.Jobs.DecideAsync(job, approved: false, "not this quarter", None);

        JobStatus status = await fixture.EndOfAsync(job);
        Assert.Equal((JobState.Refused, "Refused", "bank"), (status.State, status.Error.Code, status.Error.Party));
        Assert.Equal("policy rule 'approval': the operator refused it: not this quarter", status.Error.Message);
        Assert.Equal("refused", (await fixture.ReportAsync("bank", job)).GetProperty("status").GetString());
        NodeJob shown = (await bank.Jobs.ShowJobAsync(job, None))!;
        Assert.Equal((JobState.Refused, false), (shown.State, shown.Approved));
    }

    [Fact]
    public async Task A_held_job_survives_the_nodes_restart_and_keeps_its_time()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, Manual);
        fixture.StartNode(Role.FeatureParty);
        string job = await HeldAsync(fixture, bank);
        long before = Assert.Single(await bank.Jobs.ListJobsAsync(10, held: true, None)).DecideBeforeUnixMs;

        await bank.StopAsync();
        RunningNode again = fixture.StartNode(Role.LabelParty, Manual);
        await again.WaitForAsync("held", job);

        Assert.Equal(before, Assert.Single(await again.Jobs.ListJobsAsync(10, held: true, None)).DecideBeforeUnixMs);
        Assert.Equal(JobState.Offered, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
        await again.Jobs.DecideAsync(job, approved: true, "", None);
        await again.WaitForAsync("phase", job);
        await fixture.CancelAsync(job);
    }

    [Fact]
    public async Task A_decision_made_before_the_node_heard_of_the_offer_again_holds()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, Manual);
        fixture.StartNode(Role.FeatureParty);
        string job = await HeldAsync(fixture, bank);

        // As if the node had been killed between the decision and its effect.
        await bank.Store.RecordDecisionAsync(job, 1, isApproved: false, "no", 1, None);
        await bank.StopAsync();
        fixture.StartNode(Role.LabelParty, Manual);

        Assert.Equal("policy rule 'approval': the operator refused it: no", (await fixture.EndOfAsync(job)).Error.Message);
    }

    [Fact]
    public async Task An_operator_who_does_not_answer_in_time_has_refused()
    {
        ManualTime time = new();
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, Manual + "\n  approval_hours: 2", time: time);
        fixture.StartNode(Role.FeatureParty);
        string job = await HeldAsync(fixture, bank);

        time.Advance(TimeSpan.FromMinutes(121));

        // The node may read the clock before it moves and set its timer after: then it moves once more.
        Task<JobStatus> end = fixture.EndOfAsync(job);
        while (await Task.WhenAny(end, Task.Delay(TimeSpan.FromSeconds(5))) != end)
            time.Advance(TimeSpan.FromMinutes(121));
        JobStatus status = await end;
        Assert.Equal(JobState.Refused, status.State);
        Assert.Equal("policy rule 'approval': the operator did not approve it within 2 hours", status.Error.Message);
        VertFedException late = await Assert.ThrowsAsync<VertFedException>(() => bank.Jobs.DecideAsync(job, approved: true, "", None));
        Assert.Equal("the job does not wait for approval: it is refused", late.Message);
    }

    [Fact]
    public async Task A_held_job_that_its_submitter_cancels_waits_no_more()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, Manual);
        fixture.StartNode(Role.FeatureParty);
        string job = await HeldAsync(fixture, bank);

        await fixture.CancelAsync(job);

        await StateAsync(bank, job, JobState.Cancelled);
        Assert.Empty(await bank.Jobs.ListJobsAsync(10, held: true, None));
        VertFedException late = await Assert.ThrowsAsync<VertFedException>(() => bank.Jobs.DecideAsync(job, approved: true, "", None));
        Assert.Equal("the job does not wait for approval: it is cancelled", late.Message);
    }

    [Fact]
    public async Task Unknown_jobs_and_jobs_that_need_no_approval_cannot_be_decided()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, Manual + "\n  automatic_for: {peers: [retailer], kinds: [train]}");

        // The other party asks its operator, so the job stays offered, however late the question comes.
        fixture.StartNode(Role.FeatureParty, Manual);
        string job = await fixture.SubmitAsync();
        await bank.WaitForAsync("answer", "\"accepted\":true");

        Assert.Null(await bank.Jobs.DecideAsync(new string('9', 32), approved: true, "", None));
        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => bank.Jobs.DecideAsync(job, approved: true, "", None));
        Assert.Equal("the job does not wait for approval", error.Message);
    }

    private static async Task<string> HeldAsync(NodeFixture fixture, RunningNode node)
    {
        string job = await fixture.SubmitAsync(spec => spec.Train.MaxIterations = 2);
        await node.WaitForAsync("held", job);
        return job;
    }

    private static async Task StateAsync(RunningNode node, string job, JobState state)
    {
        using CancellationTokenSource patience = new(NodeFixture.Patience);
        while ((await node.Store.FindJobAsync(job, patience.Token))!.State != state)
        {
            await Task.Delay(20, patience.Token);
        }
    }
}
