using VertFed.Protocol.V1;

namespace VertFed.Storage;

/// <summary>A job as it is submitted, already verified.</summary>
/// <param name="Job">32 lower-case hexadecimal digits.</param>
/// <param name="SignedSpec">The serialised SignedJobSpec as received.</param>
/// <param name="SpecHash">SHA-256 of the serialised JobSpec followed by the submitter's key: equal for the same request
/// signed twice, different for anything else.</param>
/// <param name="Submitter">Fingerprint of the submitter's key, 64 lower-case hexadecimal digits.</param>
/// <param name="Payloads">Whether sealed payloads stay after their delivery.</param>
public sealed record NewJob(
    string Job,
    byte[] SignedSpec,
    byte[] SpecHash,
    string Submitter,
    string Title,
    string LabelParty,
    string FeatureParty,
    int DeadlineSeconds,
    long SubmittedUnixMs,
    Payloads Payloads)
{
    public JobKind Kind { get; init; } = JobKind.Train;

    /// <summary>What the result is for; empty: not stated.</summary>
    public string Purpose { get; init; } = "";

    /// <summary>The submitter's own name for this request, which it may repeat; null: none.</summary>
    public string? ClientToken { get; init; }

    /// <summary>Whether the job begins as QUEUED; else as OFFERED.</summary>
    public bool Queued { get; init; }
}

/// <summary>What <see cref="ICoordinatorStore.AddJobAsync"/> found.</summary>
public enum AddJobOutcome
{
    Added,

    /// <summary>The same spec by the same submitter is there already.</summary>
    Same,

    /// <summary>Another spec holds this job id, or this client token of the submitter.</summary>
    Different,
}

/// <summary>A party's answer to an offer.</summary>
public enum Answer
{
    None = 0,
    Accepted = 1,
    Refused = 2,
}

/// <summary>What the coordinator knows of a job. Times are milliseconds since 1970 by the coordinator's clock, 0 for none.</summary>
public sealed record JobRecord
{
    public required string Job { get; init; }

    /// <summary>Place in the order of submission, from 1.</summary>
    public required long Ordinal { get; init; }

    public required uint Attempt { get; init; }

    public required JobState State { get; init; }

    public required byte[] SignedSpec { get; init; }

    public required byte[] SpecHash { get; init; }

    public required string Submitter { get; init; }

    public required string Title { get; init; }

    public required string LabelParty { get; init; }

    public required string FeatureParty { get; init; }

    public required int DeadlineSeconds { get; init; }

    public required JobKind Kind { get; init; }

    /// <summary>As the spec says; empty where it says nothing.</summary>
    public required string Purpose { get; init; }

    /// <summary>Null where the submitter gave none.</summary>
    public required string? ClientToken { get; init; }

    public required long SubmittedUnixMs { get; init; }

    /// <summary>When it left the queue; 0 while it waits there.</summary>
    public required long OfferedUnixMs { get; init; }

    public required long StartedUnixMs { get; init; }

    public required long EndedUnixMs { get; init; }

    public required Phase Phase { get; init; }

    public required Step Step { get; init; }

    public required uint Round { get; init; }

    /// <summary>Sealed payload bytes of both parties.</summary>
    public required long Bytes { get; init; }

    public required long Envelopes { get; init; }

    public required Answer LabelAnswer { get; init; }

    public required Answer FeatureAnswer { get; init; }

    /// <summary>The label party's own word on how the job ended; unspecified until it gave one.</summary>
    public required JobState LabelOutcome { get; init; }

    public required JobState FeatureOutcome { get; init; }

    /// <summary>As the spec says; unspecified for a job of a coordinator that kept no transcripts.</summary>
    public required Payloads Payloads { get; init; }

    /// <summary>Whether every payload that was deposited is there still.</summary>
    public required bool PayloadsKept { get; init; }

    /// <summary>Whether the label party has co-signed the closing checkpoint.</summary>
    public required bool LabelCoSigned { get; init; }

    public required bool FeatureCoSigned { get; init; }

    /// <summary>Null unless the job ended without a result.</summary>
    public required JobError? Error { get; init; }

    /// <summary>Queued, offered or running.</summary>
    public bool IsOpen => State is JobState.Queued or JobState.Offered or JobState.Running;

    /// <summary>Whether entries, checkpoints and deliveries of it are kept.</summary>
    public bool HasTranscript => Payloads is Payloads.Full or Payloads.Hashes;

    public string PartyName(Role role) => role == Role.LabelParty ? LabelParty : FeatureParty;

