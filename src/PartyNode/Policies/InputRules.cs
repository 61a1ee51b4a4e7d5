using System.Globalization;
using VertFed.PartyNode.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Policies;

/// <summary>The shape of a party's input.</summary>
/// <param name="Columns">Names of the columns that the job would use.</param>
public sealed record InputShape(string Dataset, long Rows, IReadOnlyList<string> Columns);

/// <summary>
/// The rules that need the loaded input and nothing of the peer. Those that wait for the alignment are stated here too: as what they
/// will ask, or as a refusal where no alignment could content them.
/// </summary>
public static class InputRules
{
    public static IReadOnlyList<RuleFinding> Evaluate(PartyConfig config, JobSpecification specification, string submitter, string peer, InputShape shape) =>
    [
        Features(config.Policy, shape),
        RuleFinding.Of(PolicyRules.Approval, RuleMoment.Input, objection: null, config.Policy, Approval(config.Policy, specification, submitter, peer)),
        .. specification.Horizontal is null ? [Intersection(config.Policy, shape)] : Array.Empty<RuleFinding>(),
        .. specification.Kind == JobKind.Train ? AfterAlignment(config, specification) : [],
    ];

    /// <summary>Own columns that the policy keeps out of jobs.</summary>
    public static IReadOnlyList<string> NotAllowed(PartyPolicy policy, InputShape shape) =>
        [.. shape.Columns.Where(name => policy.Features?.Contains(name) == false)];

    private static RuleFinding Features(PartyPolicy policy, InputShape shape)
    {
        // Names stay here: a refusal reaches the coordinator in the clear.
        int others = NotAllowed(policy, shape).Count;
        return RuleFinding.Of(
            PolicyRules.Features,
            RuleMoment.Input,
            others == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"{others} of {shape.Columns.Count} columns are not among those that the policy allows (features); the node's log names them"),
            policy,
            policy.Features is null ? "the policy allows every column" : "");
    }

    private static string Approval(PartyPolicy policy, JobSpecification specification, string submitter, string peer) =>
        policy.AsksOperator(specification, submitter, peer)
            ? string.Create(CultureInfo.InvariantCulture, $"the operator is asked, and has {policy.ApprovalHours} hours")
            : policy.ManualApproval ? "automatic for this job" : "automatic";

    private static RuleFinding Intersection(PartyPolicy policy, InputShape shape) =>
        shape.Rows < policy.MinimumIntersection
            ? RuleFinding.Of(
                PolicyRules.MinimumIntersection,
                RuleMoment.Aligned,
                string.Create(CultureInfo.InvariantCulture, $"the input has {shape.Rows} rows where at least {policy.MinimumIntersection} shared ones are asked for"),
                policy)
            : Later(PolicyRules.MinimumIntersection, string.Create(CultureInfo.InvariantCulture, $"asks for at least {policy.MinimumIntersection} shared customers"));

    private static IEnumerable<RuleFinding> AfterAlignment(PartyConfig config, JobSpecification specification)
    {
        PartyPolicy policy = config.Policy;
        yield return Later(
            PolicyRules.IntersectionDifference,
            string.Create(CultureInfo.InvariantCulture, $"asks for at least {policy.MinimumIntersectionDifference} rows' difference from each job with this peer within {policy.IntersectionHistoryDays} days, or none"));
        yield return Later(PolicyRules.RowsPerFeature, string.Create(CultureInfo.InvariantCulture, $"asks for at least {policy.MinimumRowsPerFeature} training rows a feature"));
        yield return Later(
            PolicyRules.RowsPerScalar,
            string.Create(CultureInfo.InvariantCulture, $"asks for at least {policy.MinimumRowsPerScalar} training rows for each of iterations × features scalars"));
        if (specification.Family == Family.Logistic && config.Role == Role.LabelParty)
        {
            yield return Later(
                PolicyRules.EventsPerFeature, string.Create(CultureInfo.InvariantCulture, $"asks for at least {policy.MinimumEventsPerFeature} events and as many non-events a feature"));
        }
    }

    private static RuleFinding Later(string rule, string reason) => new(rule, RuleMoment.Aligned, RuleFinding.Later, reason);
}
