using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using Grpc.Core;
using VertFed.Load.Programs;
using VertFed.Protocol;

namespace VertFed.Load.Callers;

/// <summary>What became of a connection or a call of an attacker.</summary>
/// <param name="HasEntered">Whether it was taken for a start; a call: whether its message was read to the end.</param>
/// <param name="Outcome">In words.</param>
internal readonly record struct AttackEnd(bool HasEntered, string Outcome);

/// <summary>Connections and calls that ask too much of a coordinator, or that begin and do not go on.</summary>
internal sealed class Attacker(LoadCoordinator coordinator)
{
    private readonly Uri _address = new(coordinator.Address);

    // The preface of HTTP/2 and empty settings.
    private static ReadOnlySpan<byte> Preface => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0"u8;

    // The beginning of headers (":method: POST") on stream 1, whose end does not come.
    private static readonly byte[] HalfHeaders = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0x83];

    /// <summary>A TCP connection that says nothing. It ends when the coordinator closes it, or after the time given.</summary>
    public async Task<AttackEnd> SilentAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        using TcpClient tcp = new();
        try
        {
            await tcp.ConnectAsync(_address.Host, _address.Port, cancellationToken);
            bool isClosedAtOnce = await ClosesWithinAsync(tcp.GetStream(), TimeSpan.FromSeconds(1), cancellationToken);
            if (isClosedAtOnce)
            {
                return new AttackEnd(false, "closed at once");
            }

            return await ClosesWithinAsync(tcp.GetStream(), patience, cancellationToken) ? new AttackEnd(true, "closed") : new AttackEnd(true, "left open");
        }
        catch (SocketException)
        {
            return new AttackEnd(false, "refused");
        }
    }

    /// <summary>A connection over TLS that speaks HTTP/2 as far as the settings, and keeps its place until the gate opens.</summary>
    public Task<AttackEnd> OccupyingAsync(Person person, Task gate, CancellationToken cancellationToken) => OverTlsAsync(person, async _ =>
    {
        await gate.WaitAsync(cancellationToken);
        return new AttackEnd(true, "kept");
    }, cancellationToken);

    /// <summary>Headers that are never finished; ends when the coordinator ends the connection.</summary>
    public Task<AttackEnd> HalfHeadersAsync(Person person, TimeSpan patience, CancellationToken cancellationToken) => OverTlsAsync(person, async tls =>
    {
        await tls.WriteAsync(HalfHeaders, cancellationToken);
        return await ClosesWithinAsync(tls, patience, cancellationToken) ? new AttackEnd(true, "closed") : new AttackEnd(true, "left open");
    }, cancellationToken);

    /// <summary>A call whose message is announced with a length and stops, or goes on for all of it.</summary>
    /// <param name="announced">Bytes, as the message's head says.</param>
    /// <param name="sent">How many of them are sent; fewer: the rest never comes.</param>
    public async Task<AttackEnd> MessageAsync(Person person, int announced, int sent, TimeSpan patience, CancellationToken cancellationToken)
    {
        using HttpMessageInvoker http = new(person.Handler(coordinator.Fingerprint));
        using HttpRequestMessage request = new(HttpMethod.Post, coordinator.Address + "/vertfed.v1.JobService/Submit")
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new Message(announced, sent),
        };
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        try
        {
            using HttpResponseMessage answer = await http.SendAsync(request, limit.Token);
            await answer.Content.ReadAsByteArrayAsync(limit.Token);
            HttpResponseHeaders headers = answer.Headers.Contains("grpc-status") ? answer.Headers : answer.TrailingHeaders;
            string status = headers.TryGetValues("grpc-status", out IEnumerable<string>? values) ? values.First() : "";
            return new AttackEnd(false, Enum.TryParse(status, out StatusCode code) ? code.ToString() : "no status");
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return new AttackEnd(true, "left open");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            // A reset reaches whoever is still sending as a cancellation.
            return new AttackEnd(false, "ended");
        }
    }

    private async Task<AttackEnd> OverTlsAsync(Person person, Func<SslStream, Task<AttackEnd>> then, CancellationToken cancellationToken)
    {
        using TcpClient tcp = new();
        try
        {
            await tcp.ConnectAsync(_address.Host, _address.Port, cancellationToken);
            await using SslStream tls = new(tcp.GetStream());
            await tls.AuthenticateAsClientAsync(MutualTls.Client(person.Certificate, () => [coordinator.Fingerprint], "coordinator"), cancellationToken);
            await tls.WriteAsync(Preface.ToArray(), cancellationToken);
            byte[] settings = new byte[9];
            // A connection that was let in is greeted with the coordinator's settings.
            return await tls.ReadAtLeastAsync(settings, settings.Length, throwOnEndOfStream: false, cancellationToken) == settings.Length
                ? await then(tls)
                : new AttackEnd(false, "closed at once");
        }
        catch (Exception e) when (e is IOException or SocketException or System.Security.Authentication.AuthenticationException)
        {
            return new AttackEnd(false, "closed at once");
        }
    }

    /// <summary>Reads and drops what comes, until the end or the time is up.</summary>
    private static async Task<bool> ClosesWithinAsync(Stream stream, TimeSpan patience, CancellationToken cancellationToken)
    {
        using CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(patience);
        byte[] dropped = new byte[1024];
        try
        {
            while (await stream.ReadAsync(dropped, limit.Token) > 0)
            {
            }

            return true;
        }
        catch (IOException)
        {
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>The head of a gRPC message and some of it.</summary>
    private sealed class Message : HttpContent
    {
        private const int Piece = 64 * 1024;
        private readonly int _announced;
        private readonly int _sent;

        public Message(int announced, int sent)
        {
            (_announced, _sent) = (announced, sent);
            Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            byte[] head = [0, 0, 0, 0, 0];
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(head.AsSpan(1), (uint)_announced);
            await stream.WriteAsync(head, cancellationToken);
            byte[] piece = new byte[Piece];
            for (int left = _sent; left > 0; left -= Piece)
            {
                await stream.WriteAsync(piece.AsMemory(0, Math.Min(left, Piece)), cancellationToken);
            }

            await stream.FlushAsync(cancellationToken);
            if (_sent < _announced)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
