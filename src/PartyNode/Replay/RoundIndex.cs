using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.PartyNode.Replay;

/// <summary>
/// The transcript file of a horizontal job: cores and attestations in memory (under 1 KiB an entry), payloads read from the file when they are asked for.
/// Whoever replays verifies the file first.
/// </summary>
internal sealed class RoundIndex : IDisposable
{
    private readonly FileStream _file;
    private readonly List<Entry> _entries;

    private RoundIndex(FileStream file, RoundTranscriptHeader header, SignedJob job, List<Entry> entries)
    {
        (_file, Header, Job, _entries) = (file, header, job, entries);
        Coordinator = PeerIdentity.Parse(header.Coordinator.IdentityKey.Span);
    }

    public RoundTranscriptHeader Header { get; }

    public SignedJob Job { get; }

    public PeerIdentity Coordinator { get; }

    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: no transcript, or damaged. <see cref="ErrorCode.Usage"/>: it cannot be opened.</exception>
    public static Task<RoundIndex> OpenAsync(string path, CancellationToken cancellationToken) => TranscriptFile.ReadAsync(path, ReadAsync, cancellationToken);

    /// <summary>Root of the tree over all entries, 32 bytes.</summary>
    public byte[] Root()
    {
        MerkleTree tree = new();
        foreach (Entry entry in _entries)
        {
            tree.Append(entry.Message.Core.Span);
        }

        return tree.Root();
    }

    /// <summary>A party's entries in the order of its numbers.</summary>
    public IReadOnlyList<Entry> Of(uint place) => [.. _entries.Where(entry => entry.Header.Sender == place)];

    /// <summary>What the coordinator asked a party in a round's attempt; null where it asked nothing.</summary>
    public Entry? Question(RoundStep step, uint round, uint attempt, uint place) => _entries.Find(entry =>
        entry.Header.Sender == RoundCodec.Coordinator && entry.Header.Step == step && entry.Header.Round == round && entry.Header.Attempt == attempt
        && (entry.Header.Recipient == place || entry.Header.Recipient == RoundCodec.Everyone));

    /// <summary>The final model's entry; null where the job came to none.</summary>
    public Entry? Final => _entries.Find(entry => entry.Header.Step == RoundStep.FinalModel);

    /// <summary>The envelope with its payload, checked against its core.</summary>
    /// <param name="kept">Gives it as the party itself has kept it, where the file holds its hash alone.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: the payload is neither in the file nor kept.</exception>
    public async Task<RoundEnvelope> ReadAsync(Entry entry, Func<ulong, Task<Envelope?>> kept, CancellationToken cancellationToken)
    {
        Envelope? envelope;
        if (entry.Payload is { } where)
        {
            byte[] payload = new byte[where.Length];
            _file.Position = where.Offset + TranscriptFormat.RecordHeadBytes;
            await _file.ReadExactlyAsync(payload, cancellationToken);
            envelope = new Envelope { Core = entry.Message.Core, Attestation = entry.Message.Attestation, Payload = UnsafeByteOperations.UnsafeWrap(payload) };
        }
        else
        {
            envelope = await kept(entry.Header.Sequence);
        }

        // Payloads go with a deleted model; no question of the coordinator has an empty one.
        return envelope is not null && envelope.Payload.Length > 0 && envelope.Core.Equals(entry.Message.Core)
            ? RoundCodec.Parse(envelope)
            : throw new VertFedException(ErrorCode.BadInput, $"The payload of entry {entry.Index} ({entry.Header.Step}) is neither in the transcript nor kept by this party any more.");
    }

    public void Dispose() => _file.Dispose();

    private static async Task<RoundIndex> ReadAsync(FileStream file, CancellationToken cancellationToken)
    {
        using TranscriptReader reader = new(file);
        List<Entry> entries = [];
        RoundTranscriptHeader? header = null;
        while (await reader.ReadAsync(cancellationToken) is { } record)
        {
            switch (record.Type)
            {
                case RecordType.Header:
                    header = StrictParser.Parse(RoundTranscriptHeader.Parser, record.Body.Span, TranscriptFormat.MaxHeaderBytes, "The header");
                    break;
                case RecordType.Entry:
                    TranscriptEntry message = StrictParser.Parse(TranscriptEntry.Parser, record.Body.Span, TranscriptFormat.MaxEntryBytes, $"Record {record.Number}");
                    Envelope envelope = new() { Core = message.Core, Attestation = message.Attestation };
                    entries.Add(new Entry(entries.Count, message, RoundCodec.Parse(envelope, withPayload: false).Header));
                    break;
                case RecordType.Payload:
                    entries[^1].Payload = (record.Offset, record.Body.Length);
                    break;
            }
        }

        SignedJob job = SignedJob.Verify(header!.SignedSpec ?? throw new VertFedException(ErrorCode.DoesNotVerify, "The transcript names no job spec."));
        return new RoundIndex(file, header, job, entries);
    }

    /// <summary>An entry of the record.</summary>
    /// <param name="Index">From 0.</param>
    internal sealed record Entry(long Index, TranscriptEntry Message, RoundHeader Header)
    {
        /// <summary>Where the payload's record stands, and its body's length; null where the file has none.</summary>
        public (long Offset, int Length)? Payload { get; set; }
    }
}
