using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Policies;

/// <summary>A value of a policy.</summary>
/// <param name="Text">As the canonical form has it.</param>
/// <param name="Value">As a number; 0 or 1 for what is no number.</param>
/// <param name="IsLooser">Whether it lets more happen than the default does.</param>
public sealed record PolicyValue(string Name, string Text, double Value, bool IsLooser);

/// <summary>
/// What a party is willing to take part in. The defaults are the project's; a value that is looser than its default is shown in the
/// log and in every report.
/// </summary>
public sealed record PartyPolicy
{
    /// <summary>The version of the policy format that this software reads.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Longest that an operator may take, in hours: a week.</summary>
    public const int LongestApprovalHours = 168;

    /// <summary>The defaults.</summary>
    public static PartyPolicy Default { get; } = new();

    /// <summary>Jobs whose spec accepts the risk that a 'refuse' guard names may run.</summary>
    public bool AllowDisclosureRisk { get; init; }

    /// <summary>Most iterations a job may ask for; each reveals a gradient.</summary>
    public int MaxIterations { get; init; } = 30;

    /// <summary>Fewest aligned rows with which to go on after alignment.</summary>
    public long MinimumIntersection { get; init; } = 100;

    /// <summary>Fewest training rows for each own feature.</summary>
    public int MinimumRowsPerFeature { get; init; } = 200;

    /// <summary>Fewest training rows for each scalar of a gradient that a job may reveal: iterations × own features.</summary>
    public int MinimumRowsPerScalar { get; init; } = 10;

    /// <summary>Fewest events, and fewest non-events, for each own feature.</summary>
    public int MinimumEventsPerFeature { get; init; } = 10;

    /// <summary>
    /// Fewest rows by which the intersection with a peer must differ from that of each recent job with the same peer, unless it
    /// is the same: two models that differ in a few rows tell about those rows.
    /// </summary>
    public long MinimumIntersectionDifference { get; init; } = 10;

    /// <summary>How many days an earlier job's intersection counts as recent; afterwards it is forgotten.</summary>
    public int IntersectionHistoryDays { get; init; } = 365;

    /// <summary>Most jobs that this party accepts within 24 hours.</summary>
    public int JobsPerDay { get; init; } = 100;

    /// <summary>A job may have test rows, whose partial scores the feature party reveals at evaluation.</summary>
    public bool PartialScores { get; init; } = true;

    /// <summary>Names of the peers with whom this policy allows jobs, of those that are pinned.</summary>
    public WordList? Peers { get; init; }

    /// <summary>Purposes that a job may state; without a list none need be stated.</summary>
    public WordList? Purposes { get; init; }

    /// <summary>What a policy without `kinds` admits. Horizontal jobs are asked for by name: what they tell, and to whom, is another matter.</summary>
    public static WordList StandardKinds { get; } = new(["train", "score"]);

    /// <summary>Kinds of job: train, score, horizontal; null: <see cref="StandardKinds"/>.</summary>
    public WordList? Kinds { get; init; }

    /// <summary>Families of models: logistic, linear.</summary>
    public WordList? Families { get; init; }

    /// <summary>Names of own columns that a job may use.</summary>
    public WordList? Features { get; init; }

    /// <summary>Names of own data sources that a job may use.</summary>
    public WordList? Datasets { get; init; }

    /// <summary>What is asked of horizontal jobs beside.</summary>
    public RoundPolicy Rounds { get; init; } = RoundPolicy.Default;

    /// <summary>The operator is asked before a job begins.</summary>
    public bool ManualApproval { get; init; }

    /// <summary>With manual approval: which jobs begin without it.</summary>
    public ApprovalExceptions Automatic { get; init; } = ApprovalExceptions.None;

    /// <summary>How long the operator may take, 1 to 168; then the job is refused.</summary>
    public int ApprovalHours { get; init; } = 24;

    /// <summary>Names of rules that warn where they would refuse.</summary>
    public WordList Warnings { get; init; } = new([]);

    /// <summary>The report that the submitter gets holds this party's coefficients.</summary>
    public bool ShareCoefficientsWithSubmitter { get; init; }

    /// <summary>The report of a score job that the submitter gets holds quantiles of the scores.</summary>
    public bool ShareScoreQuantilesWithSubmitter { get; init; }

    /// <summary>The report holds a hash over the intersection's ids. For demonstrations: it lets anyone test a guessed list.</summary>
    public bool ReportIntersectionSha256 { get; init; }

    /// <summary>The node co-signs the coordinator's checkpoints that agree with its own record. Without it a job stays 'complete, not co-signed'.</summary>
    public bool CoSign { get; init; } = true;

    /// <summary>Whether a rule that objects only warns.</summary>
    public bool Warns(string rule) => Warnings.Contains(rule);

    /// <summary>Whether a job waits for the operator.</summary>
    public bool AsksOperator(JobSpecification specification, string submitter, string peer) =>
        ManualApproval && !Automatic.Cover(specification, submitter, peer);

