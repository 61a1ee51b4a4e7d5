using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Recording;

/// <summary>
/// Writes a job's transcript file from the store, in memory that does not grow with the job: header, entries in canonical order with what is
/// left of their payloads, checkpoints with every signature there is, the delivery log, and the trailer that the coordinator signs.
/// </summary>
internal sealed class TranscriptExport(ICoordinatorStore store, CoordinatorKeys keys)
{
    private const int DeliveriesAPart = 4096;

    public async Task WriteAsync(JobRecord job, Stream output, CancellationToken cancellationToken)
    {
        TranscriptHeader header = await HeaderAsync(job, cancellationToken);
        using TranscriptWriter writer = await TranscriptWriter.CreateAsync(output, header, cancellationToken);
        await foreach (StoredEnvelope entry in TranscriptTree.EntriesAsync(store, job.Job, job.Attempt, Phase.Close, after: null, cancellationToken))
        {
            await writer.EntryAsync(UnsafeByteOperations.UnsafeWrap(entry.Core), UnsafeByteOperations.UnsafeWrap(entry.Attestation), cancellationToken);
            bool isKept = header.Payloads == Payloads.Full || !PhaseGrammar.Rule(entry.Step).Sealed;
            for (int part = 0; isKept && part < entry.Parts; part++)
                await writer.PayloadAsync(await store.ReadPayloadPartAsync(entry.Key, part, cancellationToken), cancellationToken);
        }

        foreach (TranscriptCheckpoint checkpoint in await CheckpointsAsync(store, job, cancellationToken))
            await writer.CheckpointAsync(checkpoint.Phase, checkpoint.Note.Memory, cancellationToken);
        for (long from = 0; ; from += DeliveriesAPart)
        {
            IReadOnlyList<Delivery> deliveries = await store.ReadDeliveriesAsync(job.Job, job.Attempt, from, DeliveriesAPart, cancellationToken);
            if (deliveries.Count == 0)
                break;
            await writer.DeliveriesAsync(new DeliveryLog { Deliveries = { deliveries } }, cancellationToken);
        }

        await writer.FinishAsync(bytes => keys.Credential.Identity.Sign(bytes), cancellationToken);
    }

    /// <summary>The job's checkpoints, each note with the co-signatures that the coordinator has.</summary>
    public static async Task<IReadOnlyList<TranscriptCheckpoint>> CheckpointsAsync(ITranscriptStore store, JobRecord job, CancellationToken cancellationToken)
    {
        var checkpoints = new List<TranscriptCheckpoint>();
        foreach (StoredCheckpoint stored in await store.ReadCheckpointsAsync(job.Job, job.Attempt, cancellationToken))
        {
            byte[] note = stored.Checkpoint.Note;
            foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
            {
                if (stored.WordOf(role)?.CoSignature is not { } coSignature)
                    continue;
                CheckpointKey key = await KeyAsync(store, job, role, cancellationToken);
                var verifier = CheckpointVerifier.Parse(key, PeerIdentity.Parse(key.IdentityKey.Span).Fingerprint, job.PartyName(role));
                note = CheckpointNotes.AddCoSignature(note, job.PartyName(role), verifier, coSignature);
            }

            checkpoints.Add(new TranscriptCheckpoint { Phase = stored.Checkpoint.Phase, Note = UnsafeByteOperations.UnsafeWrap(note) });
        }

        return checkpoints;
    }

    private static async Task<CheckpointKey> KeyAsync(ITranscriptStore store, JobRecord job, Role role, CancellationToken cancellationToken) =>
        await store.FindKeyAsync(job.Job, job.Attempt, role, cancellationToken) is { } key
            ? CheckpointKey.Parser.ParseFrom(key)
            : throw new VertFedException(ErrorCode.Storage, $"job {job.Job}: the checkpoint key of '{job.PartyName(role)}' is not in the store");

    private async Task<TranscriptHeader> HeaderAsync(JobRecord job, CancellationToken cancellationToken)
    {
        byte[]? coordinator = await store.FindKeyAsync(job.Job, job.Attempt, Role.Unspecified, cancellationToken);
        return new TranscriptHeader
        {
            Version = TranscriptFormat.Version,
            Job = job.Job,
            Attempt = job.Attempt,
            SignedSpec = SignedJobSpec.Parser.ParseFrom(job.SignedSpec),
            Coordinator = coordinator is null ? keys.Checkpoints.Key : CheckpointKey.Parser.ParseFrom(coordinator),
            LabelParty = await KeyAsync(store, job, Role.LabelParty, cancellationToken),
            FeatureParty = await KeyAsync(store, job, Role.FeatureParty, cancellationToken),
            State = job.State,
            Error = job.Error,
            Entries = (ulong)await store.CountEntriesAsync(job.Job, job.Attempt, Phase.Close, cancellationToken),
            Payloads = job.PayloadsKept ? Payloads.Full : Payloads.Hashes,
        };
    }
}
