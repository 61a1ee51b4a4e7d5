using System.Net;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Security;

/// <summary>Callers who ask too much, or who begin and do not go on: each is ended, and another is served meanwhile.</summary>
public sealed class FloodTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task One_who_calls_too_often_is_turned_away_with_a_time_and_another_is_served()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxCallsPerMinute = 5 } });
        RpcException? refused = null;
        for (int i = 0; i < 7 && refused is null; i++)
            refused = await RefusalOfAsync(fixture.Jobs.ListAsync(new ListJobsRequest()).ResponseAsync);
        Assert.Equal(StatusCode.ResourceExhausted, refused!.StatusCode);
        Assert.Contains("max_calls_per_minute", refused.Status.Detail, StringComparison.Ordinal);
        Assert.NotNull(refused.Trailers.Get("grpc-status-details-bin"));
        await new JobService.JobServiceClient(fixture.ChannelOf(fixture.Bank)).ListAsync(new ListJobsRequest());
    }

    [Fact]
    public async Task More_connections_of_one_key_than_the_limit_are_closed_and_another_key_is_served()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxConnectionsPerKey = 2 } });
        using GrpcChannel first = Connect(fixture), second = Connect(fixture), third = Connect(fixture);
        await new JobService.JobServiceClient(first).ListAsync(new ListJobsRequest());
        await new JobService.JobServiceClient(second).ListAsync(new ListJobsRequest());
        RpcException? refused = await RefusalOfAsync(new JobService.JobServiceClient(third).ListAsync(new ListJobsRequest()).ResponseAsync);
        Assert.Contains(refused!.StatusCode, new[] { StatusCode.Unavailable, StatusCode.Internal });
        await new JobService.JobServiceClient(fixture.ChannelOf(fixture.Bank)).ListAsync(new ListJobsRequest());
    }

    [Fact]
    public async Task A_message_that_is_never_finished_ends_its_call_and_not_its_connection()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { FrameSeconds = 1 } });
        using SocketsHttpHandler handler = new()
        {
            SslOptions = MutualTls.Client(TestTls.CredentialOf(fixture.Submitter).Certificate, () => [fixture.Coordinator.Fingerprint], "coordinator"),
        };
        using HttpMessageInvoker raw = new(handler);
        using HttpRequestMessage request = new(HttpMethod.Post, fixture.Host.Address + "/vertfed.v1.JobService/Get")
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new HalfMessage(),
        };
        using CancellationTokenSource limit = new(Patience);
        await Assert.ThrowsAnyAsync<HttpRequestException>(async () => await raw.SendAsync(request, limit.Token));
        await fixture.Jobs.ListAsync(new ListJobsRequest());
    }

    [Fact]
    public async Task A_message_above_the_limit_is_refused_unread()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        SubmitRequest request = new() { ClientToken = new string('a', 64 * 1024 * 1024) };
        RpcException? refused = await RefusalOfAsync(fixture.Jobs.SubmitAsync(request).ResponseAsync);
        Assert.Equal(StatusCode.ResourceExhausted, refused!.StatusCode);
        await fixture.Jobs.ListAsync(new ListJobsRequest());
    }

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("..")]
    [InlineData("/etc/passwd")]
    [InlineData("0123456789abcdef0123456789abcde/")]
    [InlineData("0123456789abcdef0123456789abcdef\0")]
    public async Task A_path_in_a_jobs_place_is_no_job(string path)
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        foreach (Task call in new Task[]
        {
            fixture.Jobs.GetAsync(new GetJobRequest { Job = path }).ResponseAsync,
            fixture.Jobs.ReportAsync(new GetJobRequest { Job = path }).ResponseAsync,
            fixture.Jobs.CancelAsync(new CancelRequest { Job = path }).ResponseAsync,
            fixture.Audit.CheckpointsAsync(new TranscriptRequest { Job = path }).ResponseAsync,
            fixture.Audit.Export(new TranscriptRequest { Job = path }).ResponseStream.MoveNext(CancellationToken.None),
        })
        {
            Assert.Equal(StatusCode.NotFound, (await RefusalOfAsync(call))!.StatusCode);
        }
    }

    private static GrpcChannel Connect(CoordinatorFixture fixture) =>
        TestTls.Connect(fixture.Host.Address, fixture.Submitter, fixture.Coordinator.Fingerprint);

    private static async Task<RpcException?> RefusalOfAsync(Task call)
    {
        try
        {
            await call.WaitAsync(Patience);
            return null;
        }
        catch (RpcException refused)
        {
            return refused;
        }
    }

    /// <summary>The head of a gRPC message of 100 bytes, ten of them, and no end.</summary>
    private sealed class HalfMessage : HttpContent
    {
        public HalfMessage() => Headers.ContentType = new System.Net.Http.Headers.MediaTypeHeaderValue("application/grpc");

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await stream.WriteAsync(new byte[] { 0, 0, 0, 0, 100, 10, 32, 1, 2, 3, 4, 5, 6, 7, 8 }, cancellationToken);
            await stream.FlushAsync(cancellationToken);
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
