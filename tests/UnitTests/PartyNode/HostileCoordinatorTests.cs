using VertFed.PartyNode.Relay;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>A coordinator that says more than the parties have agreed to. Its words are put to the node as its connection would bring them.</summary>
public sealed class HostileCoordinatorTests
{
    private const string NotResumed = "runs at the coordinator, but this node refused it";
    private static readonly CancellationToken None = CancellationToken.None;

    [Fact]
    public async Task A_job_that_the_policy_refused_does_not_run_whatever_the_coordinator_says()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, "  allow_disclosure_risk: false");
        fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync();
        await bank.StateOfAsync(job, JobState.Refused);

        await bank.Host.Relay.PublishAsync(new StartEvent(job, 1), None);
        await bank.Host.Relay.PublishAsync(new RegisteredEvent("hostile", [job]), None);
        await bank.LoggedAsync(NotResumed, times: 2);

        await RequireNothingLeftAsync(bank, job, JobState.Refused);
        Assert.DoesNotContain("loaded", bank.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_held_job_does_not_run_after_a_restart_until_the_operator_has_approved_it()
    {
        const string manual = "  allow_disclosure_risk: true\n  approval: manual";
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        RunningNode bank = fixture.StartNode(Role.LabelParty, manual);
        fixture.StartNode(Role.FeatureParty);
        string job = await fixture.SubmitAsync(spec => spec.Train.MaxIterations = 2);
        await bank.WaitForAsync("held", job);
        await bank.StopAsync();
        await fixture.StopCoordinatorAsync();
        RunningNode again = fixture.StartNode(Role.LabelParty, manual);

        // Nobody offers it again: the coordinator says that it runs.
        await again.Host.Relay.PublishAsync(new RegisteredEvent("hostile", [job]), None);
        await again.Host.Relay.PublishAsync(new StartEvent(job, 1), None);
        await again.LoggedAsync(NotResumed, times: 2);
        await RequireNothingLeftAsync(again, job, JobState.Offered);

        await again.Jobs.DecideAsync(job, approved: true, "", None);
        await fixture.StartCoordinatorAsync();
        await again.WaitForAsync("phase", job);
        await fixture.CancelAsync(job);
    }

    private static async Task RequireNothingLeftAsync(RunningNode node, string job, JobState state)
    {
        Assert.Equal(state, (await node.Store.FindJobAsync(job, None))!.State);
        Assert.Null(await node.Store.LoadAttemptAsync(job, 1, None));
        Assert.Empty(await node.Store.ReadEntriesAsync(job, 1, inbound: false, 0, 10, None));
        Assert.DoesNotContain("\"phase\"", node.Events, StringComparison.Ordinal);
    }
}
