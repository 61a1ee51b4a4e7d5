using System.Net;
using System.Net.Sockets;
using Grpc.Core;
using Microsoft.AspNetCore.Connections;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Security;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Security;

/// <summary>Connections before anybody has shown a key, and after the trust in one has changed.</summary>
public sealed class ConnectionTests
{
    /// <summary>Another address of this machine than the one that callers come from.</summary>
    private static readonly IPAddress Other = IPAddress.Parse("127.0.0.2");

    [Fact]
    public async Task Handshakes_that_are_not_finished_are_bounded_by_address_and_others_are_served()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(config => config with { Limits = config.Limits with { MaxHandshakesPerAddress = 2 } });
        Uri address = new(fixture.Host.Address);
        HandshakeGate gate = fixture.Host.Service<HandshakeGate>();

        // Two that do not finish before the test says so: a real one would be ended after ten seconds.
        TaskCompletionSource over = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Task[] unfinished = [HoldAsync(), HoldAsync()];
        Assert.Equal(2, gate.Inside);
        using Socket third = await SilentAsync(address);
        Assert.True(await IsClosedAsync(third));
        await fixture.Jobs.ListAsync(new ListJobsRequest());

        // Whose handshake is over takes none of these places any more.
        await CheckpointTests.WaitAsync(() => Task.FromResult(gate.Inside == 2));
        await fixture.ConnectAsync("bank");
        over.SetResult();
        await Task.WhenAll(unfinished);
        await CheckpointTests.WaitAsync(() => Task.FromResult(gate.Inside == 0));

        Task HoldAsync() => gate.RunAsync(new DefaultConnectionContext { RemoteEndPoint = new IPEndPoint(Other, 1) }, _ => over.Task);
    }

    [Theory]
    [InlineData("192.0.2.7", "192.0.2.7")]
    [InlineData("::ffff:192.0.2.7", "192.0.2.7")]
    [InlineData("2001:db8:1:2:3:4:5:6", "20010db800010002")]
    public void An_address_counts_for_the_network_that_its_owner_has(string address, string expected) =>
        Assert.Equal(expected, HandshakeGate.WhoIs(new IPEndPoint(IPAddress.Parse(address), 1)));

    [Fact]
    public async Task Other_roles_close_the_connections_of_a_key_with_the_streams_on_them()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        string job = (await fixture.SubmitAsync(fixture.NewJob())).Job;
        using AsyncServerStreamingCall<JobStatus> watch = fixture.Jobs.Watch(new GetJobRequest { Job = job });
        Assert.True(await watch.ResponseStream.MoveNext(CancellationToken.None));
        FakeParty bank = await fixture.ConnectAsync("bank");
        Principal ann = fixture.Config.Principals[0];
        fixture.Host.Reload(fixture.Config with { Principals = [ann with { Roles = CallerRoles.Operator }] });
        RpcException closed = await Assert.ThrowsAsync<RpcException>(() => watch.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(FakeParty.Patience));
        Assert.Contains(closed.StatusCode, new[] { StatusCode.Unavailable, StatusCode.Internal, StatusCode.Cancelled });

        // Whose trust is as it was goes on.
        await bank.SendAsync(new PartyFrame { Chunk = new PayloadChunk() });
        Assert.Equal(StatusCode.InvalidArgument, (await bank.ExpectStatusAsync()).StatusCode);
    }

    /// <summary>A connection from another address of this machine that says nothing.</summary>
    private static async Task<Socket> SilentAsync(Uri address)
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(Other, 0));
        await socket.ConnectAsync(IPAddress.Parse(address.Host), address.Port);
        return socket;
    }

    private static async Task<bool> IsClosedAsync(Socket socket)
    {
        using CancellationTokenSource limit = new(FakeParty.Patience);
        try
        {
            return await socket.ReceiveAsync(new byte[1], limit.Token) == 0;
        }
        catch (SocketException)
        {
            // A reset is an end as well.
            return true;
        }
    }
}
