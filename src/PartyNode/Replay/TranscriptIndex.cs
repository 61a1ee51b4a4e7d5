using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.PartyNode.Replay;

/// <summary>
/// A transcript file by sender and sequence number: cores and attestations in memory (under 1 KiB an entry), payloads read from the
/// file when they are asked for. It trusts nothing that it does not need: whoever replays verifies the file first, and the channel
/// checks every inbound envelope as it would on the wire.
/// </summary>
internal sealed class TranscriptIndex : IDisposable
{
    private readonly FileStream _file;
    private readonly Dictionary<(Role Sender, ulong Sequence), Entry> _entries;

    private TranscriptIndex(FileStream file, TranscriptHeader header, SignedJob job, Dictionary<(Role Sender, ulong Sequence), Entry> entries)
    {
        _file = file;
        Header = header;
        Job = job;
        _entries = entries;
    }

    public TranscriptHeader Header { get; }

    public SignedJob Job { get; }

    /// <summary>Number of entries of both parties.</summary>
    public int Count => _entries.Count;

    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: no transcript, damaged, or two entries under one number.
    /// <see cref="ErrorCode.Usage"/>: the file cannot be opened.</exception>
    public static Task<TranscriptIndex> OpenAsync(string path, CancellationToken cancellationToken) => TranscriptFile.ReadAsync(path, ReadAsync, cancellationToken);

    /// <summary>Root of the tree over all entries, 32 bytes.</summary>
    public byte[] Root()
    {
        MerkleTree tree = new();
        foreach (Entry entry in _entries.Values.OrderBy(entry => entry.Index))
        {
            tree.Append(entry.Core.Span);
        }

        return tree.Root();
    }

    /// <summary>How many entries a party has sent.</summary>
    public int CountOf(Role sender) => _entries.Keys.Count(key => key.Sender == sender);

    /// <summary>An entry's place in canonical order, from 0; null where there is none.</summary>
    public long? IndexOf(Role sender, ulong sequence) => _entries.TryGetValue((sender, sequence), out Entry? entry) ? entry.Index : null;

    /// <summary>The envelope, or null if the transcript has none under this number.</summary>
    /// <param name="kept">Gives the envelope as the party itself has kept it, for a transcript without payloads.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: the payload is not the one its core names.
    /// <see cref="ErrorCode.BadInput"/>: the payload is neither in the transcript nor kept by the party.</exception>
    public async ValueTask<Envelope?> ReadAsync(
        Role sender, ulong sequence, Func<ValueTask<Envelope?>> kept, CancellationToken cancellationToken)
    {
        if (!_entries.TryGetValue((sender, sequence), out Entry? entry))
        {
            return null;
        }

        EnvelopeView view = EnvelopeCodec.Parse(entry.Core, entry.Attestation);
        ByteString payload = entry.Payload is { } offset
            ? await ReadPayloadAsync(offset, checked((int)view.Core.PayloadSize), cancellationToken)
            : view.Core.PayloadSize == 0 ? ByteString.Empty
            : (await kept())?.Payload ?? throw new VertFedException(
                ErrorCode.BadInput, $"The payload of entry {entry.Index} ({view.Header.Step}) is neither in the transcript nor kept by this party any more.");
        try
        {
            EnvelopeCodec.VerifyPayload(view, payload.Span);
        }
        catch (VertFedException e)
        {
            throw new VertFedException(ErrorCode.DoesNotVerify, $"Entry {entry.Index}: {e.Message}", e) { Step = view.Header.Step.ToString() };
        }

        return new Envelope { Core = entry.Core, Attestation = entry.Attestation, Payload = payload };
    }

    public void Dispose() => _file.Dispose();

    private static async Task<TranscriptIndex> ReadAsync(FileStream file, CancellationToken cancellationToken)
    {
        using TranscriptReader reader = new(file);
        Dictionary<(Role, ulong), Entry> entries = [];
        TranscriptHeader? header = null;
        Entry? last = null;
        while (await reader.ReadAsync(cancellationToken) is { } record)
        {
            switch (record.Type)
            {
                case RecordType.Header:
                    header = Parse(TranscriptHeader.Parser, record);
                    break;
                case RecordType.Entry:
                    TranscriptEntry message = Parse(TranscriptEntry.Parser, record);
                    EnvelopeHeader envelope = EnvelopeCodec.Parse(message.Core, message.Attestation).Header;
                    last = new Entry(entries.Count, message.Core, message.Attestation);
                    if (!entries.TryAdd((envelope.Sender, envelope.Sequence), last))
                    {
                        throw new VertFedException(
                            ErrorCode.DoesNotVerify, $"Record {record.Number}: two entries of {envelope.Sender} have the number {envelope.Sequence}.");
                    }

                    break;
                case RecordType.Payload when last is not null:
                    last.Payload ??= record.Offset;
                    break;
            }
        }

        SignedJob job = SignedJob.Verify(header!.SignedSpec ?? throw new VertFedException(ErrorCode.DoesNotVerify, "The transcript names no job spec."));
        return new TranscriptIndex(file, header, job, entries);
    }

    private static T Parse<T>(MessageParser<T> parser, TranscriptRecord record)
        where T : class, IMessage<T> =>
        StrictParser.Parse(parser, record.Body.Span, TranscriptFormat.LongestBody(record.Type), $"Record {record.Number}");

    /// <summary>Payload records stand one after the other, all full but the last.</summary>
    private async Task<ByteString> ReadPayloadAsync(long offset, int size, CancellationToken cancellationToken)
    {
        byte[] payload = new byte[size];
        for (int at = 0; at < size; at += TranscriptFormat.PayloadPartBytes)
        {
            _file.Position = offset + TranscriptFormat.RecordHeadBytes;
            int length = Math.Min(TranscriptFormat.PayloadPartBytes, size - at);
            await _file.ReadExactlyAsync(payload.AsMemory(at, length), cancellationToken);
            offset += TranscriptFormat.RecordHeadBytes + length;
        }

        return UnsafeByteOperations.UnsafeWrap(payload);
    }

    private sealed record Entry(long Index, ByteString Core, ByteString Attestation)
    {
        /// <summary>Offset of the first payload record; null where there is none.</summary>
        public long? Payload { get; set; }
    }
}
