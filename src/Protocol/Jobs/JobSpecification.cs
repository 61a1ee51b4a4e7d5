using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// What a job is, validated and immutable. It comes from an analyst's YAML (<see cref="JobSpecificationYaml"/>) or from the wire
/// (<see cref="FromMessage"/>) and from nowhere else.
/// </summary>
public sealed class JobSpecification
{
    /// <summary>The only version of the format.</summary>
    public const uint CurrentVersion = 1;

    /// <summary>Longest title, in characters.</summary>
    public const int MaxTitleLength = 200;

    /// <summary>Most iterations that a job may ask for; a party's policy may allow fewer.</summary>
    public const uint LargestMaxIterations = 200;

    /// <summary>The data source that a spec means which names none.</summary>
    public const string DefaultDataset = "default";

    private JobSpecification(JobSpec spec)
    {
        Job = spec.Job;
        Kind = spec.Kind;
        PartyRef[] parties = spec.Kind == JobKind.Horizontal ? [.. spec.Parties] : [spec.LabelParty, spec.FeatureParty];
        Parties = [.. parties.Select(party => new PartyReference(party.Name, Convert.ToHexStringLower(party.Fingerprint.Span)))];
        Horizontal = spec.Horizontal is null ? null : new HorizontalSpecification(spec.Horizontal, Parties.Count);
        Normalisation = [.. spec.Align?.Normalisation ?? []];
        Duplicates = spec.Align?.Duplicates ?? DuplicateIds.Unspecified;
        Family = spec.Train?.Family ?? Family.Unspecified;
        L2 = spec.Train?.L2 ?? 0;
        MaxIterations = (int)(spec.Train?.MaxIterations ?? 0);
        Model = spec.Score?.Model;
        Holdout = spec.Holdout;
        AcceptDisclosureRisk = spec.AcceptDisclosureRisk;
        Deadline = TimeSpan.FromSeconds(spec.DeadlineSeconds);
        Payloads = spec.Payloads;
        Title = spec.Title;
        Purpose = spec.Purpose;
        Dataset = spec.Dataset.Length > 0 ? spec.Dataset : DefaultDataset;
    }

    /// <summary>32 lower-case hexadecimal digits, drawn by the submitter.</summary>
    public string Job { get; }

    public JobKind Kind { get; }

    /// <summary>All parties: the label party and the feature party, or those of a horizontal job in the order of their places.</summary>
    public IReadOnlyList<PartyReference> Parties { get; }

    /// <summary>What a horizontal job trains and how; null in any other.</summary>
    public HorizontalSpecification? Horizontal { get; }

    /// <exception cref="InvalidOperationException">The job is horizontal: it has no such party.</exception>
    public PartyReference LabelParty => Vertical(0);

    /// <exception cref="InvalidOperationException">The job is horizontal: it has no such party.</exception>
    public PartyReference FeatureParty => Vertical(1);

    /// <summary>Steps of id normalisation in ascending order; empty: ids are taken as they stand.</summary>
    public IReadOnlyList<IdNormalisation> Normalisation { get; }

    public DuplicateIds Duplicates { get; }

    /// <summary>Unspecified where the job trains nothing.</summary>
    public Family Family { get; }

    /// <summary>The lambda of lambda/2·||w||², in [1e-6, 1e3]; 0 where the job trains nothing.</summary>
    public double L2 { get; }

    /// <summary>1 to 200; 0 where the job trains nothing.</summary>
    public int MaxIterations { get; }

    /// <summary>The id of the job that trained the model to score with; null unless the kind is score.</summary>
    public string? Model { get; }

    /// <summary>What the result is for: a word, or empty where it is not stated.</summary>
    public string Purpose { get; }

    /// <summary>The name of the data source that each party takes; <see cref="DefaultDataset"/> if the spec names none.</summary>
    public string Dataset { get; }

    /// <summary>Share of aligned rows in the test set, in [0, 0.9].</summary>
    public double Holdout { get; }

    /// <summary>Whether a job that a 'refuse' guard would stop runs all the same, if both policies allow that.</summary>
    public bool AcceptDisclosureRisk { get; }

