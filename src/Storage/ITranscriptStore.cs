using VertFed.Protocol.V1;

namespace VertFed.Storage;

/// <summary>
/// What the coordinator keeps of a job beyond its relaying: entries in canonical order, checkpoints with the parties' words on them, the
/// keys that sign them, and the log of what came and went. The same promises as <see cref="ICoordinatorStore"/>.
/// </summary>
public interface ITranscriptStore
{
    /// <summary>Entries in canonical order (phase, round, step, sender, sequence), up to and including a phase.</summary>
    /// <param name="after">The place after which the page begins; null: at the start.</param>
    Task<IReadOnlyList<StoredEnvelope>> ReadEntriesAsync(string job, uint attempt, Phase last, EntryPlace? after, int limit, CancellationToken cancellationToken);

    /// <summary>The entry at an index of the canonical order, or null beyond the end.</summary>
    Task<StoredEnvelope?> FindEntryAsync(string job, uint attempt, long index, CancellationToken cancellationToken);

    /// <summary>How many entries there are up to and including a phase.</summary>
    Task<long> CountEntriesAsync(string job, uint attempt, Phase last, CancellationToken cancellationToken);

    /// <summary>Keeps a checkpoint. The first of a phase stays: another changes nothing.</summary>
    /// <returns>The checkpoint as the store holds it.</returns>
    Task<StoredCheckpoint> AddCheckpointAsync(NewCheckpoint checkpoint, CancellationToken cancellationToken);

    /// <summary>Keeps a party's word on a checkpoint. The first word stays.</summary>
    /// <returns>The checkpoint and the job afterwards, or null where there is no such checkpoint.</returns>
    Task<(StoredCheckpoint Checkpoint, JobRecord Job)?> AnswerCheckpointAsync(
        string job, uint attempt, Phase phase, Role role, CheckpointWord word, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>The attempt's checkpoints in the order of phases.</summary>
    Task<IReadOnlyList<StoredCheckpoint>> ReadCheckpointsAsync(string job, uint attempt, CancellationToken cancellationToken);

    /// <summary>The last phase that has a checkpoint, by the jobs' ordinals; jobs without one are not there.</summary>
    Task<IReadOnlyDictionary<long, Phase>> LastCheckpointsAsync(IReadOnlyCollection<long> ordinals, CancellationToken cancellationToken);

    /// <summary>Jobs with a checkpoint that the party of this name has not answered: open ones, and those that ended at or after a time.
    /// Oldest first, at most 1000.</summary>
    Task<IReadOnlyList<string>> ListUnansweredAsync(string party, long endedSinceUnixMs, CancellationToken cancellationToken);

    /// <summary>Jobs with a transcript and without a closing checkpoint: open ones, and those that ended at or after a time.</summary>
    Task<IReadOnlyList<string>> ListUnclosedAsync(long endedSinceUnixMs, CancellationToken cancellationToken);

    /// <summary>Keeps the key whose signatures count for a role of this attempt; unspecified: the coordinator's. The first one stays.</summary>
    /// <param name="key">A serialised CheckpointKey.</param>
    /// <returns>The key as the store holds it.</returns>
    Task<byte[]> RecordKeyAsync(string job, uint attempt, Role role, byte[] key, CancellationToken cancellationToken);

    /// <summary>The serialised CheckpointKey of a role, or null.</summary>
    Task<byte[]?> FindKeyAsync(string job, uint attempt, Role role, CancellationToken cancellationToken);

    /// <summary>Logs that a party came or went. Deposits and deliveries are logged by the calls that make them.</summary>
    Task RecordPresenceAsync(string job, uint attempt, DeliveryEvent what, Role party, long nowUnixMs, CancellationToken cancellationToken);

    /// <summary>The log from an ordinal on, in order.</summary>
    /// <param name="from">From 0.</param>
    Task<IReadOnlyList<Delivery>> ReadDeliveriesAsync(string job, uint attempt, long from, int limit, CancellationToken cancellationToken);
}
