using System.Threading.Channels;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>Two ends in one process; what one sends the other receives, in order. Unbounded: both ends run in this process.</summary>
public sealed class InMemoryTransport : IEnvelopeTransport
{
    private readonly Channel<Envelope> _outbound;
    private readonly Channel<Envelope> _inbound;

    private InMemoryTransport(Channel<Envelope> outbound, Channel<Envelope> inbound)
    {
        _outbound = outbound;
        _inbound = inbound;
    }

    /// <summary>Makes both ends.</summary>
    public static (InMemoryTransport Label, InMemoryTransport Feature) CreatePair()
    {
        Channel<Envelope> toFeature = Channel.CreateUnbounded<Envelope>();
        Channel<Envelope> toLabel = Channel.CreateUnbounded<Envelope>();
        return (new InMemoryTransport(toFeature, toLabel), new InMemoryTransport(toLabel, toFeature));
    }

    public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken) =>
        _outbound.Writer.WriteAsync(envelope, cancellationToken);

    public ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken) => _inbound.Reader.ReadAsync(cancellationToken);
}
