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

    private const string Variable = "VERTFED_COORDINATOR";
    private const int MaxReplyBytes = 160 * 1024 * 1024;
    private static readonly TimeSpan s_callTimeout = TimeSpan.FromSeconds(30);

    public CoordinatorConnection(Uri address)
    {
        Address = address;
        Channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions { MaxReceiveMessageSize = MaxReplyBytes });
    }

    public Uri Address { get; }

    public GrpcChannel Channel { get; }

    /// <summary>The option that names the coordinator.</summary>
    public static System.CommandLine.Option<string?> Option() => new("--coordinator")
    {
        Description = $"The coordinator's address; default: {Variable}.",
        HelpName = "URL",
    };

    /// <summary>The address that the option or the environment gives.</summary>
    /// <exception cref="VertFedException">Neither does, or it is no address (usage).</exception>
    public static Uri AddressOf(string? given) => ParseAddress(
        given ?? Environment.GetEnvironmentVariable(Variable)
        ?? throw Error.OptionMissing("--coordinator", Variable, "The coordinator's address"));

    /// <exception cref="VertFedException">Not an absolute http or https address (usage).</exception>
    public static Uri ParseAddress(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https" ? uri : throw Error.BadAddress(text);

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
