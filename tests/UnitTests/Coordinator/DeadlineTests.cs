using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator;

/// <summary>Whoever keeps a job waiting is named, with the step. Deadlines are of ten minutes, and the clock jumps over them.</summary>
public sealed class DeadlineTests
{
    private const uint Deadline = 600;
    private static readonly TimeSpan Beyond = TimeSpan.FromSeconds(Deadline + 1);
    private readonly JumpingTime _time = new();

    [Fact]
    public async Task A_party_that_never_connects_is_named()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        await fixture.ConnectAsync("bank");
        string job = (await fixture.SubmitAsync(fixture.NewJob(Deadline))).Job;
        _time.Jump(Beyond);
        JobStatus ended = await fixture.UntilAsync(job, status => status.State == JobState.Failed);
        Assert.Equal((nameof(ErrorCode.PeerUnavailable), "retailer", "connection"), (ended.Error.Code, ended.Error.Party, ended.Error.Step));
        Assert.Contains("'retailer'", ended.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_party_that_does_not_answer_an_offer_is_named()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        FakeParty bank = await fixture.ConnectAsync("bank");
        await fixture.ConnectAsync("retailer");
        string job = (await fixture.SubmitAsync(fixture.NewJob(Deadline))).Job;
        await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer);
        await bank.SendAsync(new PartyFrame { Answer = new JobAnswer { Job = job, Attempt = 1, Accepted = true } });
        await fixture.UntilAsync(job, status => status.State == JobState.Offered && status.Awaited.SequenceEqual(["retailer"]));
        _time.Jump(Beyond);
        JobEnd end = (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End;
        Assert.Equal((JobState.Failed, nameof(ErrorCode.PeerUnavailable), "retailer", "answer to the offer"), (end.State, end.Error.Code, end.Error.Party, end.Error.Step));
        Assert.Equal(end.Error, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).Error);
    }

    [Fact]
    public async Task A_party_that_leaves_before_its_first_message_is_awaited_at_the_key_exchange()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync(Deadline);
        await LeaveAsync(fixture, job, retailer);
        _time.Jump(Beyond);
        JobEnd end = (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End;
        Assert.Equal(("retailer", nameof(Step.KeyExchange)), (end.Error.Party, end.Error.Step));
    }

    [Fact]
    public async Task A_party_that_leaves_later_is_awaited_at_the_step_after_its_last()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync(Deadline);
        await retailer.DepositAsync(job, [1]);
        await bank.ReceiveAsync();
        await LeaveAsync(fixture, job, retailer);
        _time.Jump(Beyond);
        JobEnd end = (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End;
        Assert.Equal(("retailer", "BlindedIds or EvaluatedIds"), (end.Error.Party, end.Error.Step));
        Assert.Contains("not connected", end.Error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_party_that_comes_back_in_time_saves_the_job()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync(Deadline);
        await LeaveAsync(fixture, job, retailer);
        FakeParty again = await fixture.ConnectAsync("retailer");
        await again.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start);
        _time.Jump(TimeSpan.FromSeconds(Deadline * 0.6));
        Envelope envelope = await bank.DepositAsync(job, [1]);
        Assert.Equal(envelope, await again.ReceiveAsync());
        await again.AcknowledgeAsync(envelope);

        // Longer than the deadline since it left, and the job still runs.
        _time.Jump(TimeSpan.FromSeconds(Deadline * 0.6));
        await fixture.LookedAsync(_time);
        Assert.Equal(JobState.Running, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
    }

    [Fact]
    public async Task A_restart_counts_the_deadline_anew()
    {
        await using CoordinatorFixture fixture = await StartAsync();
        string job = (await fixture.SubmitAsync(fixture.NewJob(Deadline))).Job;
        _time.Jump(TimeSpan.FromSeconds(Deadline * 0.6));
        await fixture.RestartAsync();
        _time.Jump(TimeSpan.FromSeconds(Deadline * 0.6));
        await fixture.LookedAsync(_time);
        Assert.Equal(JobState.Queued, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);
        _time.Jump(TimeSpan.FromSeconds(Deadline * 0.6));
        JobStatus ended = await fixture.UntilAsync(job, status => status.State == JobState.Failed);
        Assert.Equal("bank", ended.Error.Party);
    }

    private static async Task LeaveAsync(CoordinatorFixture fixture, string job, FakeParty retailer)
    {
        await retailer.DisposeAsync();
        await fixture.UntilAsync(job, status => status.Awaited.SequenceEqual(["retailer"]));
    }

    private Task<CoordinatorFixture> StartAsync() => CoordinatorFixture.StartAsync(time: _time);
}
