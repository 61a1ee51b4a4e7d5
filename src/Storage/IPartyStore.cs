using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Storage;

/// <summary>
/// A party's durable state: its jobs, and as <see cref="IJournal"/> its attempts with their root seeds and all envelopes out and
/// in; at the end the report part, the model and the ledger. Each call is one atomic transition, durable when its task completes.
/// </summary>
/// <remarks>Every method throws <see cref="VertFedException"/> with code Storage where the store cannot do it. The root seeds in it
/// are secrets: they are sealed under a <see cref="SecretsKey"/>, and the file is readable by its owner alone.</remarks>
public interface IPartyStore : IJournal, IAsyncDisposable
{
    /// <summary>How its writes go; null where nobody counts.</summary>
    StoreActivity? Activity => null;

    /// <summary>Adds a job with its answer (state OFFERED, RUNNING or REFUSED). A job that is there already stays as it is.</summary>
    /// <returns>The job as the store holds it.</returns>
    Task<PartyJob> AddJobAsync(PartyJob job, CancellationToken cancellationToken);

    /// <summary>The job, or null.</summary>
    Task<PartyJob?> FindJobAsync(string job, CancellationToken cancellationToken);

    /// <summary>Jobs newest first, from those with an ordinal below <paramref name="before"/>.</summary>
    Task<IReadOnlyList<PartyJob>> ListJobsAsync(int limit, long? before, CancellationToken cancellationToken);

    /// <summary>Moves an open job to another state. A job that has ended stays as it is.</summary>
    /// <returns>The job afterwards, or null where there is none.</returns>
    Task<PartyJob?> SetStateAsync(string job, JobState state, JobError? error, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Ends a job with everything that is kept of it. The first result stays; a later one changes nothing.</summary>
    Task<PartyJob?> SaveResultAsync(string job, uint attempt, PartyResult result, CancellationToken cancellationToken);

    /// <summary>The result of a job's attempt, or null.</summary>
    Task<PartyResult?> ReadResultAsync(string job, uint attempt, CancellationToken cancellationToken);

    /// <summary>The journal's entries of one direction from a sequence number on, in order, without payloads.</summary>
    Task<IReadOnlyList<JournalEntry>> ReadEntriesAsync(
        string job, uint attempt, bool inbound, ulong from, int limit, CancellationToken cancellationToken);

    /// <summary>The journal's last entry of one direction, without its payload; null where there is none.</summary>
    Task<JournalEntry?> FindLastEntryAsync(string job, uint attempt, bool inbound, CancellationToken cancellationToken);

    /// <summary>Keeps a checkpoint before its co-signature leaves this party. Keeping the same again changes nothing.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Diverges"/>: another one was co-signed for this phase.</exception>
    Task SaveCheckpointAsync(CoSignedCheckpoint checkpoint, CancellationToken cancellationToken);

    /// <summary>What this party co-signed of an attempt, in the order of phases.</summary>
    Task<IReadOnlyList<CoSignedCheckpoint>> ReadCheckpointsAsync(string job, uint attempt, CancellationToken cancellationToken);

    /// <summary>
    /// Forgets what replay needs of jobs that ended before a time: their envelopes and root seeds. Job, report, model, ledger and co-signed
    /// checkpoints stay, and so does the job id, which is never taken again.
    /// </summary>
    /// <returns>How many attempts were forgotten; 0: none is left.</returns>
    Task<int> PruneAsync(long endedBeforeUnixMs, CancellationToken cancellationToken);

    /// <summary>How many jobs began to run at or after a time, however they ended.</summary>
    Task<int> CountJobsSinceAsync(long acceptedSinceUnixMs, CancellationToken cancellationToken);

    /// <summary>Notes that an OFFERED job waits for the operator. The first time stays; a job in another state stays as it is.</summary>
    /// <returns>The job afterwards, or null where there is none with this attempt.</returns>
    Task<PartyJob?> HoldJobAsync(string job, uint attempt, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Jobs that wait for the operator's decision, oldest first.</summary>
    Task<IReadOnlyList<PartyJob>> ListHeldAsync(CancellationToken cancellationToken);

    /// <summary>Keeps what the operator decided. The first decision stays.</summary>
    /// <returns>The decision as the store holds it, or null where there is no job with this attempt.</returns>
    Task<OperatorDecision?> RecordDecisionAsync(
        string job, uint attempt, bool isApproved, string reason, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>What the operator decided, or null.</summary>
    Task<OperatorDecision?> FindDecisionAsync(string job, uint attempt, CancellationToken cancellationToken);

    /// <summary>Models newest first, from those whose job has an ordinal below <paramref name="before"/>. <see cref="SaveResultAsync"/>
    /// adds one, ACTIVE, with a DONE job that left a model.</summary>
    Task<IReadOnlyList<StoredModel>> ListModelsAsync(int limit, long? before, CancellationToken cancellationToken);

    /// <summary>The model that a job trained, or null.</summary>
    Task<StoredModel?> FindModelAsync(string job, CancellationToken cancellationToken);

    /// <summary>Makes a model ACTIVE, ARCHIVED or DELETED. Deleting erases its bytes wherever the store holds them, for good.</summary>
    /// <returns>The model afterwards, or null where there is none.</returns>
    Task<StoredModel?> SetModelStateAsync(string job, ModelState state, CancellationToken cancellationToken);

    /// <summary>Erases, for good, the payloads of some envelopes of one direction, which in a horizontal job may hold a model. Their cores and attestations
    /// stay. Erasing what is not there, or again, changes nothing.</summary>
    Task ErasePayloadsAsync(string job, uint attempt, bool inbound, IReadOnlyList<ulong> sequences, CancellationToken cancellationToken);

    /// <summary>Binds a model to the transcript of the job that trained it. Binding it to the same again changes nothing.</summary>
    /// <param name="transcriptRoot">Root of the closing checkpoint's tree, 32 bytes.</param>
    /// <returns>The model afterwards, or null where there is none.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Diverges"/>: it is bound to another one.</exception>
    Task<StoredModel?> BindModelAsync(string job, byte[] transcriptRoot, CancellationToken cancellationToken);

    /// <summary>Keeps what a horizontal job may cost, before it is accepted. Said again, the newer plan counts; what was spent stays.</summary>
    /// <param name="planned">One Rényi divergence for each order of the accountant.</param>
    Task PlanPrivacyAsync(string job, string dataset, PrivacyLevel level, IReadOnlyList<double> planned, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Adds a round's cost, before its answer leaves. A round that was added before, or lies before the last one, changes nothing.</summary>
    /// <returns>The job's account afterwards.</returns>
    Task<PrivacySpending> SpendPrivacyAsync(string job, uint round, IReadOnlyList<double> cost, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>The accounts of all jobs, oldest first. They are never forgotten.</summary>
    Task<IReadOnlyList<PrivacySpending>> ListPrivacyAsync(CancellationToken cancellationToken);
}
