using Grpc.Core;
using Grpc.Net.Client;
using Xunit;

namespace VertFed.UnitTests.Compat;

public sealed class UnaryCallTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_request_comes_back()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        var client = new EchoClient(channel);

        Assert.Equal([1, 2, 3], await client.Unary([1, 2, 3]));
        Assert.Equal([4], client.UnaryAndWait([4]));
    }

    [Fact]
    public async Task Every_status_code_arrives_with_its_text_and_trailers()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        host.Behaviour.OnUnary = (request, _) => throw new RpcException(
            new Status((StatusCode)request[0], $"naïve {request[0]}"),
            new Metadata { { "why", "because" }, { "digest-bin", new byte[] { 0, 255, request[0] } } });
        var client = new EchoClient(channel);

        foreach (StatusCode code in Enum.GetValues<StatusCode>().Where(code => code != StatusCode.OK))
        {
            RpcException error = await Assert.ThrowsAsync<RpcException>(async () => await client.Unary([(byte)code]));
            Assert.Equal(code, error.StatusCode);
            Assert.Equal($"naïve {(int)code}", error.Status.Detail);
            Assert.Equal("because", error.Trailers.GetValue("why"));
            Assert.Equal([0, 255, (byte)code], error.Trailers.GetValueBytes("digest-bin"));
        }
    }

    [Fact]
    public async Task An_unexpected_exception_is_an_unknown_error_without_its_text()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        host.Behaviour.OnUnary = (_, _) => throw new InvalidOperationException("a secret");

        RpcException error = await Assert.ThrowsAsync<RpcException>(async () => await new EchoClient(channel).Unary([1]));

        Assert.Equal(StatusCode.Unknown, error.StatusCode);
        Assert.DoesNotContain("a secret", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_method_can_end_with_a_status_and_trailers_without_throwing()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        host.Behaviour.OnUnary = (request, context) =>
        {
            context.ResponseTrailers.Add("count", "7");
            context.Status = new Status(StatusCode.OK, "well done");
            return Task.FromResult(request);
        };

        using AsyncUnaryCall<byte[]> call = new EchoClient(channel).Unary([1]);
        await call;

        Assert.Equal("7", call.GetTrailers().GetValue("count"));
        Assert.Equal(new Status(StatusCode.OK, "well done"), call.GetStatus());
    }

    [Fact]
    public async Task A_passed_deadline_ends_the_call_on_both_sides()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        var seen = new TaskCompletionSource<DateTime>(TaskCreationOptions.RunContinuationsAsynchronously);

        // The connection and the handler's path are warm, so that the deadline passes in the handler however slow the machine is.
        await new EchoClient(channel).Unary([0]);
        host.Behaviour.OnUnary = async (request, context) =>
        {
            using CancellationTokenRegistration _ = context.CancellationToken.Register(() => seen.TrySetResult(context.Deadline));
            await Task.Delay(Timeout.InfiniteTimeSpan, context.CancellationToken);
            return request;
        };
        DateTime deadline = DateTime.UtcNow.AddSeconds(3);

        RpcException error = await Assert.ThrowsAsync<RpcException>(
            async () => await new EchoClient(channel).Unary([1], new CallOptions(deadline: deadline)));

        Assert.Equal(StatusCode.DeadlineExceeded, error.StatusCode);
        Assert.InRange((await seen.Task.WaitAsync(Patience)) - deadline, TimeSpan.FromMinutes(-1), TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Without_a_deadline_the_server_sees_none()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        DateTime? deadline = null;
        host.Behaviour.OnUnary = (request, context) =>
        {
            deadline = context.Deadline;
            return Task.FromResult(request);
        };

        await new EchoClient(channel).Unary([1]);

        Assert.Equal(DateTime.MaxValue, deadline);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancelling_by_token_or_by_disposal_reaches_the_server(bool byToken)
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        var entered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        host.Behaviour.OnUnary = async (request, context) =>
        {
            using CancellationTokenRegistration _ = context.CancellationToken.Register(() => cancelled.TrySetResult());
            entered.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, context.CancellationToken);
            return request;
        };
        using var source = new CancellationTokenSource();

        AsyncUnaryCall<byte[]> call = new EchoClient(channel).Unary([1], new CallOptions(cancellationToken: source.Token));
        await entered.Task.WaitAsync(Patience);
        if (byToken)
            await source.CancelAsync();
        else
            call.Dispose();

        RpcException error = await Assert.ThrowsAsync<RpcException>(async () => await call.ResponseAsync.WaitAsync(Patience));
        Assert.Equal(StatusCode.Cancelled, error.StatusCode);
        await cancelled.Task.WaitAsync(Patience);
    }

    [Fact]
    public async Task Headers_travel_both_ways_with_text_and_bytes()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        host.Behaviour.OnUnary = async (request, context) =>
        {
            await context.WriteResponseHeadersAsync(new Metadata
            {
                { "seen", context.RequestHeaders.GetValue("X-Text")! },
                { "seen-bin", context.RequestHeaders.GetValueBytes("x-bytes-bin")! },
            });
            return request;
        };
        var headers = new Metadata { { "X-Text", "first" }, { "x-text", "second" }, { "x-bytes-bin", new byte[] { 0, 10, 13, 200 } } };

        using AsyncUnaryCall<byte[]> call = new EchoClient(channel).Unary([1], new CallOptions(headers));
        Metadata response = await call.ResponseHeadersAsync;
        await call;

        // HTTP joins the values of one key (RFC 9110, section 5.3).
        Assert.Equal("first, second", response.GetValue("seen"));
        Assert.Equal([0, 10, 13, 200], response.GetValueBytes("seen-bin"));
    }

    [Fact]
    public async Task The_server_sees_method_host_and_peer()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        string[] seen = [];
        host.Behaviour.OnUnary = (request, context) =>
        {
            seen = [context.Method, context.Host, context.Peer];
            Assert.False(context.AuthContext.IsPeerAuthenticated);
            Assert.Empty(context.AuthContext.PeerIdentity);
            return Task.FromResult(request);
        };

        await new EchoClient(channel).Unary([1]);

        Assert.Equal("/vertfed.tests.Echo/Unary", seen[0]);
        Assert.Equal(host.Address.Authority, seen[1]);
        Assert.StartsWith("ipv4:127.0.0.1:", seen[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_large_message_comes_back_and_one_above_the_limit_is_refused()
    {
        const int limit = 16 << 20;
        await using EchoHost host = await EchoHost.StartAsync(options => options.MaxReceiveMessageSize = limit);
        using GrpcChannel channel = host.Connect(options => options.MaxReceiveMessageSize = limit);
        var client = new EchoClient(channel);
        byte[] large = new byte[limit];
        for (int i = 0; i < large.Length; i += 4096)
            large[i] = (byte)(i >> 12);

        byte[] answer = await client.Unary(large);
        Assert.True(large.AsSpan().SequenceEqual(answer));

        RpcException error = await Assert.ThrowsAsync<RpcException>(async () => await client.Unary(new byte[limit + 1]));
        Assert.Equal(StatusCode.ResourceExhausted, error.StatusCode);
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("deflate")]
    public async Task Compressed_messages_come_back(string encoding)
    {
        await using EchoHost host = await EchoHost.StartAsync(options => options.ResponseCompressionAlgorithm = "gzip");
        using GrpcChannel channel = host.Connect(options => options.CompressionProviders =
        [
            new Grpc.Net.Compression.GzipCompressionProvider(System.IO.Compression.CompressionLevel.Fastest),
            new Grpc.Net.Compression.DeflateCompressionProvider(System.IO.Compression.CompressionLevel.Fastest),
        ]);
        string? seen = null;
        host.Behaviour.OnUnary = (request, context) =>
        {
            // Headers of the protocol itself are kept out of the call's metadata.
            Assert.Null(context.RequestHeaders.GetValue("grpc-encoding"));
            seen = context.GetHttpContext().Request.Headers["grpc-encoding"];
            return Task.FromResult(request);
        };
        byte[] message = new byte[100_000];
        message[^1] = 1;

        byte[] answer = await new EchoClient(channel).Unary(
            message, new CallOptions(new Metadata { { "grpc-internal-encoding-request", encoding } }));

        Assert.Equal(message, answer);
        Assert.Equal(encoding, seen);
    }
}
