using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>A sender's own chain of envelopes in a horizontal job: what the next one's header has to say. Not thread-safe.</summary>
/// <param name="job">The job's id.</param>
/// <param name="sender">The sender's place.</param>
public sealed class RoundTrail(string job, uint sender)
{
    private const int MostKnown = 16;
    private readonly Queue<byte[]> _known = new();
    private byte[] _previous = new byte[EnvelopeCodec.HashBytes];

    /// <summary>How many envelopes the chain has.</summary>
    public ulong Next { get; private set; }

    /// <summary>Takes up a chain after its last envelope.</summary>
    public void Restore(RoundEnvelope last)
    {
        ArgumentNullException.ThrowIfNull(last);
        Next = last.Header.Sequence + 1;
        Know(last.CoreHash);
    }

    /// <summary>Whether an envelope is one of the chain's last 16: said again, not a new one.</summary>
    public bool IsKnown(RoundEnvelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        return _known.Any(hash => envelope.CoreHash.AsSpan().SequenceEqual(hash));
    }

    /// <summary>The header of the next envelope.</summary>
    public RoundHeader Header(uint recipient, RoundStep step, uint round, uint attempt) => new()
    {
        Job = job,
        Sender = sender,
        Recipient = recipient,
        Step = step,
        Round = round,
        Attempt = attempt,
        Sequence = Next,
        PreviousCoreHash = ByteString.CopyFrom(_previous),
    };

    /// <summary>Why an envelope is not the next of the chain; null where it is.</summary>
    public string? Objection(RoundEnvelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        return envelope.Header.Job != job ? "it is of another job"
            : envelope.Header.Sender != sender ? "it is of another sender"
            : envelope.Header.Sequence != Next ? $"sequence {Next} was expected, not {envelope.Header.Sequence}"
            : !envelope.Header.PreviousCoreHash.Span.SequenceEqual(_previous) ? "the hash of the previous core is not that of the envelope before"
            : null;
    }

    /// <summary>Takes an envelope into the chain.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: it is not the next.</exception>
    public void Add(RoundEnvelope envelope)
    {
        if (Objection(envelope) is { } objection)
        {
            throw Error.Violation($"Envelope {envelope.Header.Sequence} ({envelope.Header.Step} of round {envelope.Header.Round}): {objection}.");
        }

        Next++;
        Know(envelope.CoreHash);
    }

    private void Know(byte[] hash)
    {
        _previous = hash;
        _known.Enqueue(hash);
        if (_known.Count > MostKnown)
        {
            _known.Dequeue();
        }
    }
}
