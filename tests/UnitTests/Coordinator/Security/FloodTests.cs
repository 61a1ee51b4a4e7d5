using System.Buffers.Binary;
using System.IO.Compression;
using System.Net;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Protocol;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Security;

/// <summary>Callers who ask too much, or who begin and do not go on: each is ended, and another is served meanwhile.</summary>
public sealed class FloodTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task One_who_calls_too_often_is_turned_away_with_a_time_and_another_is_served()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            config => config with { Limits = config.Limits with { MaxCallsPerMinute = 5 } }, time: ManualTime.AtPresent());
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
        JumpingTime time = new();
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(time: time);
        using HttpMessageInvoker raw = Raw(fixture, fixture.Submitter);
        using HttpRequestMessage request = HalfRequest(fixture);
        using CancellationTokenSource limit = new(Patience);
        Task ended = Assert.ThrowsAnyAsync<HttpRequestException>(async () => await raw.SendAsync(request, limit.Token));
        await time.JumpUntilAsync(ended, TimeSpan.FromSeconds(fixture.Config.Limits.FrameSeconds));
        await fixture.Jobs.ListAsync(new ListJobsRequest());
    }

    [Fact]
    public async Task A_key_that_nobody_pinned_is_turned_away_before_its_message_is_there()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using Identity stranger = Identity.Create();
        using HttpMessageInvoker raw = Raw(fixture, stranger);
        using HttpRequestMessage request = HalfRequest(fixture);
        using CancellationTokenSource limit = new(Patience);
        using HttpResponseMessage answer = await raw.SendAsync(request, limit.Token);
        Assert.Equal("16", Assert.Single(answer.Headers.GetValues("grpc-status")));
        Assert.Equal(nameof(ErrorCode.DoesNotVerify), Assert.Single(answer.Headers.GetValues("vertfed-code")));
        Assert.Contains(stranger.Fingerprint, Assert.Single(answer.Headers.GetValues("grpc-message")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Headers_that_are_never_finished_end_their_connection()
    {
        // Headers have the server's own clock. The coordinator's stands still, so that the call at the end has all the time it needs.
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            config => config with { Limits = config.Limits with { FrameSeconds = 1 } }, time: ManualTime.AtPresent());
        Uri address = new(fixture.Host.Address);
        using System.Net.Sockets.TcpClient tcp = new();
        await tcp.ConnectAsync(address.Host, address.Port);
        await using System.Net.Security.SslStream tls = new(tcp.GetStream());
        await tls.AuthenticateAsClientAsync(MutualTls.Client(TestTls.CredentialOf(fixture.Submitter).Certificate, () => [fixture.Coordinator.Fingerprint], "coordinator"));

        // The preface, empty settings, and the beginning of headers (":method: POST") whose end does not come.
        await tls.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
        await tls.WriteAsync(new byte[] { 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0x83 });
        using CancellationTokenSource limit = new(Patience);
        byte[] answer = new byte[4096];
        try
        {
            while (await tls.ReadAsync(answer, limit.Token) > 0)
            {
            }
        }
        catch (IOException) when (!limit.IsCancellationRequested)
        {
            // A reset is an end as well.
        }

        await fixture.Jobs.ListAsync(new ListJobsRequest());
    }

    [Fact]
    public async Task A_flood_of_submits_is_held_to_the_limit_and_another_is_served()
    {
        const int Allowed = 12;
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            config => config with { Limits = config.Limits with { MaxOpenJobsPerSubmitter = Allowed } });
        Task<RpcException?>[] calls = [.. Enumerable.Range(0, 60).Select(_ => RefusalOfAsync(fixture.SubmitAsync(fixture.NewJob())))];
        RpcException?[] refusals = await Task.WhenAll(calls);
        Assert.Equal(Allowed, refusals.Count(refusal => refusal is null));
        Assert.All(refusals.OfType<RpcException>(), refusal => Assert.Equal(StatusCode.ResourceExhausted, refusal.StatusCode));
        await new JobService.JobServiceClient(fixture.ChannelOf(fixture.Bank)).ListAsync(new ListJobsRequest());
    }

    [Theory]
    [InlineData("../../etc/passwd")]
    [InlineData("..")]
    [InlineData("/etc/passwd")]
    [InlineData("bank\0")]
    public async Task A_path_in_a_names_place_is_no_name(string path)
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        await using FakeParty stranger = fixture.Stranger();
        foreach (Task call in new Task[]
        {
            stranger.RegisterAsync(asName: path),
            fixture.Jobs.ListAsync(new ListJobsRequest { Party = path }).ResponseAsync,
            fixture.Jobs.ListAsync(new ListJobsRequest { PageToken = path }).ResponseAsync,
            fixture.Jobs.ListModelsAsync(new ListModelsRequest { Party = path }).ResponseAsync,
            fixture.Jobs.SubmitAsync(new SubmitRequest { Job = fixture.NewJob().Message, ClientToken = path }).ResponseAsync,
        })
        {
            Assert.Equal(StatusCode.InvalidArgument, (await RefusalOfAsync(call))!.StatusCode);
        }

        foreach (Action<JobSpec> change in new Action<JobSpec>[] { spec => spec.Job = path, spec => spec.LabelParty.Name = path })
            Assert.Throws<VertFedException>(() => fixture.NewJob(change: change));
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

    [Fact]
    public async Task A_message_that_is_small_because_it_is_compressed_is_held_to_the_same_limit()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using MemoryStream packed = new();
        await using (GZipStream gzip = new(packed, CompressionLevel.Optimal, leaveOpen: true))
            await gzip.WriteAsync(new byte[16 * 1024 * 1024]);
        byte[] message = [1, 0, 0, 0, 0, .. packed.ToArray()];
        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(1), message.Length - 5);
        using HttpMessageInvoker raw = Raw(fixture, fixture.Submitter);
        using HttpRequestMessage request = HalfRequest(fixture);
        request.Content = new ByteArrayContent(message);
        request.Content.Headers.ContentType = new System.Net.Http.Headers.MediaTypeHeaderValue("application/grpc");
        request.Headers.Add("grpc-encoding", "gzip");
        using HttpResponseMessage answer = await raw.SendAsync(request, CancellationToken.None);
        await answer.Content.CopyToAsync(Stream.Null);
        IEnumerable<string> status = answer.Headers.TryGetValues("grpc-status", out IEnumerable<string>? early) ? early : answer.TrailingHeaders.GetValues("grpc-status");
        Assert.Equal(((int)StatusCode.ResourceExhausted).ToString(System.Globalization.CultureInfo.InvariantCulture), Assert.Single(status));
    }

    private static HttpMessageInvoker Raw(CoordinatorFixture fixture, Identity caller) => new(new SocketsHttpHandler
    {
        SslOptions = MutualTls.Client(TestTls.CredentialOf(caller).Certificate, () => [fixture.Coordinator.Fingerprint], "coordinator"),
    });

    private static HttpRequestMessage HalfRequest(CoordinatorFixture fixture) => new(HttpMethod.Post, fixture.Host.Address + "/vertfed.v1.JobService/Get")
    {
        Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new HalfMessage(),
    };

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
