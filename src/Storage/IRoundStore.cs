using VertFed.Protocol.V1;

namespace VertFed.Storage;

/// <summary>A horizontal job as the coordinator keeps it.</summary>
/// <param name="SignedSpec">A serialised SignedJobSpec.</param>
/// <param name="SpecHash">Of spec and submitter: what tells the same submission from another.</param>
/// <param name="Checkpoint">What is carried from round to round; null before the job runs.</param>
/// <param name="Parties">In the order of their places.</param>
public sealed record RoundJobRecord(
    long Ordinal, string Job, JobState State, byte[] SignedSpec, byte[] SpecHash, string Submitter, long SubmittedUnixMs, long StartedUnixMs, long EndedUnixMs,
    JobError? Error, RoundCheckpoint? Checkpoint, IReadOnlyList<RoundPartyRecord> Parties)
{
    /// <summary>Whether it has not ended.</summary>
    public bool IsOpen => State is JobState.Offered or JobState.Running;

    /// <summary>A party's place, from 1; 0 where it has none.</summary>
    public uint PlaceOf(string party) => Parties.FirstOrDefault(one => one.Name == party)?.Place ?? 0;
}

/// <summary>A party of a horizontal job.</summary>
/// <param name="Place">From 1.</param>
/// <param name="IdentityKey">DER SubjectPublicKeyInfo of the key that it accepted with; null before.</param>
/// <param name="Outcome">Its last word; null before.</param>
public sealed record RoundPartyRecord(uint Place, string Name, bool Accepted, byte[]? IdentityKey, JobOutcome? Outcome);

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

    /// <summary>Jobs newest first, from those with an ordinal below <paramref name="before"/>; at most <paramref name="limit"/>.</summary>
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

    /// <summary>Keeps what is carried to the next round, in place of what was kept before.</summary>
    Task SaveRoundCheckpointAsync(string job, RoundCheckpoint checkpoint, CancellationToken cancellationToken);

    /// <summary>Appends envelopes to the job's record; those whose sender and sequence are there are passed over.</summary>
    Task AppendRoundEntriesAsync(string job, IReadOnlyList<RoundEntry> entries, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>Entries from a position on, in order.</summary>
    Task<IReadOnlyList<RoundEntry>> ReadRoundEntriesAsync(string job, long from, int limit, CancellationToken cancellationToken);

    /// <summary>The last entry of each sender, without payload.</summary>
    Task<IReadOnlyList<RoundEntry>> ReadLastRoundEntriesAsync(string job, CancellationToken cancellationToken);
}
