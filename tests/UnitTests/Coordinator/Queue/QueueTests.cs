using Google.Protobuf;
using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Queue;

/// <summary>Queued jobs at a coordinator: when they are offered, what holds them, what is kept of it.</summary>
public sealed class QueueTests
{
    [Fact]
    public async Task A_party_gets_no_more_jobs_than_the_limit_and_the_next_when_one_ends()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxJobsPerParty = 1 } });
        (string first, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        string second = (await fixture.SubmitAsync(fixture.NewJob())).Job, third = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        Assert.Equal((JobState.Queued, 2U), Place(await GetAsync(fixture, third)));
        Assert.Equal((JobState.Queued, 1U), Place(await GetAsync(fixture, second)));
        await CancelAsync(fixture, first);
        await EndsAndIsOfferedAsync(bank, first, second);
        await EndsAndIsOfferedAsync(retailer, first, second);
        Assert.Equal((JobState.Offered, 0U), Place(await GetAsync(fixture, second)));
        Assert.Equal((JobState.Queued, 1U), Place(await GetAsync(fixture, third)));
    }

    [Fact]
    public async Task No_more_jobs_run_than_the_limit_whoever_takes_part()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxRunningJobs = 1 } });
        (string first, _, _) = await fixture.RunningJobAsync();
        FakeParty insurer = await fixture.ConnectAsync("insurer");
        string second = (await fixture.SubmitAsync(fixture.NewJob(change: WithInsurer))).Job;
        Assert.Equal((JobState.Queued, 1U), Place(await GetAsync(fixture, second)));
        await CancelAsync(fixture, first);
        Assert.Equal(second, (await insurer.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer)).Offer.Job.JobId());

        void WithInsurer(JobSpec spec)
        {
            spec.FeatureParty.Name = "insurer";
            spec.FeatureParty.Fingerprint = ByteString.CopyFrom(fixture.Insurer.Public.FingerprintBytes);
        }
    }

    [Fact]
    public async Task A_queued_job_is_no_partys_business_yet_and_is_cancelled_without_a_word_to_them()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxJobsPerParty = 1 } });
        (string first, FakeParty bank, FakeParty retailer) = await fixture.RunningJobAsync();
        string second = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        JobStatus cancelled = await CancelAsync(fixture, second);
        Assert.Equal((JobState.Cancelled, 0U), Place(cancelled));

        // What the parties hear next is about the first job: nothing of the second came before it.
        await bank.DepositAsync(first, [1]);
        Assert.Equal(first, EnvelopeCodec.Parse(await retailer.ReceiveAsync()).Header.Job);

        string third = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        await retailer.SendAsync(new PartyFrame { Answer = new JobAnswer { Job = third, Attempt = 1, Accepted = true } });
        RpcException refused = await retailer.ExpectStatusAsync();
        Assert.Equal(nameof(ErrorCode.ProtocolViolation), refused.Trailers.GetValue("vertfed-code"));
        Assert.Contains("has no part in", refused.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_training_job_gets_an_estimate_after_two_rounds()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        for (uint round = 1; round <= 2; round++)
        {
            Assert.Equal(0U, (await GetAsync(fixture, job)).EtaSeconds);
            await bank.SendAsync(job, Step.ResidualShare, round);
            await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Deposited);
        }

        JobStatus status = await GetAsync(fixture, job);
        Assert.Equal((Phase.Train, 2U), (status.Phase, status.Round));
        Assert.InRange(status.EtaSeconds, 1U, 600U);
    }

    [Fact]
    public async Task A_restart_keeps_the_queue_and_its_order()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxJobsPerParty = 1 } });
        var jobs = new List<string>();
        for (int i = 0; i < 4; i++)
            jobs.Add((await fixture.SubmitAsync(fixture.NewJob())).Job);
        await fixture.RestartAsync();
        for (int i = 0; i < 4; i++)
            Assert.Equal((JobState.Queued, (uint)i + 1), Place(await GetAsync(fixture, jobs[i])));
        FakeParty bank = await fixture.ConnectAsync("bank");
        await fixture.ConnectAsync("retailer");
        Assert.Equal(jobs[0], (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer)).Offer.Job.JobId());
        for (int i = 0; i < 3; i++)
        {
            await CancelAsync(fixture, jobs[i]);
            await EndsAndIsOfferedAsync(bank, jobs[i], jobs[i + 1]);
        }
    }

    [Fact]
    public async Task One_submitters_open_jobs_are_bounded_and_ended_ones_make_room()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxOpenJobsPerSubmitter = 2 } });
        SignedJob first = fixture.NewJob();
        await fixture.SubmitAsync(first);
        await fixture.SubmitAsync(fixture.NewJob());
        RpcException full = await Assert.ThrowsAsync<RpcException>(() => fixture.SubmitAsync(fixture.NewJob()));
        Assert.Equal(StatusCode.ResourceExhausted, full.StatusCode);
        Assert.Contains("max_open_jobs_per_submitter", full.Status.Detail, StringComparison.Ordinal);
        await fixture.SubmitAsync(first);
        await CancelAsync(fixture, first.Specification.Job);
        await fixture.SubmitAsync(fixture.NewJob());
        await fixture.RestartAsync();
        await Assert.ThrowsAsync<RpcException>(() => fixture.SubmitAsync(fixture.NewJob()));
    }

    [Fact]
    public async Task Many_submissions_at_once_stay_within_the_limit()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxOpenJobs = 5 } });
        Task<JobStatus>[] all = [.. Enumerable.Range(0, 20).Select(_ => fixture.SubmitAsync(fixture.NewJob()))];
        await Task.WhenAll(all).ContinueWith(_ => { }, TaskScheduler.Default);
        Assert.Equal(5, all.Count(one => one.IsCompletedSuccessfully));
        Assert.Equal(5, (await fixture.Jobs.ListAsync(new ListJobsRequest())).Jobs.Count);
    }

    [Fact]
    public async Task A_repeated_client_token_is_the_same_job_and_another_spec_under_it_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        SignedJob job = fixture.NewJob();
        var request = new SubmitRequest { Job = job.Message, ClientToken = "nightly-2026_11" };
        JobStatus first = await fixture.Jobs.SubmitAsync(request);
        Assert.Equal(first, await fixture.Jobs.SubmitAsync(request));
        RpcException other = await Assert.ThrowsAsync<RpcException>(
            () => fixture.Jobs.SubmitAsync(new SubmitRequest { Job = fixture.NewJob().Message, ClientToken = request.ClientToken }).ResponseAsync);
        Assert.Equal(StatusCode.AlreadyExists, other.StatusCode);
        Assert.Contains("client token", other.Status.Detail, StringComparison.Ordinal);
        foreach (string wrong in new[] { new string('a', 65), "a b", "../x", "é" })
        {
            RpcException bad = await Assert.ThrowsAsync<RpcException>(
                () => fixture.Jobs.SubmitAsync(new SubmitRequest { Job = job.Message, ClientToken = wrong }).ResponseAsync);
            Assert.Equal(StatusCode.InvalidArgument, bad.StatusCode);
        }

        Assert.Single((await fixture.Jobs.ListAsync(new ListJobsRequest())).Jobs);
    }

    [Fact]
    public async Task Lists_hold_what_meets_every_condition()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        string queued = (await fixture.SubmitAsync(fixture.NewJob())).Job, ended = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        await CancelAsync(fixture, ended);
        Assert.Equal([queued], await ListAsync(fixture, new ListJobsRequest { State = JobState.Queued, Party = "bank", Submitter = fixture.Submitter.Fingerprint }));
        Assert.Equal([ended], await ListAsync(fixture, new ListJobsRequest { State = JobState.Cancelled }));
        Assert.Empty(await ListAsync(fixture, new ListJobsRequest { Party = "insurer" }));
        Assert.Empty(await ListAsync(fixture, new ListJobsRequest { Submitter = fixture.Bank.Fingerprint }));
        foreach (ListJobsRequest wrong in new[] { new ListJobsRequest { Party = "../" }, new ListJobsRequest { Submitter = "x" }, new ListJobsRequest { State = (JobState)99 } })
            Assert.Equal(StatusCode.InvalidArgument, (await Assert.ThrowsAsync<RpcException>(() => fixture.Jobs.ListAsync(wrong).ResponseAsync)).StatusCode);
    }

    /// <summary>One job has ended for a party and another is offered to it: two words about two jobs, in whichever order they come.</summary>
    private static async Task EndsAndIsOfferedAsync(FakeParty party, string ended, string offered)
    {
        CoordinatorFrame[] frames = [await party.NextAsync(), await party.NextAsync()];
        Assert.Equal(ended, Assert.Single(frames, frame => frame.FrameCase == CoordinatorFrame.FrameOneofCase.End).End.Job);
        Assert.Equal(offered, Assert.Single(frames, frame => frame.FrameCase == CoordinatorFrame.FrameOneofCase.Offer).Offer.Job.JobId());
    }

    private static (JobState State, uint Position) Place(JobStatus status) => (status.State, status.QueuePosition);

    private static async Task<JobStatus> GetAsync(CoordinatorFixture fixture, string job) => await fixture.Jobs.GetAsync(new GetJobRequest { Job = job });

    private static async Task<JobStatus> CancelAsync(CoordinatorFixture fixture, string job) =>
        await fixture.Jobs.CancelAsync(new CancelRequest { Job = job, Signature = ByteString.CopyFrom(fixture.CancelSignature(job)) });

    private static async Task<IEnumerable<string>> ListAsync(CoordinatorFixture fixture, ListJobsRequest request) =>
        (await fixture.Jobs.ListAsync(request)).Jobs.Select(job => job.Job);
}

/// <summary>What tests look for in a signed spec.</summary>
internal static class SignedSpecs
{
    public static string JobId(this SignedJobSpec job) => JobSpec.Parser.ParseFrom(job.Spec).Job;
}
