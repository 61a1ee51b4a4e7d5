using Grpc.Core;
using VertFed.Protocol;

namespace VertFed.Coordinator.Services;

/// <summary>How errors reach a gRPC caller: a status code, a detail for people, and the <see cref="ErrorCode"/>'s name in a trailer.</summary>
internal static class GrpcErrors
{
    /// <summary>The trailer that holds the name of the <see cref="ErrorCode"/>.</summary>
    public const string CodeTrailer = "vertfed-code";

    public static RpcException From(VertFedException exception) =>
        Make(StatusOf(exception.Code), exception.Code, exception.Message);

    public static RpcException Make(StatusCode status, ErrorCode code, string detail) =>
        new(new Status(status, detail), new Metadata { { CodeTrailer, code.ToString() } });

    public static RpcException UnknownJob() =>
        Make(StatusCode.NotFound, ErrorCode.Usage, "there is no such job");

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
