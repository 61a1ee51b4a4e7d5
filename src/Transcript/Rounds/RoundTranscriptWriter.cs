using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// Writes the transcript file of a horizontal job: entries in the order of the coordinator's record, what the coordinator said followed by its payload;
/// checkpoints by size; <see cref="FinishAsync"/>. Not thread-safe; the stream stays the caller's.
/// </summary>
public sealed class RoundTranscriptWriter : IDisposable
{
    private readonly RecordWriter _records;
    private readonly ulong _announced;
    private ulong _written;

    private RoundTranscriptWriter(Stream output, RoundTranscriptHeader header)
    {
        _records = new RecordWriter(output);
        _announced = header.Entries;
    }

    /// <summary>Begins a file.</summary>
    /// <param name="header">Its entries field is the number of entries that will follow.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: the stream cannot be written.</exception>
    public static async Task<RoundTranscriptWriter> CreateAsync(Stream output, RoundTranscriptHeader header, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(header);
        RoundTranscriptWriter writer = new(output, header);
        try
        {
            await writer._records.MagicAsync(TranscriptFormat.HorizontalMagic.ToArray(), cancellationToken);
            await writer._records.RecordAsync(RecordType.Header, header.ToByteArray(), cancellationToken);
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    /// <summary>Appends an entry as it is stored.</summary>
    /// <param name="payload">Of what the coordinator said, but for sealed shares; empty with every other entry, of which the file holds the hash alone.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: too many entries. <see cref="ErrorCode.Storage"/>.</exception>
    public async Task EntryAsync(ByteString core, ByteString attestation, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken = default)
    {
        if (_written == _announced)
        {
            throw Error.Fault($"The header announced {_announced} entries.");
        }

        await _records.RecordAsync(RecordType.Entry, new TranscriptEntry { Core = core, Attestation = attestation }.ToByteArray(), cancellationToken);
        if (!payload.IsEmpty)
        {
            await _records.RecordAsync(RecordType.Payload, payload, cancellationToken);
        }

        _written++;
    }

    /// <summary>Appends a checkpoint, sizes ascending.</summary>
    /// <param name="note">The signed note with every signature there is.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>.</exception>
    public Task CheckpointAsync(ReadOnlyMemory<byte> note, CancellationToken cancellationToken = default) =>
        _records.RecordAsync(RecordType.Checkpoint, new RoundHead { Note = ByteString.CopyFrom(note.Span) }.ToByteArray(), cancellationToken);

    /// <summary>Ends the file with its hash and the coordinator's signature, and flushes the stream.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Internal"/>: entries are missing. <see cref="ErrorCode.Storage"/>.</exception>
    public Task FinishAsync(Func<byte[], byte[]> sign, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sign);
        return _written == _announced
            ? _records.FinishAsync(sign, cancellationToken)
            : throw Error.Fault($"The header announced {_announced} entries, {_written} came.");
    }

    public void Dispose() => _records.Dispose();
}
