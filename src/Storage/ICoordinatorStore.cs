using VertFed.Protocol.V1;

namespace VertFed.Storage;

/// <summary>
/// The coordinator's durable state: jobs, signed specs, answers, envelopes with their sealed payloads, deliveries, outcomes,
/// sealed reports, the states of models and the log of accesses. Each call is one atomic transition: when its task completes the change is durable, when it throws
/// nothing of it was kept, unless the message says that the result is unknown. All calls may run concurrently.
/// </summary>
/// <remarks>Every method throws <see cref="Protocol.VertFedException"/> with code Storage where the store cannot do it. Writes are
/// idempotent, so that a caller who did not hear the result may repeat them.</remarks>
public interface ICoordinatorStore : ITranscriptStore, IRoundStore, IAsyncDisposable
{
    /// <summary>How its writes go; null where nobody counts.</summary>
    StoreActivity? Activity => null;

    /// <summary>
    /// Adds a job in state QUEUED or OFFERED, attempt 1. A submitter's client token that is there already returns the job it came with:
    /// Same for the same spec, else Different.
    /// </summary>
    Task<(AddJobOutcome Outcome, JobRecord Job)> AddJobAsync(NewJob job, CancellationToken cancellationToken);

    /// <summary>The job, or null.</summary>
    Task<JobRecord?> FindJobAsync(string job, CancellationToken cancellationToken);

    /// <summary>Lets a job leave the queue: QUEUED becomes OFFERED. A job in another state stays as it is.</summary>
    /// <returns>The job afterwards, or null where there is none.</returns>
    Task<JobRecord?> OfferJobAsync(string job, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Jobs newest first, from those with an ordinal below <paramref name="before"/>. A page that has looked at as many as the filter
    /// allows ends there, and says where to go on. The records come without their signed specs.</summary>
    /// <param name="filter">Null: all.</param>
    Task<JobPage> ListJobsAsync(int pageSize, long? before, JobFilter? filter, CancellationToken cancellationToken);

    /// <summary>All jobs that are queued, offered or running, oldest first.</summary>
    Task<IReadOnlyList<JobRecord>> ListOpenJobsAsync(CancellationToken cancellationToken);

    /// <summary>Those of them that a party of this name takes part in.</summary>
    Task<IReadOnlyList<JobRecord>> ListOpenJobsAsync(string party, CancellationToken cancellationToken);

    /// <summary>Jobs that ended at or after a time and whose party of this name has accepted but not given its last word.</summary>
    Task<IReadOnlyList<JobRecord>> ListEndedWithoutWordAsync(string party, long endedSinceUnixMs, CancellationToken cancellationToken);

    /// <summary>
    /// Records an answer. Both accepted: the job runs. A refusal ends the job as REFUSED with the error. An answer to a job that is
    /// not waiting for it changes nothing.
    /// </summary>
    /// <returns>The job afterwards, or null where there is none with this attempt.</returns>
    Task<JobRecord?> RecordAnswerAsync(string job, uint attempt, Role role, JobError? refusal, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Keeps an envelope if it is the next of its sender's chain; advances the job's progress.</summary>
    Task<DepositResult> DepositAsync(EnvelopeDeposit envelope, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Where the direction from this sender stands; zeros where nothing was sent.</summary>
    Task<StreamPosition> FindPositionAsync(string job, uint attempt, Role sender, CancellationToken cancellationToken);

    /// <summary>The sender's envelopes from a sequence number on, in order.</summary>
    Task<IReadOnlyList<StoredEnvelope>> ReadEnvelopesAsync(string job, uint attempt, Role sender, long fromSequence, int limit, CancellationToken cancellationToken);

    /// <summary>One part of a payload.</summary>
    /// <exception cref="Protocol.VertFedException">Storage: there is no such part (any more).</exception>
    Task<byte[]> ReadPayloadPartAsync(EnvelopeKey key, int part, CancellationToken cancellationToken);

    /// <summary>
    /// Marks the sender's envelopes up to and including this one as delivered. A job that keeps hashes alone loses their sealed
    /// payloads.
    /// </summary>
    /// <returns>False where that envelope was never deposited.</returns>
    Task<bool> MarkDeliveredAsync(EnvelopeKey key, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>
    /// Records a party's last word, once, with its sealed report. Both DONE: the job is DONE. Any other word ends the job with that
    /// state and error. After the job has ended the word and report are still kept, and the state stays.
    /// </summary>
    /// <param name="report">The serialised SealedReport as received.</param>
    /// <returns>The job afterwards, or null where there is none with this attempt.</returns>
    Task<JobRecord?> RecordOutcomeAsync(string job, uint attempt, Role role, JobState outcome, JobError? error, byte[]? report, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Ends an open job as FAILED, REFUSED or CANCELLED. A job that has ended stays as it is.</summary>
    /// <returns>The job afterwards, or null where there is none.</returns>
    Task<JobRecord?> EndJobAsync(string job, JobState state, JobError error, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>The job's report parts, label party first, each as received.</summary>
    Task<IReadOnlyList<byte[]>> ReadReportsAsync(string job, CancellationToken cancellationToken);

    /// <summary>Drops the sealed payloads (not what crossed in the clear, cores, attestations or reports) of jobs that ended before a time.</summary>
    /// <returns>How many jobs lost payloads.</returns>
    Task<int> PrunePayloadsAsync(long endedBeforeUnixMs, CancellationToken cancellationToken);

    /// <summary>Keeps what a party says of its half of a model. A half that was deleted stays deleted.</summary>
    /// <returns>The model afterwards, or null where there is no job of this name that trained one and is done.</returns>
    Task<ModelRecord?> RecordModelAsync(string job, Role role, ModelState state, CancellationToken cancellationToken);

    /// <summary>Models newest first, from those whose job has an ordinal below <paramref name="before"/>; pages end as those of jobs do.</summary>
    /// <param name="filter">Null: all.</param>
    Task<ModelPage> ListModelsAsync(int pageSize, long? before, ModelFilter? filter, CancellationToken cancellationToken);

    /// <summary>The model that a job trained, or null.</summary>
    Task<ModelRecord?> FindModelAsync(string job, CancellationToken cancellationToken);

    /// <summary>Writes durably that the store was looked at, with so many bytes of filling, which it then takes out again.</summary>
    /// <param name="bytes">0: a write as small as there is; more: only a disk with that much room takes it.</param>
    Task ProbeAsync(int bytes, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Adds a line to the access log.</summary>
    Task RecordAccessAsync(AccessEntry entry, CancellationToken cancellationToken);

    /// <summary>The access log from an ordinal on, in order.</summary>
    Task<IReadOnlyList<AccessEntry>> ReadAccessAsync(long from, int limit, CancellationToken cancellationToken);

    /// <summary>Drops lines of the access log that are older than a time, at most 1000 a call.</summary>
    /// <returns>How many were dropped.</returns>
    Task<int> PruneAccessAsync(long beforeUnixMs, CancellationToken cancellationToken);
}
