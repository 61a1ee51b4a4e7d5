using Grpc.Core;
using Grpc.Reflection.V1;
using Microsoft.Extensions.Logging.Abstractions;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Security;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.UnitTests.Protocol;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Security;

/// <summary>What one caller may take of what all share, and that what is turned away costs little.</summary>
public sealed class ShareTests
{
    [Fact]
    public async Task Calls_that_are_denied_count_as_calls()
    {
        await using CoordinatorFixture fixture = await StartAsync(limits => limits with { MaxCallsPerMinute = 4 }, time: ManualTime.AtPresent());
        JobService.JobServiceClient bank = new(fixture.ChannelOf(fixture.Bank));
        SubmitRequest request = new() { Job = fixture.NewJob(submitter: fixture.Bank).Message };
        for (int i = 0; i < 4; i++)
            Assert.Equal(StatusCode.PermissionDenied, await StatusOfAsync(bank.SubmitAsync(request).ResponseAsync));
        Assert.Equal(StatusCode.ResourceExhausted, await StatusOfAsync(bank.SubmitAsync(request).ResponseAsync));
        Assert.Equal(StatusCode.OK, await StatusOfAsync(fixture.Jobs.ListAsync(new ListJobsRequest()).ResponseAsync));
    }

    [Fact]
    public async Task Keys_that_nobody_knows_share_what_one_caller_has()
    {
        await using CoordinatorFixture fixture = await StartAsync(limits => limits with { MaxCallsPerMinute = 3 }, time: ManualTime.AtPresent());
        using Identity first = Identity.Create(), second = Identity.Create();
        JobService.JobServiceClient stranger = new(fixture.ChannelOf(first)), other = new(fixture.ChannelOf(second));
        for (int i = 0; i < 3; i++)
            Assert.Equal(StatusCode.Unauthenticated, await StatusOfAsync(stranger.ListAsync(new ListJobsRequest()).ResponseAsync));
        Assert.Equal(StatusCode.ResourceExhausted, await StatusOfAsync(other.ListAsync(new ListJobsRequest()).ResponseAsync));
        Assert.Equal(StatusCode.OK, await StatusOfAsync(fixture.Jobs.ListAsync(new ListJobsRequest()).ResponseAsync));
    }

    [Fact]
    public async Task Of_calls_that_keep_something_one_caller_has_fewer()
    {
        await using CoordinatorFixture fixture = await StartAsync(limits => limits with { MaxHeavyCallsPerMinute = 2 }, time: ManualTime.AtPresent());
        SignedJob job = fixture.NewJob();
        await fixture.SubmitAsync(job);
        await fixture.SubmitAsync(job);
        RpcException full = await Assert.ThrowsAsync<RpcException>(() => fixture.SubmitAsync(job));
        Assert.Equal(StatusCode.ResourceExhausted, full.StatusCode);
        Assert.Contains("max_heavy_calls_per_minute", full.Status.Detail, StringComparison.Ordinal);
        Assert.Single((await fixture.Jobs.ListAsync(new ListJobsRequest())).Jobs);
    }

    [Fact]
    public async Task Of_denials_the_access_log_keeps_so_many_a_minute()
    {
        using TemporaryFolder folder = new();
        await using ICoordinatorStore store = Open(folder.Path);
        ManualTime time = new();
        AccessLog log = new(store, time, NullLogger<AccessLog>.Instance);
        Principal ann = new("ann", [new string('a', 64)], CallerRoles.Analyst);
        foreach (Principal? caller in new[] { ann, null })
        {
            for (int i = 0; i < AccessLog.DenialsPerMinute + 5; i++)
                Assert.Equal(i < AccessLog.DenialsPerMinute, await log.DeniedAsync(new string('a', 64), caller, "/vertfed.v1.JobService/Get", "", "no"));
        }

        Assert.Equal(2 * AccessLog.DenialsPerMinute, (await store.ReadAccessAsync(1, 1000, CancellationToken.None)).Count);
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(await log.DeniedAsync(new string('a', 64), ann, "/vertfed.v1.JobService/Get", "", "no"));
    }

    [Fact]
    public async Task Lines_of_the_access_log_are_forgotten_after_their_days()
    {
        TaskCompletionSource<long> before = new(TaskCreationOptions.RunContinuationsAsynchronously);
        long start = TimeProvider.System.GetUtcNow().AddDays(-7).ToUnixTimeMilliseconds();
        await using CoordinatorFixture fixture = await StartAsync(
            limits => limits with { RetainAccessDays = 7 },
            (call, arguments, store) =>
            {
                if (call == nameof(ICoordinatorStore.PruneAccessAsync))
                    before.TrySetResult((long)arguments[0]!);
                return store();
            });
        Assert.InRange(await before.Task.WaitAsync(FakeParty.Patience), start, start + 60_000);
    }

