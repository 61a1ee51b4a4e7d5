using System.Threading.Channels;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.UnitTests.Protocol;

/// <summary>A transport whose far end is the test.</summary>
internal sealed class HandshakeTap : IEnvelopeTransport
{
    private readonly Channel<Envelope> _inbound = Channel.CreateUnbounded<Envelope>();
    private readonly Channel<bool> _asked = Channel.CreateUnbounded<bool>();

    /// <summary>What the party under test has sent.</summary>
    public List<Envelope> Sent { get; } = [];

    public void Deliver(Envelope envelope) => _inbound.Writer.TryWrite(envelope);

    /// <summary>Completes when the party under test asks for another envelope and there is none.</summary>
    public async Task DrainedAsync() => await _asked.Reader.ReadAsync();

    public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken)
    {
        Sent.Add(envelope);
        return ValueTask.CompletedTask;
    }

    public ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken)
    {
        if (_inbound.Reader.Count == 0)
        {
            _asked.Writer.TryWrite(true);
        }

        return _inbound.Reader.ReadAsync(cancellationToken);
    }
}

internal static class Bytes
{
    public static ByteString ToByteString(this byte[] bytes) => ByteString.CopyFrom(bytes);
}
