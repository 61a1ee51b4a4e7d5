using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Storage;

/// <summary>A job as a party keeps it. Times are milliseconds since 1970 by the party's clock, 0 for none.</summary>
public sealed record PartyJob
{
    public required string Job { get; init; }

    /// <summary>Place in the order of arrival, from 1; the store sets it.</summary>
    public long Ordinal { get; init; }

    public required uint Attempt { get; init; }

    /// <summary>The own side in this job.</summary>
    public required Role Role { get; init; }

    /// <summary>The serialised SignedJobSpec as received.</summary>
    public required byte[] SignedSpec { get; init; }

    public required JobState State { get; init; }

    public required long ReceivedUnixMs { get; init; }

    /// <summary>When it first ran; the store sets it.</summary>
    public long AcceptedUnixMs { get; init; }

    /// <summary>Since when an OFFERED job waits for the operator's approval; the store sets it.</summary>
    public long HeldUnixMs { get; init; }

    public long EndedUnixMs { get; init; }

    /// <summary>Null unless the job ended without a result.</summary>
    public JobError? Error { get; init; }
}

/// <summary>What a party keeps of a job's end, all of it or nothing.</summary>
/// <param name="State">DONE, FAILED, REFUSED or CANCELLED.</param>
/// <param name="Report">The report part (JSON, UTF-8).</param>
/// <param name="Model">The own half of the model (JSON, UTF-8), or null where there is none.</param>
/// <param name="Ledger">The disclosures, in order.</param>
/// <param name="Outcome">The serialised JobOutcome to send to the coordinator, so that a restart resends the same bytes.</param>
public sealed record PartyResult(
    JobState State,
    JobError? Error,
    byte[] Report,
    byte[]? Model,
    IReadOnlyList<Disclosure> Ledger,
    byte[] Outcome,
    long EndedUnixMs);

/// <summary>What the operator decided on a job that waited for approval.</summary>
/// <param name="Reason">The operator's words; may be empty.</param>
public sealed record OperatorDecision(string Job, uint Attempt, bool IsApproved, string Reason, long DecidedUnixMs);

/// <summary>The own half of a model as the party keeps it; the job that trained it names it.</summary>
public sealed record StoredModel
{
    public required string Job { get; init; }

    /// <summary>That job's place in the order of arrival.</summary>
    public required long Ordinal { get; init; }

    public required uint Attempt { get; init; }

    /// <summary>The own side in that job.</summary>
    public required Role Role { get; init; }

    /// <summary>JSON, UTF-8; null once it is deleted.</summary>
    public required byte[]? Model { get; init; }

    public required ModelState State { get; init; }

    /// <summary>Root of the closing checkpoint's tree, 32 bytes; null until it is bound.</summary>
    public required byte[]? TranscriptRoot { get; init; }

    public required long TrainedUnixMs { get; init; }
}

/// <summary>A checkpoint that this party has co-signed.</summary>
/// <param name="TreeSize">Entries up to and including the phase.</param>
/// <param name="RootHash">Root of the tree over them, 32 bytes.</param>
/// <param name="Note">The note as the coordinator signed it.</param>
/// <param name="CoSignature">As it was sent: a repeated proposal gets the same bytes.</param>
public sealed record CoSignedCheckpoint(
    string Job, uint Attempt, Phase Phase, long TreeSize, byte[] RootHash, byte[] Note, byte[] CoSignature, long RecordedUnixMs);

/// <summary>An envelope of the journal without its payload.</summary>
/// <param name="IsInbound">Whether it came from the peer.</param>
public sealed record JournalEntry(bool IsInbound, ulong Sequence, byte[] Core, byte[] Attestation);
