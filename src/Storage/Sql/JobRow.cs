using VertFed.Protocol.V1;

namespace VertFed.Storage.Sql;

/// <summary>A row of the table jobs as Dapper fills it.</summary>
internal sealed class JobRow : ErrorColumns
{
    public const string Columns = $"signed_spec AS SignedSpec, {ListColumns}";

    /// <summary>All but the spec, which may be 64 KiB and which no list shows.</summary>
    public const string ListColumns = $"""
        job AS Job, ordinal AS Ordinal, attempt AS Attempt, state AS State, spec_hash AS SpecHash,
        submitter AS Submitter, title AS Title, label_party AS LabelParty, feature_party AS FeatureParty,
        deadline_seconds AS DeadlineSeconds, kind AS Kind, purpose AS Purpose, client_token AS ClientToken,
        submitted_ms AS SubmittedMs, offered_ms AS OfferedMs, started_ms AS StartedMs, ended_ms AS EndedMs,
        phase AS Phase, step AS Step, round AS Round, bytes AS Bytes, envelopes AS Envelopes,
        label_answer AS LabelAnswer, feature_answer AS FeatureAnswer, label_outcome AS LabelOutcome,
        feature_outcome AS FeatureOutcome, payloads AS Payloads, pruned AS Pruned,
        label_co_signed AS LabelCoSigned, feature_co_signed AS FeatureCoSigned, {ErrorNames}
        """;

    public string Job { get; set; } = "";

    public long Ordinal { get; set; }

    public long Attempt { get; set; }

    public long State { get; set; }

    public byte[] SignedSpec { get; set; } = [];

    public byte[] SpecHash { get; set; } = [];

    public string Submitter { get; set; } = "";

    public string Title { get; set; } = "";

    public string LabelParty { get; set; } = "";

    public string FeatureParty { get; set; } = "";

    public long DeadlineSeconds { get; set; }

    public long Kind { get; set; }

    public string Purpose { get; set; } = "";

    public string? ClientToken { get; set; }

    public long SubmittedMs { get; set; }

    public long OfferedMs { get; set; }

    public long StartedMs { get; set; }

    public long EndedMs { get; set; }

    public long Phase { get; set; }

    public long Step { get; set; }

    public long Round { get; set; }

    public long Bytes { get; set; }

    public long Envelopes { get; set; }

    public long LabelAnswer { get; set; }

    public long FeatureAnswer { get; set; }

    public long LabelOutcome { get; set; }

    public long FeatureOutcome { get; set; }

    public long Payloads { get; set; }

    public long Pruned { get; set; }

    public long LabelCoSigned { get; set; }

    public long FeatureCoSigned { get; set; }

    public JobRecord ToRecord() => new()
    {
        Job = Job,
        Ordinal = Ordinal,
        Attempt = checked((uint)Attempt),
        State = (JobState)State,
        SignedSpec = SignedSpec,
        SpecHash = SpecHash,
        Submitter = Submitter,
        Title = Title,
        LabelParty = LabelParty,
        FeatureParty = FeatureParty,
        DeadlineSeconds = checked((int)DeadlineSeconds),
        Kind = (JobKind)Kind,
        Purpose = Purpose,
        ClientToken = ClientToken,
        SubmittedUnixMs = SubmittedMs,
        OfferedUnixMs = OfferedMs,
        StartedUnixMs = StartedMs,
        EndedUnixMs = EndedMs,
        Phase = (Phase)Phase,
        Step = (Step)Step,
        Round = checked((uint)Round),
        Bytes = Bytes,
        Envelopes = Envelopes,
        LabelAnswer = (Answer)LabelAnswer,
        FeatureAnswer = (Answer)FeatureAnswer,
        LabelOutcome = (JobState)LabelOutcome,
        FeatureOutcome = (JobState)FeatureOutcome,
        Payloads = (Payloads)Payloads,
        PayloadsKept = (Payloads)Payloads == Protocol.V1.Payloads.Full && Pruned == 0,
        LabelCoSigned = LabelCoSigned != 0,
        FeatureCoSigned = FeatureCoSigned != 0,
        Error = ToError(),
    };
}
