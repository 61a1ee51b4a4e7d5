using System.Globalization;
using VertFed.Horizontal.Privacy;
using VertFed.PartyNode.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Policies;

/// <summary>What a rule looks at: the verified job spec, who signed it, and this party.</summary>
/// <param name="Spec">The job spec; its own limits were checked when it was parsed.</param>
/// <param name="SubmitterFingerprint">Fingerprint of the key whose signature over the spec was verified.</param>
/// <param name="OwnFingerprint">Fingerprint of this party's identity key.</param>
public sealed record JobProposal(JobSpecification Spec, string SubmitterFingerprint, string OwnFingerprint, PartyConfig Config)
{
    /// <summary>What this party's record says beside the spec.</summary>
    public PartyFacts Facts { get; init; } = PartyFacts.None;

    internal PartyReference Own => JobParties.Own(Spec, Config);

    internal IReadOnlyList<PartyReference> Peers => JobParties.Peers(Spec, Config);

    internal PartyPolicy Policy => Config.Policy;
}

/// <summary>What a party's record says of an offer.</summary>
/// <param name="JobsToday">Jobs that this party has accepted within the last 24 hours, this one not counted.</param>
/// <param name="Conflict">What speaks against the job id; null where it is new or stands for the same job.</param>
public sealed record PartyFacts(long JobsToday, string? Conflict)
{
    public static PartyFacts None { get; } = new(0, Conflict: null);

    /// <summary>What other jobs on the dataset of a horizontal job have spent of a row's privacy, or may yet.</summary>
    public PrivacyAccountant Spent { get; init; } = PrivacyAccountant.Fresh;

    /// <summary>Family of the model that a score job names; null where it trains, or where this party has no such model, which refuses it later.</summary>
    public Family? ModelFamily { get; init; }
}

/// <summary>A named condition on joining a job.</summary>
/// <param name="Name">The name that a refusal states.</param>
/// <param name="Objection">Why the job is refused, or null if the rule is content.</param>
public sealed record JoinRule(string Name, Func<JobProposal, string?> Objection)
{
    /// <summary>Whether a policy may have it warn instead.</summary>
    public bool CanWarn { get; init; }
}

