using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// Writes a transcript file record by record, in memory that does not grow with it. Calls stand in the file's order: entries in canonical
/// order, each followed by its payload; checkpoints; deliveries; <see cref="FinishAsync"/>. Not thread-safe; the stream stays the caller's.
/// </summary>
public sealed class TranscriptWriter : IDisposable
{
    private readonly RecordWriter _records;
    private readonly byte[] _part = new byte[TranscriptFormat.PayloadPartBytes];
    private readonly bool _payloads;
    private readonly ulong _announced;
    private int _partFilled;
    private ulong _payloadLeft;
    private ulong _written;
    private EnvelopeHeader? _last;
    private Phase _lastCheckpoint;

    private TranscriptWriter(Stream output, TranscriptHeader header)
    {
        _records = new RecordWriter(output);
        _payloads = header.Payloads == Payloads.Full;
        _announced = header.Entries;
    }

    /// <summary>Begins a file.</summary>
    /// <param name="header">Its entries field is the number of entries that will follow; its payloads field, whether all their payloads do or
    /// only those that travelled in the clear.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: the header is not one of this version.
    /// <see cref="ErrorCode.Storage"/>: the stream cannot be written.</exception>
    public static async Task<TranscriptWriter> CreateAsync(
        Stream output, TranscriptHeader header, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(header);
        if (header.Version != TranscriptFormat.Version || header.Payloads is not (Payloads.Full or Payloads.Hashes))
        {
            throw Error.Fault($"A transcript's header has version {TranscriptFormat.Version} and says whether payloads follow.");
        }

        TranscriptWriter writer = new(output, header);
        try
        {
            await writer._records.MagicAsync(TranscriptFormat.Magic.ToArray(), cancellationToken);
            await writer._records.RecordAsync(RecordType.Header, header.ToByteArray(), cancellationToken);
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    /// <summary>Appends an entry. The entry before it must have all of its payload.</summary>
    /// <param name="core">As stored; it is not written again.</param>
    /// <param name="attestation">As stored.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: out of order, too many, or a payload is incomplete.
    /// <see cref="ErrorCode.ProtocolViolation"/>: the core is malformed. <see cref="ErrorCode.Storage"/>.</exception>
    public async Task EntryAsync(ByteString core, ByteString attestation, CancellationToken cancellationToken = default)
    {
        EnvelopeView view = EnvelopeCodec.Parse(core, attestation);
        RequirePayloadComplete();
        if (_last is not null && CanonicalOrder.Instance.Compare(_last, view.Header) >= 0)
        {
            throw Error.Fault($"{view.Header.Step} {view.Header.Sequence} from {view.Header.Sender} is out of canonical order.");
        }

        if (_written == _announced)
        {
            throw Error.Fault($"The header announced {_announced} entries.");
        }

        await _records.RecordAsync(RecordType.Entry, new TranscriptEntry { Core = core, Attestation = attestation }.ToByteArray(), cancellationToken);
        _last = view.Header;
        _written++;

        // What travelled in the clear stays where sealed payloads go.
        _payloadLeft = _payloads || !PhaseGrammar.Rule(view.Header.Step).Sealed ? view.Core.PayloadSize : 0;
    }

    /// <summary>Appends bytes of the last entry's payload, in pieces of any length. They are not hashed: that is the verifier's work.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: more than its core says, or this file has no payload for it.
    /// <see cref="ErrorCode.Storage"/>.</exception>
    public async Task PayloadAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken = default)
    {
        if ((ulong)piece.Length > _payloadLeft)
        {
            throw Error.Fault($"{piece.Length} bytes of payload came; the entry has {_payloadLeft} left.");
        }

        while (!piece.IsEmpty)
        {
            int taken = Math.Min(piece.Length, _part.Length - _partFilled);
            piece.Span[..taken].CopyTo(_part.AsSpan(_partFilled));
            piece = piece[taken..];
            _partFilled += taken;
            _payloadLeft -= (ulong)taken;
            if (_partFilled == _part.Length || _payloadLeft == 0)
            {
                await _records.RecordAsync(RecordType.Payload, _part.AsMemory(0, _partFilled), cancellationToken);
                _partFilled = 0;
            }
        }
    }

    /// <summary>Appends a phase's checkpoint, phases ascending.</summary>
    /// <param name="note">The signed note with every signature there is.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: out of order or too long. <see cref="ErrorCode.Storage"/>.</exception>
    public async Task CheckpointAsync(Phase phase, ReadOnlyMemory<byte> note, CancellationToken cancellationToken = default)
    {
        RequirePayloadComplete();
        if (phase <= _lastCheckpoint || note.Length > SignedNote.MaxBytes)
        {
            throw Error.Fault($"The checkpoint of phase {phase} after that of {_lastCheckpoint} is out of order, or longer than {SignedNote.MaxBytes} bytes.");
        }

        TranscriptCheckpoint checkpoint = new() { Phase = phase, Note = ByteString.CopyFrom(note.Span) };
        await _records.RecordAsync(RecordType.Checkpoint, checkpoint.ToByteArray(), cancellationToken);
        _lastCheckpoint = phase;
    }

    /// <summary>Appends a part of the operational delivery log, at most 1 MiB serialised.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: too long or out of order. <see cref="ErrorCode.Storage"/>.</exception>
    public Task DeliveriesAsync(DeliveryLog part, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(part);
        RequirePayloadComplete();
        return _records.RecordAsync(RecordType.Deliveries, part.ToByteArray(), cancellationToken);
    }

    /// <summary>Ends the file with its hash and the coordinator's signature, and flushes the stream.</summary>
    /// <param name="sign">ECDSA P-256 with SHA-256 over the bytes it is given, by the coordinator's identity (IEEE P1363, 64 bytes):
    /// <see cref="Identity.Sign"/>.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: entries or payload bytes are missing.
    /// <see cref="ErrorCode.Storage"/>.</exception>
    public async Task FinishAsync(Func<byte[], byte[]> sign, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sign);
        RequirePayloadComplete();
        if (_written != _announced)
        {
            throw Error.Fault($"The header announced {_announced} entries, {_written} came.");
        }

        await _records.FinishAsync(sign, cancellationToken);
    }

    public void Dispose() => _records.Dispose();

    private void RequirePayloadComplete()
    {
        if (_payloadLeft != 0)
        {
            throw Error.Fault($"The payload of the last entry lacks {_payloadLeft} bytes.");
        }
    }
}
