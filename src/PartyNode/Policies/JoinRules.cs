using System.Globalization;
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
    internal PartyReference Own => Spec.Party(Config.Role);

    internal PartyReference Peer => Spec.Party(Config.Role == Role.LabelParty ? Role.FeatureParty : Role.LabelParty);
}

/// <summary>A named condition on joining a job.</summary>
/// <param name="Name">The name that a refusal states.</param>
/// <param name="Objection">Why the job is refused, or null if the rule is content.</param>
public sealed record JoinRule(string Name, Func<JobProposal, string?> Objection);

/// <summary>The rules that a party checks before it joins a job, in their order.</summary>
public static class JoinRules
{
    public static IReadOnlyList<JoinRule> All { get; } =
    [
        new("submitter-allowed", job => job.Config.Submitters.Contains(job.SubmitterFingerprint, StringComparer.Ordinal)
            ? null
            : "the submitter's key is not among 'submitters'"),
        new("own-identity", job => job.Own == new PartyReference(job.Config.Name, job.OwnFingerprint)
            ? null
            : string.Create(
                CultureInfo.InvariantCulture,
                $"the spec does not name '{job.Config.Name}' with its own fingerprint as {RoleName(job.Config.Role)}")),
        new("peer-pinned", job => job.Config.Peers.Contains(new PinnedPeer(job.Peer.Name, job.Peer.Fingerprint))
            ? null
            : $"'{job.Peer.Name}' with the fingerprint in the spec is not among 'peers'"),
        new("job-kind", job => job.Spec.Kind is JobKind.Train or JobKind.Score ? null : "only train and score jobs are taken"),
        new("family", job => job.Spec.Kind == JobKind.Score || job.Spec.Family is Family.Logistic or Family.Linear
            ? null
            : "only the families logistic and linear are taken"),
        new("max-iterations", job => job.Spec.MaxIterations <= job.Config.Policy.MaxIterations
            ? null
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{job.Spec.MaxIterations} iterations are asked for, {job.Config.Policy.MaxIterations} allowed")),
        new("disclosure-risk", job => !job.Spec.AcceptDisclosureRisk || job.Config.Policy.AllowDisclosureRisk
            ? null
            : "the spec accepts disclosure risk, the policy does not (allow_disclosure_risk)"),
    ];

    /// <summary>Checks every rule.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>, naming the first rule that objects.</exception>
    public static void Check(JobProposal proposal)
    {
        foreach (JoinRule rule in All)
        {
            if (rule.Objection(proposal) is { } why)
            {
                throw new VertFedException(ErrorCode.Refused, $"policy rule '{rule.Name}': {why}") { Party = proposal.Config.Name };
            }
        }
    }

    private static string RoleName(Role role) => role == Role.LabelParty ? "label party" : "feature party";
}
