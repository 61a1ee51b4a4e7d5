using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging.Abstractions;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Operations;
using VertFed.Coordinator.Relay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Queue;

/// <summary>Whose places jobs take, and that each is given back once.</summary>
public sealed class PlaceTests
{
    [Fact]
    public async Task Two_equal_submissions_at_once_take_one_place()
    {
        TaskCompletionSource kept = new(TaskCreationOptions.RunContinuationsAsynchronously), second = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int calls = 0;
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            config => config with { Limits = config.Limits with { MaxOpenJobs = 2 } },
            (call, _, store) => call == nameof(ICoordinatorStore.AddJobAsync) && Interlocked.Increment(ref calls) == 1 ? FirstAsync(store) : store());
        SignedJob job = fixture.NewJob();
        Task<JobStatus> slow = fixture.SubmitAsync(job);
        await kept.Task;

        // The second hears first that the job is kept, and takes it up before the first does.
        await fixture.SubmitAsync(job);
        second.SetResult();
        await slow;
        await fixture.Jobs.CancelAsync(
            new CancelRequest { Job = job.Specification.Job, Signature = ByteString.CopyFrom(fixture.CancelSignature(job.Specification.Job)) });
        await fixture.SubmitAsync(fixture.NewJob());
        await fixture.SubmitAsync(fixture.NewJob());

        async Task<(AddJobOutcome Outcome, JobRecord Job)> FirstAsync(Func<Task> store)
        {
            (AddJobOutcome, JobRecord) added = await (Task<(AddJobOutcome, JobRecord)>)store();
            kept.SetResult();
            await second.Task;
            return added;
        }
    }

    [Fact]
    public async Task One_who_changes_keys_has_one_share()
    {
        using Identity next = Identity.Create();
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with
        {
            Principals = [new Principal("ann", [config.Principals[0].Fingerprints[0], next.Fingerprint], CallerRoles.Analyst)],
            Limits = config.Limits with { MaxOpenJobsPerSubmitter = 1 },
        });
        SignedJob first = fixture.NewJob();
        await fixture.SubmitAsync(first);
        JobService.JobServiceClient jobs = new(fixture.ChannelOf(next));
        SubmitRequest request = new() { Job = fixture.NewJob(submitter: next).Message };
        RpcException full = await Assert.ThrowsAsync<RpcException>(() => jobs.SubmitAsync(request).ResponseAsync);
        Assert.Contains("max_open_jobs_per_submitter", full.Status.Detail, StringComparison.Ordinal);

        // What was taken under a name is given back under it, although the name is another by then.
        fixture.Host.Reload(fixture.Config with { Principals = [new Principal("anne", fixture.Config.Principals[0].Fingerprints, CallerRoles.Analyst)] });
        CancelRequest cancel = new() { Job = first.Specification.Job };
        using GrpcChannel asAnne = TestTls.Connect(fixture.Host.Address, next, fixture.Coordinator.Fingerprint);
        cancel.Signature = ByteString.CopyFrom(fixture.CancelSignature(cancel.Job, next));
        await new JobService.JobServiceClient(asAnne).CancelAsync(cancel);
        await new JobService.JobServiceClient(asAnne).SubmitAsync(request);
        fixture.Host.Reload(fixture.Config);
        using GrpcChannel asAnn = TestTls.Connect(fixture.Host.Address, fixture.Submitter, fixture.Coordinator.Fingerprint);
        await new JobService.JobServiceClient(asAnn).SubmitAsync(new SubmitRequest { Job = fixture.NewJob().Message });
    }

    [Fact]
    public async Task Questions_to_a_party_that_does_not_read_do_not_pile_up()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        PartySender sender = new("bank", keys: null!, fixture.Host.Service<JobHub>(), rounds: null!, writer: null!, TimeProvider.System, NullLogger.Instance);
        for (int i = 0; i < 100; i++)
            sender.AskPreflight(new PreflightRequest());
        Assert.Equal(16, sender.Questions);
    }

    [Fact]
    public async Task Nothing_is_measured_of_a_job_that_ended_while_an_envelope_was_being_kept()
    {
        TaskCompletionSource kept = new(TaskCreationOptions.RunContinuationsAsynchronously), ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            hand: (call, _, store) => call == nameof(ICoordinatorStore.DepositAsync) ? LateAsync(store) : store());
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        await bank.SendAsync(job, Step.Commitment);
        await kept.Task;
        await fixture.Jobs.CancelAsync(new CancelRequest { Job = job, Signature = ByteString.CopyFrom(fixture.CancelSignature(job)) });
        ended.SetResult();
        while ((await bank.NextAsync()).FrameCase != CoordinatorFrame.FrameOneofCase.Deposited)
        {
        }

        Assert.Equal(0, fixture.Host.Service<CoordinatorTelemetry>().Jobs);

        async Task<DepositResult> LateAsync(Func<Task> store)
        {
            DepositResult result = await (Task<DepositResult>)store();
            kept.SetResult();
            await ended.Task;
            return result;
        }
    }
}