    /// <summary>How long to wait for a peer, 1 s to 1 day.</summary>
    public TimeSpan Deadline { get; }

    /// <summary>Free text for people, up to 200 characters; may be empty.</summary>
    public string Title { get; }

    /// <summary>Whether the coordinator keeps sealed payloads after their delivery.</summary>
    public Payloads Payloads { get; }

    /// <summary>The party of a role.</summary>
    public PartyReference Party(Role role) => role switch
    {
        Role.LabelParty => LabelParty,
        Role.FeatureParty => FeatureParty,
        _ => throw new ArgumentOutOfRangeException(nameof(role), role, "A job has a label party and a feature party."),
    };

    /// <summary>Validates a parsed message.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>, naming the field.</exception>
    public static JobSpecification FromMessage(JobSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        (string Field, string Wrong)? fault = FirstFault(spec);
        return fault is null
            ? new JobSpecification(spec)
            : throw Error.WrongField(fault.Value.Field, $"The job spec is refused: {fault.Value.Field} {fault.Value.Wrong}.");
    }

    /// <summary>Parses and validates a serialised message.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>.</exception>
    public static JobSpecification Parse(ReadOnlySpan<byte> serialised) =>
        FromMessage(StrictParser.Parse(JobSpec.Parser, serialised, Limits.MaxSpecBytes, "The job spec"));

    /// <summary>The message of this specification.</summary>
    public JobSpec ToMessage() => new()
    {
        Version = CurrentVersion,
        Job = Job,
        Kind = Kind,
        LabelParty = Horizontal is null ? Message(LabelParty) : null,
        FeatureParty = Horizontal is null ? Message(FeatureParty) : null,
        Align = Horizontal is null ? new AlignSpec { Normalisation = { Normalisation }, Duplicates = Duplicates } : null,
        Train = Kind == JobKind.Train ? new TrainSpec { Family = Family, L2 = L2, MaxIterations = (uint)MaxIterations } : null,
        Score = Model is null ? null : new ScoreSpec { Model = Model },
        Holdout = Holdout,
        AcceptDisclosureRisk = AcceptDisclosureRisk,
        DeadlineSeconds = (uint)Deadline.TotalSeconds,
        Title = Title,
        Payloads = Payloads,
        Purpose = Purpose,
        Dataset = Dataset == DefaultDataset ? "" : Dataset,
        Parties = { Horizontal is null ? [] : Parties.Select(Message) },
        Horizontal = Horizontal?.ToMessage(),
    };

    /// <summary>The title, or the job id where there is none.</summary>
    public override string ToString() => Title.Length > 0 ? Title : Job;

    /// <summary>The first field that breaks a rule, by its name in job.proto, and what is wrong with it.</summary>
    internal static (string Field, string Wrong)? FirstFault(JobSpec spec)
    {
        IEnumerable<(bool Holds, string Field, string Wrong)> rules =
        [
            (spec.Version == CurrentVersion, "version", $"is {spec.Version}; this software knows {CurrentVersion}"),
            (EnvelopeCodec.IsJobId(spec.Job), "job", "is not 32 lower-case hexadecimal digits"),
            (spec.Kind is JobKind.Train or JobKind.Score or JobKind.Horizontal, "kind", "is none of train, score, horizontal"),
            .. spec.Kind == JobKind.Horizontal ? HorizontalSpecification.Rules(spec) : VerticalRules(spec),
            (spec.Holdout is >= 0 and <= 0.9, "holdout", "is not between 0 and 0.9"),
            (spec.DeadlineSeconds is >= 1 and <= 86400, "deadline_seconds", "is not between 1 and 86400"),
            (spec.Payloads is Payloads.Full or Payloads.Hashes, "payloads", "is neither full nor hashes"),
            (spec.Title.Length <= MaxTitleLength, "title", $"is longer than {MaxTitleLength} characters"),
            (!spec.Title.Any(char.IsControl), "title", "has a control character"),
            (spec.Purpose.Length == 0 || PartyReference.IsName(spec.Purpose), "purpose", "is not 1 to 64 of a-z, 0-9, - and _, starting with a letter"),
            (spec.Dataset.Length == 0 || PartyReference.IsName(spec.Dataset), "dataset", "is not 1 to 64 of a-z, 0-9, - and _, starting with a letter"),
            (spec.Dataset != DefaultDataset, "dataset", "names the default; leave it out"),
        ];
        foreach ((bool holds, string field, string wrong) in rules)
        {
            if (!holds)
            {
                return (field, wrong);
            }
        }

        return null;
    }

