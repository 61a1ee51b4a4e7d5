using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.PartyNode.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Control;

/// <summary>The operator's connection to the running node of a configuration.</summary>
internal sealed class ControlClient : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly GrpcChannel _channel;
    private readonly PartyControl.PartyControlClient _client;
    private readonly string _party;

    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: the socket's path is too long.</exception>
    public ControlClient(PartyConfig config)
    {
        string path = ControlSocket.PathOf(config);
        ControlSocket.Require(path);
        _party = config.Name;
        _channel = GrpcChannel.ForAddress("http://operator", new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                UseProxy = false,
                AllowAutoRedirect = false,
                ConnectCallback = async (_, cancellationToken) => await ConnectAsync(path, cancellationToken),
            },
        });
        _client = new PartyControl.PartyControlClient(_channel);
    }

    /// <summary>Makes one call.</summary>
    /// <exception cref="VertFedException">What the node answered; <see cref="ErrorCode.PeerUnavailable"/>: it does not run.</exception>
    public async Task<T> CallAsync<T>(Func<PartyControl.PartyControlClient, CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call(_client, new CallOptions(deadline: TimeProvider.System.GetUtcNow().UtcDateTime + Patience, cancellationToken: cancellationToken));
        }
        catch (RpcException error) when (error.Trailers.GetValue(ControlService.CodeTrailer) is { } name && Enum.TryParse(name, out ErrorCode code))
        {
            throw new VertFedException(code, error.Status.Detail, error);
        }
        catch (RpcException error) when (error.StatusCode is StatusCode.Unavailable or StatusCode.Internal)
        {
            throw new VertFedException(
                ErrorCode.PeerUnavailable, $"the node of '{_party}' is not running: nobody answers at data_dir/control.sock; `vertfed party --config FILE` starts it", error);
        }
        catch (RpcException error) when (error.StatusCode == StatusCode.DeadlineExceeded)
        {
            throw new VertFedException(ErrorCode.PeerUnavailable, $"the node of '{_party}' did not answer within {Patience.TotalSeconds:0} s", error);
        }
    }

    public void Dispose() => _channel.Dispose();

    private static async Task<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
