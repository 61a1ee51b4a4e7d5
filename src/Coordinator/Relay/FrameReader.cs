using Grpc.Core;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Relay;

/// <summary>A party's frames one by one, with a deadline where one is due.</summary>
internal sealed class FrameReader(IAsyncStreamReader<PartyFrame> stream, TimeProvider time)
{
    /// <summary>The next frame, whenever it comes; null where the party ended the stream.</summary>
    public async Task<PartyFrame?> ReadAsync(CancellationToken cancellationToken) =>
        await stream.MoveNext(cancellationToken) ? stream.Current : null;

    /// <summary>The next frame, which is due now.</summary>
    /// <exception cref="VertFedException">PeerUnavailable: it did not come in time, or the party ended the stream.</exception>
    public async Task<PartyFrame> ReadDueAsync(TimeSpan limit, string what, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(limit, time);
        using var timed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        try
        {
            return await ReadAsync(timed.Token)
                ?? throw new VertFedException(ErrorCode.PeerUnavailable, $"the stream ended before {what}");
        }
        catch (Exception exception) when (timed.IsCancellationRequested && !cancellationToken.IsCancellationRequested
            && exception is OperationCanceledException or RpcException)
        {
            throw new VertFedException(ErrorCode.PeerUnavailable,
                string.Create(System.Globalization.CultureInfo.InvariantCulture, $"waited {limit.TotalSeconds:0.#} s for {what}"), exception);
        }
    }
}