    private static IEnumerable<(bool Holds, string Field, string Wrong)> VerticalRules(JobSpec spec) =>
    [
        .. PartyRules(spec.LabelParty, "label_party"),
        .. PartyRules(spec.FeatureParty, "feature_party"),
        (spec.LabelParty?.Name != spec.FeatureParty?.Name, "feature_party.name", "is the label party's"),
        (spec.LabelParty?.Fingerprint != spec.FeatureParty?.Fingerprint, "feature_party.fingerprint", "is the label party's"),
        (spec.Parties.Count == 0, "parties", "belongs in a horizontal job"),
        (spec.Horizontal is null, "horizontal", "belongs in a horizontal job"),
        (spec.Align is not null, "align", "is missing"),
        (IsAscending(spec.Align), "align.normalisation", "is not a list of known steps in their order, each once"),
        (spec.Align?.Duplicates is DuplicateIds.Refuse or DuplicateIds.KeepFirst, "align.duplicates", "is neither refuse nor keep_first"),
        .. spec.Kind == JobKind.Score ? ScoreRules(spec) : TrainRules(spec),
    ];

    private static IEnumerable<(bool Holds, string Field, string Wrong)> TrainRules(JobSpec spec) =>
    [
        (spec.Train is not null, "train", "is missing"),
        (spec.Score is null, "score", "does not belong in a train job"),
        (spec.Train?.Family is Family.Logistic or Family.Linear or Family.Poisson, "train.family", "is none of logistic, linear, poisson"),
        (spec.Train?.L2 is >= 1e-6 and <= 1e3, "train.l2", "is not between 1e-6 and 1e3"),
        (spec.Train?.MaxIterations is >= 1 and <= LargestMaxIterations, "train.max_iterations", $"is not between 1 and {LargestMaxIterations}"),
    ];

    private static IEnumerable<(bool Holds, string Field, string Wrong)> ScoreRules(JobSpec spec) =>
    [
        (spec.Score is not null, "score", "is missing"),
        (spec.Train is null, "train", "does not belong in a score job"),
        (EnvelopeCodec.IsJobId(spec.Score?.Model), "score.model", "is not the id of a job (32 lower-case hexadecimal digits)"),
        (spec.Score?.Model != spec.Job, "score.model", "is the job's own id"),
        (spec.Holdout == 0, "holdout", "is not 0, as a score job needs"),
    ];

    internal static IEnumerable<(bool Holds, string Field, string Wrong)> PartyRules(PartyRef? party, string field) =>
    [
        (party is not null, field, "is missing"),
        (PartyReference.IsName(party?.Name), $"{field}.name", "is not 1 to 64 of a-z, 0-9, - and _, starting with a letter"),
        (party?.Fingerprint.Length == EnvelopeCodec.HashBytes, $"{field}.fingerprint", "is not 32 bytes (64 lower-case hexadecimal digits)"),
    ];

    private PartyReference Vertical(int place) => Horizontal is null
        ? Parties[place]
        : throw new InvalidOperationException("A horizontal job has neither a label party nor a feature party.");

    private static bool IsAscending(AlignSpec? align)
    {
        IdNormalisation last = IdNormalisation.Unspecified;
        foreach (IdNormalisation step in align?.Normalisation ?? [])
        {
            if (step <= last || !Enum.IsDefined(step))
            {
                return false;
            }

            last = step;
        }

        return true;
    }

    private static PartyRef Message(PartyReference party) => new()
    {
        Name = party.Name,
        Fingerprint = ByteString.CopyFrom(Convert.FromHexString(party.Fingerprint)),
    };
}
