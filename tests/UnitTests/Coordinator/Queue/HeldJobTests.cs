using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Queue;

/// <summary>Jobs about which a party asks its operator.</summary>
public sealed class HeldJobTests
{
    [Fact]
    public async Task A_held_job_takes_no_slot_and_runs_once_it_is_approved()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxRunningJobs = 1, MaxJobsPerParty = 1 } });
        (string held, FakeParty bank, FakeParty retailer) = await OfferedAsync(fixture);
        string second = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        Assert.Equal(JobState.Queued, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = second })).State);
        await bank.SendAsync(Held(held, 3600));
        Assert.Equal(second, (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer)).Offer.Job.JobId());
        JobStatus status = await fixture.Jobs.GetAsync(new GetJobRequest { Job = held });
        Assert.Equal((JobState.Offered, "bank"), (status.State, Assert.Single(status.AwaitingApproval)));

        await retailer.SendAsync(Accept(held));
        await bank.SendAsync(Accept(held));
        Assert.Equal(held, (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start)).Start.Job);
        status = await fixture.Jobs.GetAsync(new GetJobRequest { Job = held });
        Assert.Equal(JobState.Running, status.State);
        Assert.Empty(status.AwaitingApproval);
    }

    [Fact]
    public async Task The_deadline_does_not_count_while_an_operator_is_asked_but_the_time_for_approval_does()
    {
        JumpingTime time = new();
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(time: time);
        (string job, FakeParty bank, FakeParty retailer) = await OfferedAsync(fixture, deadlineSeconds: 600);
        await retailer.SendAsync(Accept(job));
        await bank.SendAsync(Held(job, 3600));

        // A repeated word does not lengthen the wait.
        await bank.SendAsync(Held(job, 7200));
        await fixture.UntilAsync(job, status => status.AwaitingApproval.Contains("bank") && status.Awaited.SequenceEqual(["bank"]));
        time.Jump(TimeSpan.FromSeconds(1800));
        await fixture.LookedAsync(time);
        Assert.Equal(JobState.Offered, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
        time.Jump(TimeSpan.FromSeconds(1800));
        JobEnd end = (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End;
        Assert.Equal((JobState.Failed, "bank", "approval"), (end.State, end.Error.Party, end.Error.Step));
        JobStatus status = await fixture.Jobs.GetAsync(new GetJobRequest { Job = job });
        Assert.InRange(status.EndedUnixMs - status.SubmittedUnixMs, 3_600_000, 7_200_000);
    }

    [Fact]
    public async Task A_refusal_of_the_operator_ends_a_held_job()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await OfferedAsync(fixture);
        await bank.SendAsync(Held(job, 60));
        var error = new JobError { Code = nameof(ErrorCode.Refused), Message = "rule approval: refused by the operator" };
        await bank.SendAsync(new PartyFrame { Answer = new JobAnswer { Job = job, Attempt = 1, Error = error } });
        Assert.Equal(JobState.Refused, (await retailer.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End.State);
    }

    [Theory]
    [InlineData(0)]
    [InlineData((30 * 24 * 3600) + 1)]
    public async Task A_time_for_approval_out_of_range_ends_the_stream(int seconds)
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await OfferedAsync(fixture);
        await bank.SendAsync(Held(job, (uint)seconds));
        RpcException refused = await bank.ExpectStatusAsync();
        Assert.Contains("approval_seconds", refused.Status.Detail, StringComparison.Ordinal);
    }

    private static PartyFrame Held(string job, uint seconds) => new() { Held = new JobHeld { Job = job, Attempt = 1, ApprovalSeconds = seconds } };

    private static PartyFrame Accept(string job) => new() { Answer = new JobAnswer { Job = job, Attempt = 1, Accepted = true } };

    private static async Task<(string Job, FakeParty Bank, FakeParty Retailer)> OfferedAsync(CoordinatorFixture fixture, uint deadlineSeconds = 600)
    {
        FakeParty bank = await fixture.ConnectAsync("bank"), retailer = await fixture.ConnectAsync("retailer");
        string job = (await fixture.SubmitAsync(fixture.NewJob(deadlineSeconds))).Job;
        await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer);
        await retailer.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer);
        return (job, bank, retailer);
    }
}
