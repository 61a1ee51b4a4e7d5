using System.Globalization;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Policies;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;
using Guard = VertFed.Protocol.Guard;

namespace VertFed.PartyNode.Sessions;

/// <summary>
/// The rules of the party's own policy that need the alignment: how many rows there are, and how far they are from earlier jobs'.
/// The project's guards (docs/protocol.md, section 7) follow at TrainSetup; a policy can only be tighter.
/// </summary>
internal static class PolicyGuards
{
    /// <summary>Evaluates the rules; none of them throws.</summary>
    /// <param name="smallestDifference">Rows by which the nearest recent intersection differs; null if there is none.</param>
    public static IReadOnlyList<Guard> Evaluate(
        PartyConfig config, JobSpecification specification, VerticalInput input, long? smallestDifference)
    {
        PartyPolicy policy = config.Policy;
        List<Guard> guards = [AtLeast(policy, PolicyRules.MinimumIntersection, policy.MinimumIntersection, input.IsTest.Length, acceptable: false)];
        if (specification.Kind == JobKind.Train)
        {
            guards.AddRange(OfTraining(policy, specification, input, smallestDifference));
        }

        return [.. guards.Select(guard => guard with { Name = $"{config.Name}: {guard.Name}" })];
    }

    /// <summary>A score job's warning of levels, and missing numbers, that training did not know; null where there are none.</summary>
    /// <param name="unseen">Rows of such levels, by column. Their sum alone is told: guards reach the submitter, names of columns do not.</param>
    public static Guard? UnseenLevels(PartyConfig config, IReadOnlyDictionary<string, int> unseen) =>
        unseen.Count == 0 ? null : new Guard($"{config.Name}: unseen_levels", 0, unseen.Values.Sum(rows => (double)rows), GuardVerdicts.Warn);

    /// <summary>What of the rules on an offer, and of the policy itself, a report shows: rules that warn, and values looser than the defaults.</summary>
    public static IEnumerable<Guard> Noted(PartyConfig config, IEnumerable<RuleFinding> findings)
    {
        foreach (RuleFinding finding in findings.Where(finding => finding.Verdict == GuardVerdicts.Warn))
        {
            yield return new Guard($"{config.Name}: {finding.Rule} ({finding.Reason})", 0, 1, GuardVerdicts.Warn);
        }

        foreach ((PolicyValue value, PolicyValue standard) in config.Policy.LoosenedBesideDefaults())
        {
            yield return new Guard($"{config.Name}: own policy sets {value.Name} looser than its default", standard.Value, value.Value, GuardVerdicts.Warn);
        }
    }

    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>, naming the first rule that refuses.</exception>
    public static void Require(IReadOnlyList<Guard> guards, string party)
    {
        if (guards.FirstOrDefault(guard => guard.Verdict == GuardVerdicts.Refuse) is { } refusal)
        {
            throw new VertFedException(
                ErrorCode.Refused,
                string.Create(CultureInfo.InvariantCulture, $"policy rule '{refusal.Name}': {refusal.Value:0.###} where at least {refusal.Limit:0.###} is asked for"))
            {
                Party = party,
            };
        }
    }

    private static IEnumerable<Guard> OfTraining(PartyPolicy policy, JobSpecification specification, VerticalInput input, long? smallestDifference)
    {
        bool accept = specification.AcceptDisclosureRisk;
        long trainRows = input.IsTest.LongCount(test => !test);
        double columns = input.Columns.Length;
        if (smallestDifference is { } difference)
        {
            yield return AtLeast(policy, PolicyRules.IntersectionDifference, policy.MinimumIntersectionDifference, difference, accept);
        }

        // At its default a rule is the project's own guard and is evaluated there.
        if (policy.MinimumRowsPerFeature > PartyPolicy.Default.MinimumRowsPerFeature)
        {
            yield return AtLeast(policy, PolicyRules.RowsPerFeature, policy.MinimumRowsPerFeature, trainRows / columns, accept);
        }

        if (policy.MinimumRowsPerScalar > PartyPolicy.Default.MinimumRowsPerScalar)
        {
            yield return AtLeast(policy, PolicyRules.RowsPerScalar, policy.MinimumRowsPerScalar, trainRows / (columns * specification.MaxIterations), accept);
        }

        if (policy.MinimumEventsPerFeature > PartyPolicy.Default.MinimumEventsPerFeature && input.Labels is { } labels
            && specification.Family == Family.Logistic)
        {
            long events = labels.Where((y, i) => !input.IsTest[i] && y == 1).LongCount();
            double fewest = Math.Min(events, trainRows - events);
            yield return AtLeast(policy, PolicyRules.EventsPerFeature, policy.MinimumEventsPerFeature, fewest / columns, accept);
        }
    }

    private static Guard AtLeast(PartyPolicy policy, string name, double limit, double value, bool acceptable) => new(
        name,
        limit,
        value,
        value >= limit ? GuardVerdicts.Pass
            : policy.Warns(name) ? GuardVerdicts.Warn
            : acceptable ? GuardVerdicts.Accepted
            : GuardVerdicts.Refuse);
}