    /// <summary>
    /// The policy as text with one value a line, in a fixed order: what <see cref="Hash"/> covers. The values for horizontal jobs are in it where one of them is
    /// not its default.
    /// </summary>
    public string CanonicalForm() => string.Concat(
        GeneralValues().Concat(Rounds == RoundPolicy.Default ? [] : RoundValues()).Select(value => $"{value.Name}={value.Text}\n").Prepend("vertfed/v2/policy\n"));

    /// <summary>SHA-256 of the canonical form; crosses to the peer in Hello, so that neither can deny its policy later.</summary>
    public byte[] Hash() => SHA256.HashData(Encoding.UTF8.GetBytes(CanonicalForm()));

    /// <summary>The values that are looser than their defaults.</summary>
    public IReadOnlyList<PolicyValue> Loosened() => [.. Values().Where(value => value.IsLooser)];

    /// <summary>The same, each beside its default.</summary>
    public IEnumerable<(PolicyValue Value, PolicyValue Standard)> LoosenedBesideDefaults() =>
        Values().Zip(Default.Values()).Where(pair => pair.First.IsLooser);

    /// <summary>Equal policies are those of one canonical form.</summary>
    public bool Equals(PartyPolicy? other) => other is not null && CanonicalForm() == other.CanonicalForm();

    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(CanonicalForm());

    /// <summary>The kind's word in a policy.</summary>
    public static string NameOf(JobKind kind) => kind switch
    {
        JobKind.Score => "score",
        JobKind.Horizontal => "horizontal",
        _ => "train",
    };

    private PolicyValue[] Values() => [.. GeneralValues(), .. RoundValues()];

    private PolicyValue[] RoundValues() =>
    [
        AtMost("max_rounds", Rounds.MaxRounds, RoundPolicy.Default.MaxRounds),
        AtLeast("minimum_parties", Rounds.MinimumParties, RoundPolicy.Default.MinimumParties),
        AtLeast("minimum_rows", Rounds.MinimumRows, RoundPolicy.Default.MinimumRows),
        Flag("require_secure_aggregation", Rounds.RequireSecureAggregation, isLooser: false),
        Bound("max_epsilon", Rounds.MaxEpsilon),
        Bound("privacy_budget", Rounds.Budget),
    ];

    private PolicyValue[] GeneralValues() =>
    [
        Flag("allow_disclosure_risk", AllowDisclosureRisk, AllowDisclosureRisk),
        AtMost("max_iterations", MaxIterations, Default.MaxIterations),
        AtLeast("minimum_intersection", MinimumIntersection, Default.MinimumIntersection),
        AtLeast("minimum_rows_per_feature", MinimumRowsPerFeature, Default.MinimumRowsPerFeature),
        AtLeast("minimum_rows_per_scalar", MinimumRowsPerScalar, Default.MinimumRowsPerScalar),
        AtLeast("minimum_events_per_feature", MinimumEventsPerFeature, Default.MinimumEventsPerFeature),
        AtLeast("minimum_intersection_difference", MinimumIntersectionDifference, Default.MinimumIntersectionDifference),
        AtLeast("intersection_history_days", IntersectionHistoryDays, Default.IntersectionHistoryDays),
        AtMost("jobs_per_day", JobsPerDay, Default.JobsPerDay),
        Flag("partial_scores", PartialScores, isLooser: false),
        List("peers", Peers),
        List("purposes", Purposes),
        List("kinds", Kinds),
        List("families", Families),
        List("features", Features),
        List("datasets", Datasets),
        Flag("manual_approval", ManualApproval, isLooser: false),
        List("automatic_purposes", Automatic.Purposes),
        List("automatic_peers", Automatic.Peers),
        List("automatic_submitters", Automatic.Submitters),
        List("automatic_kinds", Automatic.Kinds),
        new("approval_hours", Text(ApprovalHours), ApprovalHours, IsLooser: false),
        new("warnings", Warnings.ToString(), Warnings.Words.Count, IsLooser: Warnings.Words.Count > 0),
        Flag("share_coefficients_with_submitter", ShareCoefficientsWithSubmitter, ShareCoefficientsWithSubmitter),
        Flag("share_score_quantiles_with_submitter", ShareScoreQuantilesWithSubmitter, ShareScoreQuantilesWithSubmitter),
        Flag("report_intersection_sha256", ReportIntersectionSha256, ReportIntersectionSha256),
        Flag("co_sign", CoSign, isLooser: false),
    ];

    private static PolicyValue Flag(string name, bool value, bool isLooser) => new(name, value ? "1" : "0", value ? 1 : 0, isLooser);

    private static PolicyValue AtMost(string name, long value, long standard) => new(name, Text(value), value, value > standard);

    private static PolicyValue AtLeast(string name, long value, long standard) => new(name, Text(value), value, value < standard);

    private static PolicyValue List(string name, WordList? words) => new(name, words?.ToString() ?? "*", words is null ? 1 : 0, IsLooser: false);

    private static PolicyValue Bound(string name, PrivacyBound? bound) => new(name, bound?.ToString() ?? "*", bound?.Epsilon ?? 0, IsLooser: false);

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
