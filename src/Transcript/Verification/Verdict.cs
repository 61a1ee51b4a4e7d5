using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// What the auditor knows from elsewhere. A transcript without pins shows only that whoever holds the keys in it said what is in it: an
/// invented job between invented parties verifies too.
/// </summary>
public sealed record VerifyOptions
{
    /// <summary>Job id, 32 lower-case hexadecimal digits; null: any.</summary>
    public string? Job { get; init; }

    /// <summary>Fingerprint of the submitter's key, 64 lower-case hexadecimal digits; null: any.</summary>
    public string? Submitter { get; init; }

    /// <summary>Fingerprint of the coordinator's identity; null: any.</summary>
    public string? Coordinator { get; init; }

    /// <summary>Fingerprint of the label party's identity; null: the one in the job spec.</summary>
    public string? LabelParty { get; init; }

    /// <summary>Fingerprint of the feature party's identity; null: the one in the job spec.</summary>
    public string? FeatureParty { get; init; }
}

/// <summary>How far a verification is.</summary>
/// <param name="Entries">Entries read.</param>
/// <param name="TotalEntries">By the header.</param>
/// <param name="Bytes">Of the file, read.</param>
public sealed record VerifyProgress(long Entries, long TotalEntries, long Bytes);

/// <summary>The first rule that does not hold.</summary>
/// <param name="Rule">One of <see cref="Rules"/>.</param>
/// <param name="Party">Who broke it: a party's name, "coordinator" for what the file's maker is responsible for, "submitter", or empty
/// where nobody can be named.</param>
/// <param name="EntryIndex">In canonical order from 0; null: it is not about one entry.</param>
/// <param name="Step">The entry's step; unspecified without an entry.</param>
/// <param name="Round">The entry's round.</param>
/// <param name="Message">What was found and what was due.</param>
public sealed record TranscriptFailure(string Rule, string Party, long? EntryIndex, Step Step, uint Round, string Message)
{
    /// <summary>The entry's step in a horizontal job; unspecified in others and without an entry.</summary>
    public RoundStep RoundStep { get; init; }

    /// <summary>The entry's number among its sender's, in a horizontal job.</summary>
    public ulong? Sequence { get; init; }
}

/// <summary>How a job stands by its transcript.</summary>
public enum Completeness
{
    /// <summary>The transcript did not verify, so nothing is known.</summary>
    Unknown,

    /// <summary>All steps are there and all parties co-signed the closing checkpoint.</summary>
    CoSigned,

    /// <summary>All steps are there, but a party's co-signature of the closing checkpoint is not.</summary>
    NotCoSigned,

    /// <summary>The job failed, was refused or was cancelled.</summary>
    Ended,
}

/// <summary>A checkpoint that verified.</summary>
/// <param name="CoSigners">Parties whose co-signature it has, by name.</param>
public sealed record VerifiedCheckpoint(Phase Phase, Checkpoint Checkpoint, IReadOnlyList<CoSignature> CoSigners);

/// <summary>What verification found.</summary>
public sealed record Verdict
{
    /// <summary>Whether every rule holds.</summary>
    public bool IsVerified => Failure is null;

    /// <summary>The first rule that does not; null if all do.</summary>
    public TranscriptFailure? Failure { get; init; }

    public Completeness Completeness { get; init; }

    /// <summary>With <see cref="Completeness.NotCoSigned"/>: the parties, by name.</summary>
    public IReadOnlyList<string> NotCoSigned { get; init; } = [];

    /// <summary>By the coordinator's account.</summary>
    public JobState State { get; init; }

    /// <summary>Why a job ended without a result, by the coordinator's account; null if it has one.</summary>
    public JobError? Error { get; init; }

    /// <summary>Job id; empty if the header did not verify.</summary>
    public string Job { get; init; } = "";

    public uint Attempt { get; init; }

    /// <summary>Fingerprint of who signed the job spec.</summary>
    public string Submitter { get; init; } = "";

    /// <summary>Fingerprint of the coordinator's identity.</summary>
    public string Coordinator { get; init; } = "";

    /// <summary>Whether the auditor pinned submitter and coordinator, so that the job cannot be an invention of others.</summary>
    public bool IsPinned { get; init; }

    /// <summary>Entries read.</summary>
    public long Entries { get; init; }

    /// <summary>Sealed payload bytes of all entries.</summary>
    public long PayloadBytes { get; init; }

    /// <summary>Those of them that are not in the file, so that only their hashes were seen.</summary>
    public long UncheckedPayloadBytes { get; init; }

    /// <summary>Bytes of the file that were read.</summary>
    public long FileBytes { get; init; }

    /// <summary>SHA-256 of the file before its trailer, 64 hexadecimal digits; empty if the trailer was not reached.</summary>
    public string FileHash { get; init; } = "";

    /// <summary>Root of the tree over all entries, 64 hexadecimal digits.</summary>
    public string Root { get; init; } = "";

    /// <summary>In the order of sizes. In a horizontal job they belong to no phase.</summary>
    public IReadOnlyList<VerifiedCheckpoint> Checkpoints { get; init; } = [];

    /// <summary>Names of the parties; in a horizontal job in the order of places.</summary>
    public IReadOnlyList<string> Parties { get; init; } = [];

    /// <summary>What parties of a horizontal job said that counted for nothing, since nobody had asked for it or they had lost their keys of a sum, in words.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>What a horizontal job disclosed; null for others, and if the transcript did not verify.</summary>
    public RoundLedger? RoundLedger { get; init; }

    /// <summary>What each party learned; null if the transcript did not verify.</summary>
    public DisclosureLedger? Ledger { get; init; }

    /// <summary>One sentence for people.</summary>
    public string Summary => VerdictText.Of(this);
}
