using VertFed.Protocol.V1;

namespace VertFed.Storage;

/// <summary>A horizontal job as the coordinator keeps it.</summary>
/// <param name="SignedSpec">A serialised SignedJobSpec.</param>
/// <param name="SpecHash">Of spec and submitter: what tells the same submission from another.</param>
/// <param name="Checkpoint">What is carried from round to round, without the rounds' summaries; null before the job runs, and in lists.</param>
/// <param name="Parties">In the order of their places.</param>
public sealed record RoundJobRecord(
    long Ordinal, string Job, JobState State, byte[] SignedSpec, byte[] SpecHash, string Submitter, long SubmittedUnixMs, long StartedUnixMs, long EndedUnixMs,
    JobError? Error, RoundCheckpoint? Checkpoint, IReadOnlyList<RoundPartyRecord> Parties)
{
    /// <summary>Rounds that are done.</summary>
    public uint Rounds { get; init; }

    /// <summary>Bytes of the envelopes of those rounds, from and to parties.</summary>
    public ulong Bytes { get; init; }

    /// <summary>Whether it has not ended.</summary>
    public bool IsOpen => State is JobState.Offered or JobState.Running;

    /// <summary>A party's place, from 1; 0 where it has none.</summary>
    public uint PlaceOf(string party) => Parties.FirstOrDefault(one => one.Name == party)?.Place ?? 0;
}

/// <summary>A party of a horizontal job.</summary>
/// <param name="Place">From 1.</param>
/// <param name="IdentityKey">DER SubjectPublicKeyInfo of the key that it accepted with; null before.</param>
/// <param name="CheckpointKey">The serialised CheckpointKey that it accepted with; null before.</param>
/// <param name="Outcome">Its last word; null before, and in lists.</param>
/// <param name="CoSigned">Whether it co-signed the checkpoint that closes the record.</param>
public sealed record RoundPartyRecord(uint Place, string Name, bool Accepted, byte[]? IdentityKey, byte[]? CheckpointKey, JobOutcome? Outcome, bool CoSigned);

/// <summary>A checkpoint of a horizontal job's record as the coordinator signed it.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Size">Entries in its tree.</param>
/// <param name="Note">The signed note with the coordinator's signature alone, UTF-8.</param>
/// <param name="CoordinatorKey">The serialised CheckpointKey that it is signed with.</param>
/// <param name="IsClosing">Whether the record ends here.</param>
public sealed record NewRoundHead(string Job, int Number, long Size, byte[] Note, byte[] CoordinatorKey, bool IsClosing, long CreatedUnixMs);

/// <summary>A checkpoint with the parties' words on it, by place; a party that has not answered is not there.</summary>
public sealed record StoredRoundHead(NewRoundHead Head, IReadOnlyDictionary<uint, CheckpointWord> Words);

/// <summary>A horizontal job to keep.</summary>
public sealed record NewRoundJob(
    string Job, byte[] SignedSpec, byte[] SpecHash, string Submitter, string? ClientToken, IReadOnlyList<string> Parties, long SubmittedUnixMs);

/// <summary>An envelope of a horizontal job's record.</summary>
/// <param name="Position">From 0, in the order in which the coordinator took or said them.</param>
/// <param name="Sender">0: the coordinator; else a place.</param>
/// <param name="Payload">Null where only its hash is kept, in the core.</param>
public sealed record RoundEntry(long Position, uint Sender, ulong Sequence, byte[] Core, byte[] Attestation, byte[]? Payload, long PayloadSize);

/// <summary>The coordinator's durable state of horizontal jobs. What <see cref="ICoordinatorStore"/> says of its calls holds here.</summary>
public interface IRoundStore
{
    /// <summary>Keeps a job in state OFFERED. A submitter's client token that is there already returns the job it came with.</summary>
    Task<(AddJobOutcome Outcome, RoundJobRecord Job)> AddRoundJobAsync(NewRoundJob job, CancellationToken cancellationToken);

    /// <summary>The job, or null.</summary>
    Task<RoundJobRecord?> FindRoundJobAsync(string job, CancellationToken cancellationToken);

    /// <summary>Jobs newest first, from those with an ordinal below <paramref name="before"/>; at most <paramref name="limit"/>. As all lists without checkpoints and last words.</summary>
    Task<IReadOnlyList<RoundJobRecord>> ListRoundJobsAsync(int limit, long? before, CancellationToken cancellationToken);

    /// <summary>All jobs that have not ended, oldest first.</summary>
    Task<IReadOnlyList<RoundJobRecord>> ListOpenRoundJobsAsync(CancellationToken cancellationToken);

    /// <summary>Jobs that ended at or after a time and whose party of this name has accepted but not given its last word.</summary>
    Task<IReadOnlyList<RoundJobRecord>> ListRoundJobsWithoutWordAsync(string party, long endedSinceUnixMs, CancellationToken cancellationToken);

    /// <summary>Records that a party accepts, under which key.</summary>
    Task AcceptRoundJobAsync(string job, uint place, byte[] identityKey, byte[] checkpointKey, CancellationToken cancellationToken);

    /// <summary>Moves an open job on: to RUNNING, or to its end. One that has ended stays as it is.</summary>
    /// <returns>The job afterwards, or null where there is none.</returns>
    Task<RoundJobRecord?> MoveRoundJobAsync(string job, JobState state, JobError? error, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Keeps a party's last word; the first counts.</summary>
    Task SaveRoundOutcomeAsync(string job, uint place, JobOutcome outcome, CancellationToken cancellationToken);

    /// <summary>
    /// Keeps what is carried to the next round, in place of what was kept before. Its summaries are of the rounds done since: in the same commit they are appended to those
    /// of the job, of each round the first.
    /// </summary>
    Task SaveRoundCheckpointAsync(string job, RoundCheckpoint checkpoint, CancellationToken cancellationToken);

    /// <summary>The summaries of the rounds that are done, in their order.</summary>
    Task<IReadOnlyList<RoundSummary>> ReadRoundSummariesAsync(string job, CancellationToken cancellationToken);

    /// <summary>Appends envelopes to the job's record; those whose sender and sequence are there are passed over.</summary>
    Task AppendRoundEntriesAsync(string job, IReadOnlyList<RoundEntry> entries, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Entries from a position on, in order.</summary>
    Task<IReadOnlyList<RoundEntry>> ReadRoundEntriesAsync(string job, long from, int limit, CancellationToken cancellationToken);

    /// <summary>The same without payloads.</summary>
    Task<IReadOnlyList<RoundEntry>> ReadRoundCoresAsync(string job, long from, int limit, CancellationToken cancellationToken);

    /// <summary>How many entries the record has, and how many bytes their payloads.</summary>
    Task<(long Entries, long PayloadBytes)> CountRoundEntriesAsync(string job, CancellationToken cancellationToken);

    /// <summary>Keeps a checkpoint of the record; the first of a number stays.</summary>
    Task AddRoundHeadAsync(NewRoundHead head, CancellationToken cancellationToken);

    /// <summary>Keeps a party's word on a checkpoint; the first stays.</summary>
    Task SaveRoundWordAsync(string job, int number, uint place, CheckpointWord word, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>The record's checkpoints in order.</summary>
    Task<IReadOnlyList<StoredRoundHead>> ReadRoundHeadsAsync(string job, CancellationToken cancellationToken);

    /// <summary>The last entry of each sender, without payload.</summary>
    Task<IReadOnlyList<RoundEntry>> ReadLastRoundEntriesAsync(string job, CancellationToken cancellationToken);
}
