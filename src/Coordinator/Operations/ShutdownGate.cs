using Grpc.Core;
using VertFed.Coordinator.Services;
using VertFed.Protocol;

namespace VertFed.Coordinator.Operations;

/// <summary>Closed once the coordinator is told to stop: from then on no job is taken and none is started.</summary>
internal sealed class ShutdownGate
{
    private volatile bool _closed;

    public bool IsClosed => _closed;

    public void Close() => _closed = true;

    /// <exception cref="RpcException">Unavailable: the coordinator is stopping.</exception>
    public void RequireOpen()
    {
        if (_closed)
            throw GrpcErrors.Make(StatusCode.Unavailable, ErrorCode.PeerUnavailable, "the coordinator is stopping and takes no more jobs; submit again later");
    }
}
