using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Relay;

/// <summary>
/// Puts envelopes together from an announcement and the chunks that follow it. What does not fit (a chunk without announcement,
/// too many bytes, another announcement in between) is refused; the half-read envelope is forgotten with the connection.
/// </summary>
internal sealed class EnvelopeAssembler
{
    private EnvelopeBegin? _begin;
    private EnvelopeView? _view;
    private byte[] _payload = [];
    private int _filled;

    /// <summary>Takes an announcement; returns the envelope at once if its payload is empty.</summary>
    public (EnvelopeView View, Envelope Envelope)? Begin(EnvelopeBegin begin)
    {
        if (_begin is not null)
        {
            throw Broken("an envelope was announced while another was not complete");
        }

        _view = EnvelopeCodec.Parse(begin.Core, begin.Attestation);
        _begin = begin;
        _payload = new byte[(int)_view.Core.PayloadSize];
        _filled = 0;
        return Finish();
    }

    /// <summary>Takes a chunk; returns the envelope with its last one.</summary>
    public (EnvelopeView View, Envelope Envelope)? Add(PayloadChunk chunk)
    {
        if (_begin is null)
        {
            throw Broken("a payload chunk came without announcement");
        }

        if (chunk.Data.Length is 0 or > Limits.MaxChunkBytes || chunk.Data.Length > _payload.Length - _filled)
        {
            throw Broken("a payload chunk is empty or longer than announced");
        }

        chunk.Data.Span.CopyTo(_payload.AsSpan(_filled));
        _filled += chunk.Data.Length;
        return Finish();
    }

    private (EnvelopeView View, Envelope Envelope)? Finish()
    {
        if (_filled < _payload.Length)
        {
            return null;
        }

        Envelope envelope = new()
        {
            Core = _begin!.Core,
            Attestation = _begin.Attestation,
            Payload = UnsafeByteOperations.UnsafeWrap(_payload),
        };
        EnvelopeView view = _view!;
        _begin = null;
        _view = null;
        _payload = [];
        return (view, envelope);
    }

    private static VertFedException Broken(string what) => new(ErrorCode.ProtocolViolation, $"The coordinator's stream: {what}.");
}
