using System.Security.Cryptography;
using Grpc.Core;
using Grpc.Net.Client;
using Xunit;

namespace VertFed.UnitTests.Compat;

public sealed class StreamingCallTests
{
    [Fact]
    public async Task Duplex_streams_echo_messages_of_one_mebibyte_in_order()
    {
        const int count = 32;
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        using AsyncDuplexStreamingCall<byte[], byte[]> call = new EchoClient(channel).Chat();

        Task writing = Task.Run(async () =>
        {
            for (int i = 0; i < count; i++)
                await call.RequestStream.WriteAsync(Message(i));
            await call.RequestStream.CompleteAsync();
        });
        int received = 0;
        await foreach (byte[] message in call.ResponseStream.ReadAllAsync())
            Assert.True(message.AsSpan().SequenceEqual(Message(received++)));
        await writing;

        Assert.Equal(count, received);
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task Each_side_of_a_duplex_call_can_answer_before_the_other_ends()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        using AsyncDuplexStreamingCall<byte[], byte[]> call = new EchoClient(channel).Chat();

        for (byte i = 0; i < 5; i++)
        {
            await call.RequestStream.WriteAsync([i], CancellationToken.None);
            Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));
            Assert.Equal([i], call.ResponseStream.Current);
        }

        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext(CancellationToken.None));
    }

    [Fact]
    public async Task A_server_stream_brings_all_messages_and_trailers()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        using AsyncServerStreamingCall<byte[]> call = new EchoClient(channel).Repeat([100, 1]);

        int received = 0;
        await foreach (byte[] message in call.ResponseStream.ReadAllAsync())
        {
            Assert.Equal([100, 1], message);
            received++;
        }

        Assert.Equal(100, received);
        Assert.Equal("100", call.GetTrailers().GetValue("sent"));
    }

    [Fact]
    public async Task A_client_stream_is_collected_into_one_answer()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        using AsyncClientStreamingCall<byte[], byte[]> call = new EchoClient(channel).Collect();

        for (byte i = 0; i < 10; i++)
            await call.RequestStream.WriteAsync([i, i]);
        await call.RequestStream.CompleteAsync();

        Assert.Equal(Enumerable.Range(0, 20).Select(i => (byte)(i / 2)), await call);
    }

    [Fact]
    public async Task A_cancelled_stream_ends_with_cancelled()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        using var source = new CancellationTokenSource();
        using AsyncDuplexStreamingCall<byte[], byte[]> call = new EchoClient(channel).Chat(new CallOptions(cancellationToken: source.Token));
        await call.RequestStream.WriteAsync([1]);
        Assert.True(await call.ResponseStream.MoveNext(CancellationToken.None));

        await source.CancelAsync();

        RpcException error = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(CancellationToken.None));
        Assert.Equal(StatusCode.Cancelled, error.StatusCode);
    }

    [Fact]
    public async Task A_stream_to_a_method_that_is_not_served_is_unimplemented()
    {
        await using EchoHost host = await EchoHost.StartAsync();
        using GrpcChannel channel = host.Connect();
        var relay = new VertFed.Protocol.V1.RelayService.RelayServiceClient(channel);
        using AsyncDuplexStreamingCall<VertFed.Protocol.V1.PartyFrame, VertFed.Protocol.V1.CoordinatorFrame> call = relay.Connect();

        RpcException error = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(CancellationToken.None));

        Assert.Equal(StatusCode.Unimplemented, error.StatusCode);
    }

    private static byte[] Message(int index)
    {
        byte[] message = new byte[1 << 20];
        SHA256.HashData(BitConverter.GetBytes(index)).CopyTo(message.AsSpan(index));
        return message;
    }
}