    public Answer AnswerOf(Role role) => role == Role.LabelParty ? LabelAnswer : FeatureAnswer;

    public JobState OutcomeOf(Role role) => role == Role.LabelParty ? LabelOutcome : FeatureOutcome;

    public bool IsCoSignedBy(Role role) => role == Role.LabelParty ? LabelCoSigned : FeatureCoSigned;

    /// <summary>The role of a party by name; unspecified where it has none in this job.</summary>
    public Role RoleOf(string party) =>
        string.Equals(party, LabelParty, StringComparison.Ordinal) ? Role.LabelParty
        : string.Equals(party, FeatureParty, StringComparison.Ordinal) ? Role.FeatureParty
        : Role.Unspecified;
}

/// <summary>A page of jobs, newest first.</summary>
/// <param name="Before">Ordinal to ask the next page with; null after the last.</param>
public sealed record JobPage(IReadOnlyList<JobRecord> Jobs, long? Before);

/// <summary>Which jobs a list holds: those that meet every condition that is given.</summary>
/// <param name="Submitter">Fingerprint of the submitter's key.</param>
/// <param name="Party">Name of either party.</param>
public sealed record JobFilter(string? Submitter = null, string? Party = null, JobState? State = null)
{
    /// <summary>Whose jobs are listed; null: all.</summary>
    public Sight? Sight { get; init; }

    /// <summary>How many jobs one call looks at, at most.</summary>
    public int Span { get; init; } = Storage.Sight.Span;
}

/// <summary>Whose jobs somebody may know of: those submitted with one of some keys, and those that a party takes part in.</summary>
/// <param name="Submitters">Fingerprints.</param>
/// <param name="Party">Null: of no party.</param>
public sealed record Sight(IReadOnlyList<string> Submitters, string? Party)
{
    /// <summary>How many jobs one call of a list looks at, where nothing else is said: what it costs does not grow with the store.</summary>
    public const int Span = 10_000;
}

/// <summary>Names an envelope within the store.</summary>
public readonly record struct EnvelopeKey(string Job, uint Attempt, Role Sender, long Sequence);

/// <summary>An envelope to keep, already checked by itself: what is left is its place in the sender's chain.</summary>
/// <param name="Core">The serialised core as received.</param>
/// <param name="CoreHash">SHA-256 of <paramref name="Core"/>.</param>
/// <param name="PreviousCoreHash">As the header says.</param>
/// <param name="Parts">The sealed payload in parts of <see cref="Protocol.Limits.MaxChunkBytes"/>, the last one shorter; none if
/// it is empty.</param>
public sealed record EnvelopeDeposit(
    EnvelopeKey Key,
    byte[] Core,
    byte[] CoreHash,
    byte[] PreviousCoreHash,
    byte[] Attestation,
    Phase Phase,
    Step Step,
    uint Round,
    long PayloadSize,
    IReadOnlyList<byte[]> Parts);

/// <summary>What became of a deposit.</summary>
public enum DepositOutcome
{
    Stored,

    /// <summary>The same core is there already; nothing changed.</summary>
    Duplicate,

    /// <summary>Another core holds this sequence number.</summary>
    Conflict,

    /// <summary>The sequence number is not the next one.</summary>
    Gap,

    /// <summary>The hash of the previous core is not that of the sender's last envelope.</summary>
    BrokenChain,

    /// <summary>The phase lies before that of the sender's last envelope, or the sender has closed.</summary>
    OutOfPhase,

    /// <summary>The job is unknown, at another attempt, or not running.</summary>
    NotRunning,

    /// <summary>The sender has given its last word on the job.</summary>
    AfterOutcome,
}

/// <summary>The result of a deposit.</summary>
/// <param name="NextSequence">The number that the sender's next envelope must have.</param>
/// <param name="Job">The job after a deposit that was stored; else null.</param>
public sealed record DepositResult(DepositOutcome Outcome, long NextSequence, JobRecord? Job);

/// <summary>A kept envelope without its payload.</summary>
public sealed record StoredEnvelope(
    EnvelopeKey Key, byte[] Core, byte[] Attestation, Phase Phase, uint Round, Step Step, long PayloadSize, int Parts);

/// <summary>Where one direction of a job stands.</summary>
/// <param name="NextSequence">Of the sender.</param>
/// <param name="NextToDeliver">The first sequence number that the recipient has not acknowledged.</param>
public sealed record StreamPosition(long NextSequence, long NextToDeliver);