    [Fact]
    public async Task One_caller_has_a_share_of_the_watchers_and_another_is_served()
    {
        await using CoordinatorFixture fixture = await StartAsync(limits => limits with { MaxWatchersPerCaller = 1 });
        string job = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        using AsyncServerStreamingCall<JobStatus> first = fixture.Jobs.Watch(new GetJobRequest { Job = job });
        Assert.True(await first.ResponseStream.MoveNext(CancellationToken.None));
        using AsyncServerStreamingCall<JobStatus> second = fixture.Jobs.Watch(new GetJobRequest { Job = job });
        RpcException full = await Assert.ThrowsAsync<RpcException>(() => second.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Contains("max_watchers_per_caller", full.Status.Detail, StringComparison.Ordinal);
        using AsyncServerStreamingCall<JobStatus> other = new JobService.JobServiceClient(fixture.ChannelOf(fixture.Bank)).Watch(new GetJobRequest { Job = job });
        Assert.True(await other.ResponseStream.MoveNext(CancellationToken.None));

        // Whom it let watch is recorded, once a call.
        IReadOnlyList<AccessEntry> lines = await fixture.Host.Service<JobHub>().Store.ReadAccessAsync(1, 10, CancellationToken.None);
        Assert.Equal(["ann", "bank"], lines.Where(line => line.Call == "JobService/Watch" && line.Allowed).Select(line => line.Name));
    }

    [Fact]
    public async Task A_reflection_stream_that_asks_nothing_gives_its_place_back()
    {
        JumpingTime time = new();
        await using CoordinatorFixture fixture = await StartAsync(limits => limits, time: time);
        using AsyncDuplexStreamingCall<ServerReflectionRequest, ServerReflectionResponse> silent =
            new ServerReflection.ServerReflectionClient(fixture.ChannelOf(fixture.Submitter)).ServerReflectionInfo();
        Task<StatusCode> ended = StatusOfAsync(silent.ResponseStream.MoveNext(CancellationToken.None));
        await time.JumpUntilAsync(ended, TimeSpan.FromSeconds(fixture.Config.Limits.FrameSeconds));
        Assert.Equal(StatusCode.DeadlineExceeded, await ended);
    }

    [Fact]
    public async Task A_party_has_a_share_of_the_places_of_those_who_have_not_registered()
    {
        await using CoordinatorFixture fixture = await StartAsync(limits => limits);
        List<FakeParty> strangers = [.. Enumerable.Range(0, global::VertFed.Coordinator.Relay.RelayEndpoint.MostUnregistered).Select(_ => fixture.Stranger())];
        foreach (FakeParty stranger in strangers)
            await stranger.ExpectAsync(CoordinatorFrame.FrameOneofCase.Challenge);
        await using FakeParty oneMore = fixture.Stranger();
        Assert.Equal(StatusCode.ResourceExhausted, (await oneMore.ExpectStatusAsync()).StatusCode);
        await fixture.ConnectAsync("retailer");
        foreach (FakeParty stranger in strangers)
            await stranger.DisposeAsync();
    }

    [Fact]
    public async Task Words_of_a_party_count_as_calls_and_wait_their_turn()
    {
        ManualTime time = new();
        CallBudget budget = new(new CoordinatorConfig
        {
            Listen = new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0), IdentityPath = "", DataFolder = "", Principals = [],
            Parties = new Dictionary<string, AdmittedParty>(StringComparer.Ordinal), Log = new LogSettings(Microsoft.Extensions.Logging.LogLevel.Error, Json: false),
            Limits = new CoordinatorLimits { MaxCallsPerMinute = 2 },
        }, time);
        Principal party = new("bank", [new string('a', 64)], CallerRoles.Party);
        Assert.Null(budget.Refuse(party, ""));
        Assert.Equal(TimeSpan.Zero, budget.WaitFor(party));
        TimeSpan wait = budget.WaitFor(party);
        Assert.Equal(TimeSpan.FromSeconds(30), wait);
        time.Advance(wait);
        Assert.Equal(TimeSpan.Zero, budget.WaitFor(party));

        // More words than there may be calls at once: the stream stays, and what comes after them is read.
        await using CoordinatorFixture fixture = await StartAsync(limits => limits with { MaxCallsPerMinute = 300 });
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        for (int i = 0; i < 300; i++)
            await bank.SendAsync(new PartyFrame { Model = new ModelNotice { Job = job, State = ModelState.Active } });
        await bank.DepositAsync(job, [1]);
    }

    [Fact]
    public async Task A_job_that_outgrows_its_limit_ends_and_its_parties_stay()
    {
        await using CoordinatorFixture fixture = await StartAsync(
            limits => limits with { MaxJobGigabytes = 1 },
            (call, _, store) => call == nameof(ICoordinatorStore.DepositAsync) ? LargeAsync(store) : store());
        (string job, FakeParty bank, _) = await fixture.RunningJobAsync();
        await bank.DepositAsync(job, [1]);
        await bank.SendAsync(job, Step.BlindedIds);
        JobError error = (await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End)).End.Error;
        Assert.Equal(nameof(ErrorCode.Refused), error.Code);
        Assert.Contains("max_job_gigabytes", error.Message, StringComparison.Ordinal);

        // The same stream goes on.
        await bank.SendAsync(new PartyFrame { Answer = new JobAnswer { Job = job, Attempt = 1, Accepted = true } });
        await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.End);

        // As if nearly all had come before.
        static async Task<DepositResult> LargeAsync(Func<Task> store)
        {
            DepositResult result = await (Task<DepositResult>)store();
            return result with { Job = result.Job is { } job ? job with { Bytes = 1L << 30 } : null };
        }
    }

    private static Task<CoordinatorFixture> StartAsync(
        Func<CoordinatorLimits, CoordinatorLimits> change, WatchedStore.Hand? hand = null, TimeProvider? time = null) =>
        CoordinatorFixture.StartAsync(config => config with { Limits = change(config.Limits) }, hand, time);

    private static ICoordinatorStore Open(string folder) =>
        StoreLocation.OfCoordinator(null, folder, fault => new VertFedException(ErrorCode.Usage, fault)).OpenCoordinator(null);

    private static async Task<StatusCode> StatusOfAsync(Task call)
    {
        try
        {
            await call.WaitAsync(FakeParty.Patience);
            return StatusCode.OK;
        }
        catch (RpcException refused)
        {
            return refused.StatusCode;
        }
    }
}
