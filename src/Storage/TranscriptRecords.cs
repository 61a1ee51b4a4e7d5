using VertFed.Protocol.V1;

namespace VertFed.Storage;

/// <summary>A checkpoint as the coordinator signed it.</summary>
/// <param name="TreeSize">Entries up to and including the phase, from 1.</param>
/// <param name="Note">The signed note with the coordinator's signature alone, UTF-8.</param>
/// <param name="ConsistencyProof">From the checkpoint before it, 32 bytes a hash, one after the other; empty for the first.</param>
public sealed record NewCheckpoint(string Job, uint Attempt, Phase Phase, long TreeSize, byte[] Note, byte[] ConsistencyProof, long CreatedUnixMs);

/// <summary>A party's word on a checkpoint: one of the two is there.</summary>
/// <param name="CoSignature">tlog-cosignature v1, 72 bytes.</param>
/// <param name="Refusal">Why the party does not co-sign.</param>
public sealed record CheckpointWord(byte[]? CoSignature, JobError? Refusal);

/// <summary>A checkpoint with the parties' words on it; null where a party has not answered.</summary>
public sealed record StoredCheckpoint(NewCheckpoint Checkpoint, CheckpointWord? Label, CheckpointWord? Feature)
{
    public CheckpointWord? WordOf(Role role) => role == Role.LabelParty ? Label : Feature;
}

/// <summary>An entry's place in the canonical order of its attempt.</summary>
public readonly record struct EntryPlace(Phase Phase, uint Round, Step Step, Role Sender, long Sequence)
{
    public static EntryPlace Of(StoredEnvelope entry) => new(entry.Phase, entry.Round, entry.Step, entry.Key.Sender, entry.Key.Sequence);
}