/// <summary>The rules that a party checks on an offer, in their order. None of them needs the party's data.</summary>
public static class JoinRules
{
    public static IReadOnlyList<JoinRule> All { get; } =
    [
        new("one-spec-per-job", job => job.Facts.Conflict),
        new("submitter-allowed", job => job.Config.Submitters.Contains(job.SubmitterFingerprint, StringComparer.Ordinal)
            ? null
            : "the submitter's key is not among 'submitters'"),
        new("own-identity", job => job.Own == new PartyReference(job.Config.Name, job.OwnFingerprint)
            ? null
            : string.Create(
                CultureInfo.InvariantCulture,
                $"the spec does not name '{job.Config.Name}' with its own fingerprint{(job.Spec.Horizontal is null ? $" as {RoleName(job.Config.Role)}" : "")}")),
        new("label-needed", job => job.Spec.Horizontal is null || job.Config.Role == Role.LabelParty
            ? null
            : "a horizontal job needs labels of every party, and this node's role is feature"),
        new("peer-pinned", job => job.Peers.FirstOrDefault(named => !job.Config.Peers.Any(peer => peer.Name == named.Name && peer.Holds(named.Fingerprint))) is { } stranger
            ? $"'{stranger.Name}' with the fingerprint in the spec is not among 'peers'"
            : null),
        new("peer-allowed", job => job.Peers.FirstOrDefault(named => job.Policy.Peers?.Contains(named.Name) == false) is { } other
            ? $"the policy does not allow jobs with '{other.Name}'"
            : null),
        new("purpose", job => Allowed(job.Policy.Purposes, job.Spec.Purpose, "purpose")) { CanWarn = true },
        new("job-kind", job => Allowed(job.Policy.Kinds ?? PartyPolicy.StandardKinds, PartyPolicy.NameOf(job.Spec.Kind), "kind")),
        new("family", job => job.Spec.Horizontal is { } horizontal ? Allowed(job.Policy.Families, horizontal.Model.Split(':', '/')[0], "family")
            : (job.Spec.Kind == JobKind.Train ? job.Spec.Family : job.Facts.ModelFamily) is not { } family ? null
            : family is not (Family.Logistic or Family.Linear) ? "only the families logistic and linear are taken"
            : Allowed(job.Policy.Families, family == Family.Linear ? "linear" : "logistic", job.Spec.Kind == JobKind.Train ? "family" : "the model's family")),
        new("dataset", job => job.Config.Datasets.ContainsKey(job.Spec.Dataset)
            ? Allowed(job.Policy.Datasets, job.Spec.Dataset, "dataset")
            : $"'{job.Spec.Dataset}' is not among the configured datasets"),
        new("max-iterations", job => job.Spec.MaxIterations <= job.Policy.MaxIterations
            ? null
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{job.Spec.MaxIterations} iterations are asked for, {job.Policy.MaxIterations} allowed")) { CanWarn = true },
        new("max-rounds", job => job.Spec.Horizontal is not { } horizontal || horizontal.Rounds <= job.Policy.Rounds.MaxRounds
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"{horizontal.Rounds} rounds are asked for, {job.Policy.Rounds.MaxRounds} allowed")) { CanWarn = true },
        new("minimum-parties", job => job.Spec.Horizontal is null || job.Spec.Parties.Count >= job.Policy.Rounds.MinimumParties
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"the job has {job.Spec.Parties.Count} parties, at least {job.Policy.Rounds.MinimumParties} are asked for")) { CanWarn = true },
        new("secure-aggregation", job => job.Spec.Horizontal?.IsSecure != false || !job.Policy.Rounds.RequireSecureAggregation
            ? null
            : "the coordinator would read single updates, which the policy does not allow (require_secure_aggregation)") { CanWarn = true },
        new("exact-sums", job => job.Spec.Horizontal is not { Scaling: ScalingChoice.Federated } || job.Policy.Rounds is { MaxEpsilon: null, Budget: null }
            ? null
            : "the sums for 'scaling: federated' have no noise, so the policy's bounds on epsilon do not cover them; 'scaling: none' has no such sums") { CanWarn = true },
        new("partial-scores", job => job.Policy.PartialScores || job.Config.Role == Role.LabelParty || (job.Spec.Kind == JobKind.Train && job.Spec.Holdout == 0)
            ? null
            : job.Spec.Kind == JobKind.Train
                ? string.Create(CultureInfo.InvariantCulture, $"a holdout of {job.Spec.Holdout:0.###} reveals the test rows' partial scores, which the policy does not allow (partial_scores)")
                : "a score job reveals partial scores, which the policy does not allow (partial_scores)") { CanWarn = true },
        new("disclosure-risk", job => !job.Spec.AcceptDisclosureRisk || job.Policy.AllowDisclosureRisk
            ? null
            : "the spec accepts disclosure risk, the policy does not (allow_disclosure_risk)"),
        new("jobs-per-day", job => job.Facts.JobsToday < job.Policy.JobsPerDay
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"{job.Facts.JobsToday} jobs were accepted within 24 hours, {job.Policy.JobsPerDay} are allowed")) { CanWarn = true },
    ];

    /// <summary>Evaluates every rule. After one that fixes who asks and with whom, an objection ends the list: a stranger hears no more.</summary>
    public static IReadOnlyList<RuleFinding> Evaluate(JobProposal proposal)
    {
        List<RuleFinding> findings = [];
        foreach (JoinRule rule in All)
        {
            RuleFinding finding = RuleFinding.Of(rule.Name, RuleMoment.Offer, rule.Objection(proposal), proposal.Policy);
            findings.Add(finding);
            if (finding.Refuses && rule.Name is "one-spec-per-job" or "submitter-allowed" or "own-identity" or "peer-pinned")
            {
                break;
            }
        }

        return findings;
    }

    /// <summary>Checks every rule.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>, naming the first rule that objects.</exception>
    public static void Check(JobProposal proposal) => RuleFinding.Require(Evaluate(proposal), proposal.Config.Name);

    private static string? Allowed(WordList? list, string word, string what) => list is null || list.Contains(word)
        ? null
        : $"{what} {(word.Length > 0 ? $"'{word}'" : "is not stated; it")} is not among those that the policy allows: {string.Join(", ", list.Words)}";

    private static string RoleName(Role role) => role == Role.LabelParty ? "label party" : "feature party";
}
