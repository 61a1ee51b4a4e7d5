using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Relay;

namespace VertFed.Coordinator.Security;

/// <summary>
/// Bounds the connections that have not shown a certificate yet, in all and from one address: whoever reaches the port can open them. From
/// then on <see cref="PeerConnections"/> counts a connection for its key. So none of the bounds can be used up by those that another one is for.
/// </summary>
internal sealed class HandshakeGate(CoordinatorConfig config, TimeProvider time, ILogger<HandshakeGate> logger)
{
    /// <summary>Whoever has one IPv6 address has all of its first 64 bits.</summary>
    private const int PrefixBytes = 8;

    private readonly ConnectionGate _gate = new(
        new GateLimit(config.Limits.MaxHandshakes, "max_handshakes"), new GateLimit(config.Limits.MaxHandshakesPerAddress, "max_handshakes_per_address"), "handshakes");

    private long _refused;
    private long _lastTold;

    /// <summary>How many handshakes are under way.</summary>
    public int Inside => _gate.Inside;

    /// <summary>Runs a connection from its first byte on.</summary>
    public async Task RunAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        using IDisposable? place = _gate.TryEnter(WhoIs(connection.RemoteEndPoint));
        if (place is null)
        {
            Tell();
            connection.Abort(new ConnectionAbortedException("too many handshakes are under way"));
            return;
        }

        connection.Items[typeof(HandshakeGate)] = place;
        await next(connection);
    }

    /// <summary>The handshake of a connection is over: its place is free.</summary>
    public static void Done(ConnectionContext connection)
    {
        if (connection.Items.TryGetValue(typeof(HandshakeGate), out object? place))
            ((IDisposable)place!).Dispose();
    }

    /// <summary>An address, or the network that its owner has.</summary>
    public static string WhoIs(EndPoint? remote)
    {
        if (remote is not IPEndPoint { Address: var address })
            return "";
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return address.AddressFamily == AddressFamily.InterNetworkV6
            ? Convert.ToHexStringLower(address.GetAddressBytes().AsSpan(0, PrefixBytes))
            : address.ToString();
    }

    /// <summary>One line for many: a line each would be one more thing that whoever reaches the port can make.</summary>
    private void Tell()
    {
        long count = Interlocked.Increment(ref _refused);
        long second = time.GetUtcNow().ToUnixTimeSeconds(), last = Interlocked.Read(ref _lastTold);
        if (second > last && Interlocked.CompareExchange(ref _lastTold, second, last) == last)
            Log.TooManyHandshakes(logger, count);
    }
}
