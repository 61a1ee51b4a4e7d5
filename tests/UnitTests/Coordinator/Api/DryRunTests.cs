using Grpc.Core;
using VertFed.Coordinator.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Api;

/// <summary>What both parties' policies say of a job, asked without starting it.</summary>
public sealed class DryRunTests
{
    [Fact]
    public async Task Both_parties_answer_and_the_submitter_alone_reads_it_and_nothing_is_kept()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        FakeParty bank = await fixture.ConnectAsync("bank"), retailer = await fixture.ConnectAsync("retailer");
        SignedJob job = fixture.NewJob();
        using AsyncUnaryCall<DryRunResponse> call = fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message });
        await AnswerAsync(retailer, "retailer", fixture.Retailer, fixture, job);
        await AnswerAsync(bank, "bank", fixture.Bank, fixture, job);
        DryRunResponse response = await call;
        Assert.Empty(response.Missing);
        Assert.Equal(["bank", "retailer"], response.Parts.Select(part => part.Party));
        Assert.Equal("{}"u8.ToArray(), ReportSeal.Open(job.Specification.Job, response.Parts[0], fixture.Submitter).Content);
        Assert.Empty((await fixture.Jobs.ListAsync(new ListJobsRequest())).Jobs);
    }

    [Fact]
    public async Task A_party_that_is_away_is_missing_and_nobody_waits_for_it()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        FakeParty bank = await fixture.ConnectAsync("bank");
        SignedJob job = fixture.NewJob();
        using AsyncUnaryCall<DryRunResponse> call = fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message }, deadline: DateTime.UtcNow.AddMinutes(1));
        await AnswerAsync(bank, "bank", fixture.Bank, fixture, job);
        Assert.Equal(["retailer"], (await call).Missing);
    }

    [Fact]
    public async Task A_call_with_a_deadline_waits_no_longer()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        await fixture.ConnectAsync("bank");
        RpcException late = await Assert.ThrowsAsync<RpcException>(
            () => fixture.Jobs.DryRunAsync(new DryRunRequest { Job = fixture.NewJob().Message }, deadline: DateTime.UtcNow.AddSeconds(1)).ResponseAsync);
        Assert.Equal(StatusCode.DeadlineExceeded, late.StatusCode);
    }

    [Fact]
    public async Task A_call_that_is_given_up_frees_its_place_and_a_late_answer_to_it_counts_for_nothing()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        FakeParty bank = await fixture.ConnectAsync("bank");
        SignedJob job = fixture.NewJob();
        using CancellationTokenSource patience = new();
        using AsyncUnaryCall<DryRunResponse> given = fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message }, cancellationToken: patience.Token);
        PreflightRequest asked = await AskedAsync(bank, job);
        await patience.CancelAsync();
        Assert.Equal(StatusCode.Cancelled, (await Assert.ThrowsAsync<RpcException>(() => given.ResponseAsync)).StatusCode);
        DryRuns runs = fixture.Host.Service<DryRuns>();
        await CheckpointTests.WaitAsync(() => Task.FromResult(runs.Count == 0));

        await AnswerAsync(bank, asked, "bank", fixture.Bank, fixture, job);
        using AsyncUnaryCall<DryRunResponse> call = fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message });
        await AnswerAsync(bank, "bank", fixture.Bank, fixture, job);
        Assert.Equal(["bank"], (await call).Parts.Select(part => part.Party));
    }

    [Fact]
    public async Task A_submitter_asks_at_most_two_at_once()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        FakeParty bank = await fixture.ConnectAsync("bank");
        SignedJob job = fixture.NewJob();
        using AsyncUnaryCall<DryRunResponse> first = fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message });
        await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Preflight);
        using AsyncUnaryCall<DryRunResponse> second = fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message });
        await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Preflight);
        RpcException full = await Assert.ThrowsAsync<RpcException>(() => fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message }).ResponseAsync);
        Assert.Equal(StatusCode.ResourceExhausted, full.StatusCode);
    }

    [Fact]
    public async Task An_answer_under_another_partys_name_ends_the_stream()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        FakeParty bank = await fixture.ConnectAsync("bank");
        SignedJob job = fixture.NewJob();
        using AsyncUnaryCall<DryRunResponse> call = fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job.Message });
        await AnswerAsync(bank, "retailer", fixture.Retailer, fixture, job);
        Assert.Contains("another party's", (await bank.ExpectStatusAsync()).Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stranger_and_a_wrong_spec_are_refused_as_when_submitting()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => fixture.Jobs.DryRunAsync(new DryRunRequest()).ResponseAsync);
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        SignedJobSpec job = fixture.NewJob().Message.Clone();
        job.Signature = Google.Protobuf.ByteString.CopyFrom(new byte[64]);
        refused = await Assert.ThrowsAsync<RpcException>(() => fixture.Jobs.DryRunAsync(new DryRunRequest { Job = job }).ResponseAsync);
        Assert.Equal(nameof(ErrorCode.DoesNotVerify), refused.Trailers.GetValue("vertfed-code"));
    }

    private static async Task AnswerAsync(FakeParty party, string name, Identity identity, CoordinatorFixture fixture, SignedJob job) =>
        await AnswerAsync(party, await AskedAsync(party, job), name, identity, fixture, job);

    private static async Task AnswerAsync(FakeParty party, PreflightRequest request, string name, Identity identity, CoordinatorFixture fixture, SignedJob job)
    {
        SealedReport part = ReportSeal.Seal(job.Specification.Job, name, identity, fixture.Submitter.Public, "{}"u8);
        await party.SendAsync(new PartyFrame { Preflight = new PreflightAnswer { Request = request.Request, Report = part } });
    }

    private static async Task<PreflightRequest> AskedAsync(FakeParty party, SignedJob job)
    {
        PreflightRequest request = (await party.ExpectAsync(CoordinatorFrame.FrameOneofCase.Preflight)).Preflight;
        Assert.Equal(job.Message, request.Job);
        return request;
    }
}
