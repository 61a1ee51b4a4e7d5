using Google.Protobuf;
using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator;

/// <summary>What analysts may ask for, and how they are refused.</summary>
public sealed class JobServiceTests
{
    [Fact]
    public async Task Submitting_the_same_spec_again_is_the_same_job_and_another_is_told_apart()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        SignedJob job = fixture.NewJob();
        JobStatus first = await fixture.SubmitAsync(job);
        Assert.Equal(first, await fixture.SubmitAsync(job));
        Assert.Equal(first, await fixture.SubmitAsync(SignedJob.Create(job.Specification, fixture.Submitter)));
        JobSpec other = job.Specification.ToMessage();
        other.Title = "another";
        await FailsAsync(
            fixture.SubmitAsync(SignedJob.Create(JobSpecification.FromMessage(other), fixture.Submitter)), StatusCode.AlreadyExists, ErrorCode.Usage, "another spec");
        Assert.Single((await fixture.Jobs.ListAsync(new ListJobsRequest())).Jobs);
    }

    [Fact]
    public async Task A_bad_signature_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        SignedJobSpec job = fixture.NewJob().Message.Clone();
        byte[] signature = job.Signature.ToByteArray();
        signature[10] ^= 1;
        job.Signature = ByteString.CopyFrom(signature);
        await FailsAsync(fixture.Jobs.SubmitAsync(new SubmitRequest { Job = job }).ResponseAsync, StatusCode.Unauthenticated, ErrorCode.DoesNotVerify, "does not verify");
        Assert.Empty((await fixture.Jobs.ListAsync(new ListJobsRequest())).Jobs);
    }

    [Fact]
    public async Task A_submitter_who_is_not_configured_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        await FailsAsync(fixture.SubmitAsync(fixture.NewJob(submitter: fixture.Bank)), StatusCode.PermissionDenied, ErrorCode.Refused, "submitter");
    }

    [Fact]
    public async Task An_unknown_party_or_another_fingerprint_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        await FailsAsync(fixture.SubmitAsync(fixture.NewJob(change: spec => spec.FeatureParty.Name = "stranger")), StatusCode.PermissionDenied, ErrorCode.Refused, "'stranger' is not a party");
        await FailsAsync(
            fixture.SubmitAsync(fixture.NewJob(change: spec => spec.FeatureParty.Fingerprint = ByteString.CopyFrom(new byte[32]))),
            StatusCode.PermissionDenied, ErrorCode.Refused, "fingerprint of 'retailer'");
    }

    [Fact]
    public async Task Malformed_requests_are_refused_in_words()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        await FailsAsync(fixture.Jobs.SubmitAsync(new SubmitRequest()).ResponseAsync, StatusCode.InvalidArgument, ErrorCode.Usage, "no job");
        await FailsAsync(
            fixture.Jobs.SubmitAsync(new SubmitRequest { Job = new SignedJobSpec { Spec = ByteString.CopyFrom(new byte[Limits.MaxSpecBytes + 1]) } }).ResponseAsync,
            StatusCode.InvalidArgument, ErrorCode.ProtocolViolation, "at most");
        await FailsAsync(fixture.Jobs.GetAsync(new GetJobRequest { Job = "x" }).ResponseAsync, StatusCode.NotFound, ErrorCode.Usage, "no such job");
        await FailsAsync(fixture.Jobs.ReportAsync(new GetJobRequest { Job = new string('0', 32) }).ResponseAsync, StatusCode.NotFound, ErrorCode.Usage, "no such job");
        await FailsAsync(fixture.Jobs.ListAsync(new ListJobsRequest { PageSize = 1001 }).ResponseAsync, StatusCode.InvalidArgument, ErrorCode.Usage, "at most 1000");
        await FailsAsync(fixture.Jobs.ListAsync(new ListJobsRequest { PageToken = "x" }).ResponseAsync, StatusCode.InvalidArgument, ErrorCode.Usage, "page_token");
        using AsyncServerStreamingCall<JobStatus> watch = fixture.Jobs.Watch(new GetJobRequest { Job = new string('0', 32) });
        await FailsAsync(watch.ResponseStream.MoveNext(CancellationToken.None), StatusCode.NotFound, ErrorCode.Usage, "no such job");
    }

    [Fact]
    public async Task Lists_come_in_pages_newest_first()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        var submitted = new List<string>();
        for (int i = 0; i < 5; i++)
            submitted.Add((await fixture.SubmitAsync(fixture.NewJob())).Job);
        ListJobsResponse first = await fixture.Jobs.ListAsync(new ListJobsRequest { PageSize = 3 });
        ListJobsResponse rest = await fixture.Jobs.ListAsync(new ListJobsRequest { PageSize = 3, PageToken = first.NextPageToken });
        Assert.Equal(Enumerable.Reverse(submitted), first.Jobs.Concat(rest.Jobs).Select(job => job.Job));
        Assert.Equal("", rest.NextPageToken);
    }

    [Fact]
    public async Task More_open_jobs_than_the_limit_are_refused_but_a_known_one_is_still_answered()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxOpenJobs = 1 } });
        SignedJob first = fixture.NewJob();
        await fixture.SubmitAsync(first);
        await FailsAsync(fixture.SubmitAsync(fixture.NewJob()), StatusCode.ResourceExhausted, ErrorCode.Refused, "max_open_jobs");
        Assert.Equal(JobState.Queued, (await fixture.SubmitAsync(first)).State);
    }

    [Fact]
    public async Task Only_the_submitter_cancels_and_it_reaches_both_parties()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        await FailsAsync(
            fixture.Jobs.CancelAsync(new CancelRequest { Job = job, Signature = ByteString.CopyFrom(fixture.CancelSignature(job, fixture.Bank)) }).ResponseAsync,
            StatusCode.Unauthenticated, ErrorCode.DoesNotVerify, "not signed by the job's submitter");
        Assert.Equal(JobState.Running, (await fixture.Jobs.GetAsync(new GetJobRequest { Job = job })).State);

        JobStatus cancelled = await fixture.Jobs.CancelAsync(new CancelRequest { Job = job, Signature = ByteString.CopyFrom(fixture.CancelSignature(job)) });
        Assert.Equal((JobState.Cancelled, nameof(ErrorCode.Cancelled)), (cancelled.State, cancelled.Error.Code));
        foreach (FakeParty party in new[] { bank, retailer })
            Assert.Equal(JobState.Cancelled, (await party.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End.State);
        Assert.Equal(cancelled, await fixture.Jobs.CancelAsync(new CancelRequest { Job = job, Signature = ByteString.CopyFrom(fixture.CancelSignature(job)) }));
        await FailsAsync(
            fixture.Jobs.CancelAsync(new CancelRequest { Job = new string('0', 32) }).ResponseAsync, StatusCode.NotFound, ErrorCode.Usage, "no such job");
    }

    [Fact]
    public async Task A_watch_tells_the_state_at_once_and_each_change_until_the_end()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        using AsyncServerStreamingCall<JobStatus> watch = fixture.Jobs.Watch(new GetJobRequest { Job = job });
        IAsyncStreamReader<JobStatus> changes = watch.ResponseStream;
        Assert.True(await changes.MoveNext(CancellationToken.None));
        Assert.Equal((JobState.Running, 0UL), (changes.Current.State, changes.Current.Envelopes));
        await bank.DepositAsync(job, [1]);
        Assert.True(await changes.MoveNext(CancellationToken.None));
        Assert.Equal(1UL, changes.Current.Envelopes);
        while (!changes.Current.Awaited.SequenceEqual(["retailer"]))
            Assert.True(await changes.MoveNext(CancellationToken.None));
        await bank.OutcomeAsync(job, JobState.Done);
        await retailer.OutcomeAsync(job, JobState.Done);
        while (changes.Current.State != JobState.Done)
            Assert.True(await changes.MoveNext(CancellationToken.None));
        Assert.False(await changes.MoveNext(CancellationToken.None));
    }

    [Fact]
    public async Task Watchers_above_the_limit_are_turned_away()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxWatchers = 1 } });
        string job = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        using AsyncServerStreamingCall<JobStatus> first = fixture.Jobs.Watch(new GetJobRequest { Job = job });
        Assert.True(await first.ResponseStream.MoveNext(CancellationToken.None));
        using AsyncServerStreamingCall<JobStatus> second = fixture.Jobs.Watch(new GetJobRequest { Job = job });
        await FailsAsync(second.ResponseStream.MoveNext(CancellationToken.None), StatusCode.ResourceExhausted, ErrorCode.Refused, "watchers");
    }

    private static async Task FailsAsync(Task call, StatusCode status, ErrorCode code, string reason)
    {
        RpcException exception = await Assert.ThrowsAsync<RpcException>(() => call);
        Assert.Equal((status, code.ToString()), (exception.StatusCode, exception.Trailers.GetValue("vertfed-code")));
        Assert.Contains(reason, exception.Status.Detail, StringComparison.Ordinal);
    }
}
