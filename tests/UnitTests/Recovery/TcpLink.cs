using System.Net;
using System.Net.Sockets;

namespace VertFed.UnitTests.Recovery;

/// <summary>A network cable between a party and the coordinator: bytes go through until it is cut; it can be joined again, to another end too.</summary>
internal sealed class TcpLink : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly HashSet<Socket> _open = [];
    private readonly Task _accepting;
    private int _target;
    private bool _closed;

    private TcpLink()
    {
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    /// <summary>Where a party dials to.</summary>
    public int Port { get; }

    /// <summary>A link that is joined to nothing yet.</summary>
    public static TcpLink Open() => new();

    /// <summary>Joins it to a port; connections that stand are cut.</summary>
    public void Join(int target) => Set(target);

    /// <summary>Cuts all connections; new ones end at once until it is joined again.</summary>
    public void Cut() => Set(0);

    public async ValueTask DisposeAsync()
    {
        _closed = true;
        Cut();
        _listener.Stop();
        await _accepting;
        _listener.Dispose();
    }

    private void Set(int target)
    {
        Socket[] open;
        lock (_gate)
        {
            _target = target;
            open = [.. _open];
            _open.Clear();
        }

        foreach (Socket socket in open)
        {
            socket.Dispose();
        }
    }

    private async Task AcceptAsync()
    {
        while (!_closed)
        {
            try
            {
                Socket near = await _listener.AcceptSocketAsync();
                _ = CarryAsync(near);
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException && _closed)
            {
                return;
            }
        }
    }

    private async Task CarryAsync(Socket near)
    {
        using Socket far = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        near.NoDelay = true;
        int target;
        lock (_gate)
        {
            target = _target;
            if (target != 0)
            {
                _open.Add(near);
                _open.Add(far);
            }
        }

        using (near)
        {
            if (target == 0)
            {
                return;
            }

            try
            {
                await far.ConnectAsync(IPAddress.Loopback, target);
                await Task.WhenAny(PumpAsync(near, far), PumpAsync(far, near));
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // The link was cut, or nobody listens at the other end: to the party both look like a lost connection.
            }
        }

        lock (_gate)
        {
            _open.Remove(near);
            _open.Remove(far);
        }
    }

    private static async Task PumpAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            int count;
            while ((count = await from.ReceiveAsync(buffer)) > 0)
            {
                await to.SendAsync(buffer.AsMemory(0, count));
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // As above.
        }
    }
}
