using System.Net.Sockets;

namespace VertFed.UnitTests.Storage;

/// <summary>
/// Stands between a store and its server, on a socket of its own. Armed, it lets the next COMMIT reach the server, waits for the answer, and
/// cuts the connection instead of passing it on: the change is kept, and the client cannot know.
/// </summary>
internal sealed class CuttingProxy : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string _server;
    private volatile bool _isArmed;
    private volatile bool _isClosed;

    /// <param name="serverFolder">Where the server's socket is.</param>
    public CuttingProxy(string serverFolder)
    {
        _server = Path.Combine(serverFolder, ".s.PGSQL.5432");
        _listener.Bind(new UnixDomainSocketEndPoint(_folder.File(".s.PGSQL.5432")));
        _listener.Listen();
        _ = AcceptAsync();
    }

    /// <summary>What clients take for the server's folder.</summary>
    public string Folder => _folder.Path;

    public int Cuts { get; private set; }

    /// <param name="forGood">Whether nobody is let in afterwards.</param>
    public void CutNextCommit(bool forGood)
    {
        StaysAway = forGood;
        _isArmed = true;
    }

    private bool StaysAway { get; set; }

    public void Dispose()
    {
        _isClosed = true;
        _listener.Dispose();
        _folder.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_isClosed)
        {
            try
            {
                Socket client = await _listener.AcceptAsync();
                _ = ServeAsync(client);
            }
            catch (SocketException) when (_isClosed)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using (client)
        using (Socket server = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            if (Cuts > 0 && StaysAway)
                return;
            await server.ConnectAsync(new UnixDomainSocketEndPoint(_server));
            // Set once the COMMIT is on its way: what the server says then is not passed on.
            var cut = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await Task.WhenAny(PumpAsync(client, server, IsCommit, cut), PumpAsync(server, client, _ => cut.Task.IsCompleted, stop: null));
        }
    }

    private bool IsCommit(ReadOnlyMemory<byte> bytes)
    {
        // The whole statement: BEGIN says READ COMMITTED.
        if (!_isArmed || bytes.Span.IndexOf("COMMIT\0"u8) < 0)
            return false;
        _isArmed = false;
        Cuts++;
        return true;
    }

    private static async Task PumpAsync(Socket from, Socket to, Func<ReadOnlyMemory<byte>, bool> ends, TaskCompletionSource? stop)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer) is var read and > 0)
            {
                bool isEnd = ends(buffer.AsMemory(0, read));
                if (isEnd && stop is null)
                    return;
                if (isEnd)
                    stop!.SetResult();
                await to.SendAsync(buffer.AsMemory(0, read));
            }
        }
        catch (SocketException)
        {
            // One side is gone; the caller closes the other.
        }
    }
}
