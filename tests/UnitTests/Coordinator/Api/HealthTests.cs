using System.Net;
using Grpc.Core;
using Grpc.Health.V1;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Operations;
using VertFed.Operations.Health;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.UnitTests.Protocol;
using VertFed.UnitTests.Storage;
using Xunit;
using Serving = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace VertFed.UnitTests.Coordinator.Api;

/// <summary>The standard health service.</summary>
public sealed class HealthTests
{
    [Theory]
    [InlineData("")]
    [InlineData("vertfed.v1.JobService")]
    [InlineData("vertfed.v1.AuditService")]
    [InlineData("vertfed.v1.RelayService")]
    public async Task Every_service_serves(string service)
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        Assert.Equal(Serving.Serving, (await Client(fixture).CheckAsync(new HealthCheckRequest { Service = service })).Status);
    }

    [Fact]
    public async Task An_unknown_service_is_not_found_and_a_watch_of_it_says_so()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        RpcException exception = await Assert.ThrowsAsync<RpcException>(() => Client(fixture).CheckAsync(new HealthCheckRequest { Service = "other" }).ResponseAsync);
        Assert.Equal(StatusCode.NotFound, exception.StatusCode);
        using AsyncServerStreamingCall<HealthCheckResponse> watch = Client(fixture).Watch(new HealthCheckRequest { Service = "other" });
        Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(Serving.ServiceUnknown, watch.ResponseStream.Current.Status);
    }

    [Fact]
    public async Task A_failing_store_and_its_recovery_reach_whoever_watches()
    {
        // The probe beside it finds what the test says of the store: a failure that is over by the next look could be missed.
        int isFailing = 0;
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(hand: (call, _, store) =>
            call == nameof(ICoordinatorStore.ListJobsAsync) && Volatile.Read(ref isFailing) == 1
                ? Task.FromException<JobPage>(new VertFedException(ErrorCode.Storage, "the disk is full"))
                : store());
        using AsyncServerStreamingCall<HealthCheckResponse> watch = Client(fixture).Watch(new HealthCheckRequest());
        Assert.Equal(Serving.Serving, await NextAsync(watch));
        StoreHealth store = fixture.Host.Service<StoreHealth>();
        store.Failed(new VertFedException(ErrorCode.Refused, "not the store's"));
        Assert.False(store.IsFailing);
        Volatile.Write(ref isFailing, 1);
        store.Failed(new VertFedException(ErrorCode.Storage, "the disk is full"));
        Assert.Equal(Serving.NotServing, await NextAsync(watch));

        // The store is whole: the probe finds out by itself.
        Volatile.Write(ref isFailing, 0);
        Assert.Equal(Serving.Serving, await NextAsync(watch));
    }

    [Fact]
    public async Task A_store_that_does_not_answer_counts_as_failing_until_it_does()
    {
        using TemporaryFolder folder = new();
        ManualTime time = new();
        await using SqliteCoordinatorStore store = SqliteCoordinatorStore.Open(folder.File("c.db"), new SqliteOptions(), time);
        TaskCompletionSource hang = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int asked = 0;
        ICoordinatorStore hanging = WatchedStore.Over(store, (call, _, inner) => call == nameof(ICoordinatorStore.ListJobsAsync) && ++asked == 1 ? AfterAsync(inner) : inner());
        StoreHealth health = new(hanging);
        using StoreProbe probe = new(hanging, health, time, NullLogger<StoreProbe>.Instance);
        Task look = probe.LookAsync(CancellationToken.None);
        time.Advance(TimeSpan.FromSeconds(5));
        await look;
        Assert.True(health.IsFailing);

        // It is asked no second thing meanwhile.
        look = probe.LookAsync(CancellationToken.None);
        Assert.Equal(1, asked);
        hang.SetResult();
        await look;
        Assert.False(health.IsFailing);

        async Task<JobPage> AfterAsync(Func<Task> inner)
        {
            await hang.Task;
            return await (Task<JobPage>)inner();
        }
    }

    [Fact]
    public async Task A_full_disk_is_neither_serving_nor_ready_until_it_has_room_again()
    {
        using TemporaryFolder folder = new();
        ManualTime time = new();
        await using SqliteCoordinatorStore store = SqliteCoordinatorStore.Open(folder.File("c.db"), new SqliteOptions { MaxPages = 400 }, time);
        StoreHealth health = new(store);
        using StoreProbe probe = new(store, health, time, NullLogger<StoreProbe>.Instance);
        CoordinatorConfig config = new()
        {
            Listen = new IPEndPoint(IPAddress.Loopback, 0), IdentityPath = "", DataFolder = folder.File("data"), Principals = [],
            Parties = new Dictionary<string, AdmittedParty>(StringComparer.Ordinal), Log = new LogSettings(LogLevel.Error, Json: false),
        };
        ReadinessCheck ready = CoordinatorReadiness.Checks(config, store, health, null!, null!, time).Single(check => check.Name == "store");
        AccessEntry entry = new()
        {
            TimeUnixMs = 1, Fingerprint = "", Name = "", Role = "", Call = "Submit", Job = "", Allowed = true, Detail = new string('x', 100_000),
        };
        await probe.LookAsync(CancellationToken.None);
        Assert.False(health.IsFailing);
        await Assert.ThrowsAsync<VertFedException>(async () =>
        {
            while (true)
                await store.RecordAccessAsync(entry, CancellationToken.None);
        });

        // Small writes succeed on it, and time goes by: it is full all the same.
        Task changed = health.Changed.Next;
        await probe.LookAsync(CancellationToken.None);
        Assert.True(changed.IsCompleted);
        await store.MarkDeliveredAsync(new EnvelopeKey("", 0, Role.LabelParty, 0), 0, CancellationToken.None);
        time.Advance(StoreActivity.FailureHeld);
        await probe.LookAsync(CancellationToken.None);
        Assert.True(health.IsFailing);
        Assert.Contains("full", await ready.Probe(CancellationToken.None), StringComparison.Ordinal);

        changed = health.Changed.Next;
        Assert.True(await store.PruneAccessAsync(2, CancellationToken.None) > 0);
        time.Advance(StoreActivity.FailureHeld);
        await probe.LookAsync(CancellationToken.None);
        Assert.False(health.IsFailing);
        Assert.True(changed.IsCompleted);
        Assert.Null(await ready.Probe(CancellationToken.None));
    }

    [Fact]
    public async Task Whoever_watches_is_told_of_the_stop()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using AsyncServerStreamingCall<HealthCheckResponse> watch = Client(fixture).Watch(new HealthCheckRequest());
        Assert.Equal(Serving.Serving, await NextAsync(watch));
        fixture.Host.RequestStop();
        Assert.Equal(Serving.NotServing, await NextAsync(watch));
        RpcException exception = await Assert.ThrowsAsync<RpcException>(() => NextAsync(watch));
        Assert.Equal(StatusCode.Unavailable, exception.StatusCode);
    }

    private static Health.HealthClient Client(CoordinatorFixture fixture) => new(fixture.ChannelOf(fixture.Submitter));

    private static async Task<Serving> NextAsync(AsyncServerStreamingCall<HealthCheckResponse> watch)
    {
        using var limit = new CancellationTokenSource(FakeParty.Patience);
        Assert.True(await watch.ResponseStream.MoveNext(limit.Token));
        return watch.ResponseStream.Current.Status;
    }
}
