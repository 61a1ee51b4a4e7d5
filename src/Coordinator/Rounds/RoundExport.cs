using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Rounds;

/// <summary>Writes a horizontal job's transcript file from the store, in memory that does not grow with the job.</summary>
internal sealed class RoundExport(IRoundStore store, Identity self, CheckpointSigner checkpoints)
{
    // A payload has up to 1 MiB.
    private const int Page = 16;

    public async Task WriteAsync(RoundJobRecord job, Stream output, CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredRoundHead> heads = await store.ReadRoundHeadsAsync(job.Job, cancellationToken);
        (long entries, _) = await store.CountRoundEntriesAsync(job.Job, cancellationToken);
        RoundTranscriptHeader header = new()
        {
            Version = TranscriptFormat.Version,
            Job = job.Job,
            SignedSpec = SignedJobSpec.Parser.ParseFrom(job.SignedSpec),
            Coordinator = heads.Count == 0 ? checkpoints.Key : CheckpointKey.Parser.ParseFrom(heads[^1].Head.CoordinatorKey),
            State = job.State,
            Error = job.Error,
            Entries = (ulong)entries,
        };
        header.Parties.AddRange(job.Parties.Select(party => CheckpointKey.Parser.ParseFrom(
            party.CheckpointKey ?? throw new VertFedException(ErrorCode.Storage, $"job {job.Job}: the checkpoint key of '{party.Name}' is not in the store"))));
        using RoundTranscriptWriter writer = await RoundTranscriptWriter.CreateAsync(output, header, cancellationToken);
        for (long from = 0; ;)
        {
            IReadOnlyList<RoundEntry> page = await store.ReadRoundEntriesAsync(job.Job, from, Page, cancellationToken);
            foreach (RoundEntry entry in page)
                await writer.EntryAsync(UnsafeByteOperations.UnsafeWrap(entry.Core), UnsafeByteOperations.UnsafeWrap(entry.Attestation), entry.Payload ?? [], cancellationToken);
            if (page.Count < Page)
                break;
            from = page[^1].Position + 1;
        }

        foreach (StoredRoundHead head in heads)
            await writer.CheckpointAsync(Note(job, head), cancellationToken);
        await writer.FinishAsync(bytes => self.Sign(bytes), cancellationToken);
    }

    /// <summary>A checkpoint's note with the co-signatures that the coordinator has.</summary>
    public static byte[] Note(RoundJobRecord job, StoredRoundHead head)
    {
        byte[] note = head.Head.Note;
        foreach ((uint place, CheckpointWord word) in head.Words)
        {
            RoundPartyRecord party = job.Parties[(int)place - 1];
            if (word.CoSignature is { } coSignature)
                note = CheckpointNotes.AddCoSignature(note, party.Name, RoundTree.VerifierOf(party), coSignature);
        }

        return note;
    }
}
