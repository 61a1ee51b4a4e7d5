using Grpc.Core;
using Grpc.Health.V1;
using VertFed.Coordinator.Jobs;
using VertFed.Protocol;
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
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using AsyncServerStreamingCall<HealthCheckResponse> watch = Client(fixture).Watch(new HealthCheckRequest());
        Assert.Equal(Serving.Serving, await NextAsync(watch));
        StoreHealth store = fixture.Host.Service<StoreHealth>();
        store.Failed(new VertFedException(ErrorCode.Refused, "not the store's"));
        Assert.False(store.IsFailing);
        store.Failed(new VertFedException(ErrorCode.Storage, "the disk is full"));
        Assert.Equal(Serving.NotServing, await NextAsync(watch));

        // The store is whole: the probe finds out by itself.
        Assert.Equal(Serving.Serving, await NextAsync(watch));
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
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        Assert.True(await watch.ResponseStream.MoveNext(limit.Token));
        return watch.ResponseStream.Current.Status;
    }
}
