using System.Globalization;
using Grpc.Core;
using VertFed.Coordinator.Services;
using VertFed.Protocol;

namespace VertFed.Coordinator.Relay;

/// <summary>Counts who is inside and turns away those above a limit.</summary>
internal sealed class ConnectionGate(int limit, string what)
{
    private int _inside;

    /// <summary>How many are inside.</summary>
    public int Inside => Volatile.Read(ref _inside);

    /// <exception cref="RpcException">ResourceExhausted: full.</exception>
    public IDisposable Enter()
    {
        if (Interlocked.Increment(ref _inside) > limit)
        {
            Interlocked.Decrement(ref _inside);
            throw GrpcErrors.Make(StatusCode.ResourceExhausted, ErrorCode.Refused,
                string.Create(CultureInfo.InvariantCulture, $"more than {limit} {what} at once are not accepted"));
        }

        return new Place(this);
    }

    private sealed class Place(ConnectionGate gate) : IDisposable
    {
        private int _left;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _left, 1) == 0)
                Interlocked.Decrement(ref gate._inside);
        }
    }
}
