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

    /// <summary>Completes once for each time the party under test asks for an envelope: its deadline is set by then.</summary>
    public async Task AskedAsync() => await _asked.Reader.ReadAsync();

    public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken)
    {
        Sent.Add(envelope);
        return ValueTask.CompletedTask;
    }

    public ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken)
    {
        _asked.Writer.TryWrite(true);
        return _inbound.Reader.ReadAsync(cancellationToken);
    }
}

internal static class Bytes
{
    public static ByteString ToByteString(this byte[] bytes) => ByteString.CopyFrom(bytes);
}
