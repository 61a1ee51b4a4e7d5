using System.Net;
using System.Net.Sockets;

namespace VertFed.UnitTests.Recovery;

/// <summary>A network cable to a server: bytes go through until it is cut; it can be joined again, to another end too.</summary>
internal sealed class Cable : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly Socket _listener;
    private readonly HashSet<Socket> _open = [];
    private readonly Task _accepting;
    private EndPoint? _target;
    private volatile bool _closed;

    private Cable(EndPoint near)
    {
        _listener = SocketFor(near);
        _listener.Bind(near);
        _listener.Listen();
        _accepting = AcceptAsync();
    }

    /// <summary>Where a client dials to, of a cable over TCP.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>A cable on a port of its own that is joined to nothing yet.</summary>
    public static Cable Open() => new(new IPEndPoint(IPAddress.Loopback, 0));

    /// <summary>The same on a Unix domain socket.</summary>
    public static Cable Open(string socket) => new(new UnixDomainSocketEndPoint(socket));

    /// <summary>Joins it to a port; connections that stand are cut.</summary>
    public void Join(int target) => Set(new IPEndPoint(IPAddress.Loopback, target));

    /// <summary>The same to a Unix domain socket.</summary>
    public void Join(string socket) => Set(new UnixDomainSocketEndPoint(socket));

    /// <summary>Cuts all connections; new ones end at once until it is joined again.</summary>
    public void Cut() => Set(null);

    public async ValueTask DisposeAsync()
    {
        _closed = true;
        Cut();
        _listener.Dispose();
        await _accepting;
    }

    private static Socket SocketFor(EndPoint end) => end is IPEndPoint
        ? new Socket(end.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true }
        : new Socket(end.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);

    private void Set(EndPoint? target)
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
                Socket near = await _listener.AcceptAsync();
                if (near.AddressFamily == AddressFamily.InterNetwork)
                {
                    near.NoDelay = true;
                }

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
        Socket? far = null;
        EndPoint? target;
        lock (_gate)
        {
            target = _target;
            if (target is not null)
            {
                far = SocketFor(target);
                _open.Add(near);
                _open.Add(far);
            }
        }

        using (near)
        using (far)
        {
            if (far is null)
            {
                return;
            }

            try
            {
                await far.ConnectAsync(target!);
                await Task.WhenAny(PumpAsync(near, far), PumpAsync(far, near));
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // The link was cut, or nobody listens at the other end: to the client both look like a lost connection.
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
