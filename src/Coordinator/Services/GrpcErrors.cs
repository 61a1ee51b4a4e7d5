using System.Security.Cryptography;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using VertFed.Protocol;

namespace VertFed.Coordinator.Services;

/// <summary>
/// How errors reach a gRPC caller: a status code, a detail for people, the <see cref="ErrorCode"/>'s name in a trailer, and
/// <c>google.rpc.Status</c> in the trailer grpc-status-details-bin for programs: ErrorInfo always, BadRequest where a field is wrong,
/// RetryInfo where the same call may succeed later.
/// </summary>
internal static class GrpcErrors
{
    /// <summary>The trailer that holds the name of the <see cref="ErrorCode"/>.</summary>
    public const string CodeTrailer = "vertfed-code";

    /// <summary>The trailer that holds the serialised google.rpc.Status.</summary>
    public const string DetailsTrailer = "grpc-status-details-bin";

    /// <summary>The domain of every ErrorInfo.</summary>
    public const string Domain = "vertfed";

    /// <summary>The detail's text is repeated in the trailer; clients bound their headers, some to 8 KiB.</summary>
    private const int MaxRepeatedText = 512;
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(5);

    /// <summary>
    /// What a caller is told of an error. Of the store's, and of those that nobody expected, a fixed sentence: their own words name files, hosts
    /// and what a server said. The log has them under the incident's number, which the caller gets.
    /// </summary>
    /// <param name="where">The call or the party, for the log.</param>
    public static RpcException From(VertFedException exception, ILogger logger, string where)
    {
        if (exception.Code is not (ErrorCode.Storage or ErrorCode.Internal))
        {
            return Make(
                StatusOf(exception.Code), exception.Code, exception.Message,
                new ErrorHint { Field = exception.Field, Party = exception.Party, Step = exception.Step });
        }

        string incident = NewIncident();
        Log.CallFailed(logger, where, incident, exception.Message);
        string what = exception.Code == ErrorCode.Storage ? "the coordinator's store cannot do this now" : "internal error";
        return Make(StatusOf(exception.Code), exception.Code, $"{what}; the coordinator's log has it as incident {incident}");
    }

    /// <summary>The same for what is no <see cref="VertFedException"/>.</summary>
    public static RpcException Unexpected(Exception exception, ILogger logger, string where)
    {
        string incident = NewIncident();
        Log.Unexpected(logger, exception, where, incident);
        return Make(StatusCode.Internal, ErrorCode.Internal, $"internal error; the coordinator's log has it as incident {incident}");
    }

    public static RpcException Make(StatusCode status, ErrorCode code, string detail, ErrorHint? hint = null)
    {
        var info = new ErrorInfo { Reason = code.ToString(), Domain = Domain };
        var message = new Google.Rpc.Status { Code = (int)status, Message = detail.Length > MaxRepeatedText ? detail[..MaxRepeatedText] : detail };
        Note(info, "party", hint?.Party);
        Note(info, "step", hint?.Step);
        Note(info, "limit", hint?.Limit);
        message.Details.Add(Any.Pack(info));
        if (hint?.Field is { Length: > 0 } field)
            message.Details.Add(Any.Pack(new BadRequest { FieldViolations = { new BadRequest.Types.FieldViolation { Field = field, Description = message.Message } } }));
        if (status is StatusCode.ResourceExhausted or StatusCode.Unavailable)
            message.Details.Add(Any.Pack(new RetryInfo { RetryDelay = Duration.FromTimeSpan(hint?.RetryAfter ?? Retry) }));
        return new RpcException(
            new Grpc.Core.Status(status, detail), new Metadata { { CodeTrailer, code.ToString() }, { DetailsTrailer, message.ToByteArray() } });
    }

    public static RpcException UnknownJob() =>
        Make(StatusCode.NotFound, ErrorCode.Usage, "there is no such job");

    /// <summary>INVALID_ARGUMENT that names the field.</summary>
    public static RpcException BadField(string field, string wrong) =>
        Make(StatusCode.InvalidArgument, ErrorCode.Usage, $"{field} {wrong}", new ErrorHint { Field = field });

    /// <summary>16 hexadecimal digits, drawn at random: they do not tell how many there were.</summary>
    private static string NewIncident() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));

    private static void Note(ErrorInfo info, string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
            info.Metadata[name] = value;
    }

    private static StatusCode StatusOf(ErrorCode code) => code switch
    {
        ErrorCode.Usage or ErrorCode.BadInput or ErrorCode.ProtocolViolation => StatusCode.InvalidArgument,
        ErrorCode.Refused => StatusCode.PermissionDenied,
        ErrorCode.PeerUnavailable => StatusCode.DeadlineExceeded,
        ErrorCode.DoesNotVerify => StatusCode.Unauthenticated,
        ErrorCode.Diverges => StatusCode.Aborted,
        ErrorCode.Storage => StatusCode.ResourceExhausted,
        ErrorCode.Cancelled => StatusCode.Cancelled,
        _ => StatusCode.Internal,
    };
}

/// <summary>What a program may want to know of an error beside its codes. Names and paths only; never ids or values of a row.</summary>
internal sealed record ErrorHint
{
    /// <summary>The wrong field of the request, as a path.</summary>
    public string? Field { get; init; }

    /// <summary>The name of the limit in the coordinator's configuration that was reached.</summary>
    public string? Limit { get; init; }

    public string? Party { get; init; }

    public string? Step { get; init; }

    /// <summary>How long to wait before the same call is worth making again; null: the usual 5 s where one applies.</summary>
    public TimeSpan? RetryAfter { get; init; }
}
