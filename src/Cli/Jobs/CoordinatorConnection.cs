using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Protocol;

namespace VertFed.Cli.Jobs;

/// <summary>
/// A connection to the coordinator. Every failure of a call becomes a <see cref="VertFedException"/>: the coordinator's own code where
/// it sent one (trailer `vertfed-code`), else the nearest one to the gRPC status.
/// </summary>
internal sealed class CoordinatorConnection : IDisposable
{
    /// <summary>Trailer in which the coordinator names its <see cref="ErrorCode"/>.</summary>
    public const string CodeTrailer = "vertfed-code";

    private const int MaxReplyBytes = 160 * 1024 * 1024;
    private static readonly TimeSpan s_callTimeout = TimeSpan.FromSeconds(30);

    /// <param name="access">Stays the caller's to dispose.</param>
    /// <exception cref="VertFedException">The caller's own certificate has expired or is not valid yet (usage).</exception>
    public CoordinatorConnection(CoordinatorAccess access)
    {
        access.Credential.Certificate.RequireValid(TimeProvider.System.GetUtcNow());
        Address = access.Address;
        Channel = GrpcChannel.ForAddress(access.Address, new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MaxReplyBytes,
            HttpHandler = new SocketsHttpHandler
            {
                SslOptions = MutualTls.Client(access.Credential.Certificate, () => access.Pins, "coordinator"),
                UseProxy = false,
                AllowAutoRedirect = false,
            },
        });
    }

    public Uri Address { get; }

    public GrpcChannel Channel { get; }

    /// <exception cref="VertFedException">Not an absolute https address (usage).</exception>
    public static Uri ParseAddress(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "https" ? uri : throw Error.BadAddress(text);

    /// <summary>Makes a call that answers once, within half a minute.</summary>
    public async Task<T> CallAsync<T>(Func<CallOptions, Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            return await call(new CallOptions(deadline: DateTime.UtcNow + s_callTimeout, cancellationToken: cancellationToken));
        }
        catch (RpcException e)
        {
            throw Translate(e, cancellationToken);
        }
    }

    public void Dispose() => Channel.Dispose();

    public Exception Translate(RpcException e, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return new OperationCanceledException(e.Status.Detail, e, cancellationToken);
        }

        if (MutualTls.RefusalIn(e.Status.DebugException) is { } refusal)
        {
            return Error.Job(ErrorCode.DoesNotVerify, $"The coordinator at {Address} is not the pinned one: {Error.OneLine(refusal.Message)}", "coordinator");
        }

        string detail = Error.OneLine(e.Status.Detail);
        ErrorCode code = Enum.TryParse(e.Trailers.GetValue(CodeTrailer), out ErrorCode named) ? named : FromStatus(e.StatusCode);
        return code == ErrorCode.PeerUnavailable && e.Trailers.GetValue(CodeTrailer) is null
            ? Error.Job(code, $"The coordinator at {Address} cannot be reached: {detail}", "coordinator")
            : Error.Job(code, detail, "coordinator");
    }

    private static ErrorCode FromStatus(StatusCode status) => status switch
    {
        StatusCode.InvalidArgument or StatusCode.NotFound or StatusCode.AlreadyExists or StatusCode.FailedPrecondition => ErrorCode.Usage,
        StatusCode.PermissionDenied or StatusCode.Unauthenticated => ErrorCode.Refused,
        StatusCode.Unavailable or StatusCode.DeadlineExceeded => ErrorCode.PeerUnavailable,
        StatusCode.Cancelled => ErrorCode.Cancelled,
        _ => ErrorCode.Internal,
    };
}
