using System.Globalization;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Policies;
using VertFed.Protocol;
using VertFed.Vertical;

namespace VertFed.PartyNode.Sessions;

/// <summary>
/// The rules of the party's own policy that need the alignment: how many rows there are, and how far they are from earlier jobs'.
/// The project's guards (docs/protocol.md, section 7) follow at TrainSetup; a policy can only be tighter.
/// </summary>
internal static class PolicyGuards
{
    /// <summary>Evaluates the rules; none of them throws.</summary>
    /// <param name="smallestDifference">Rows by which the nearest earlier intersection differs; null if there is none.</param>
    public static IReadOnlyList<Guard> Evaluate(
        PartyConfig config, JobSpecification specification, VerticalInput input, long? smallestDifference)
    {
        PartyPolicy policy = config.Policy;
        bool accept = specification.AcceptDisclosureRisk;
        long trainRows = input.IsTest.LongCount(test => !test);
        List<Guard> guards =
        [
            AtLeast("minimum-intersection", policy.MinimumIntersection, input.IsTest.Length, acceptable: false),
        ];
        if (smallestDifference is { } difference)
        {
            guards.Add(AtLeast("intersection-difference", policy.MinimumIntersectionDifference, difference, accept));
        }

        // At its default a rule is the project's own guard and is evaluated there.
        if (policy.MinimumRowsPerFeature > PartyPolicy.Default.MinimumRowsPerFeature)
        {
            double rows = (double)trainRows / input.Columns.Length;
            guards.Add(AtLeast("policy-rows-per-feature", policy.MinimumRowsPerFeature, rows, accept));
        }

        if (policy.MinimumEventsPerFeature > PartyPolicy.Default.MinimumEventsPerFeature && input.Labels is { } labels
            && specification.Family == Protocol.V1.Family.Logistic)
        {
            long events = labels.Where((y, i) => !input.IsTest[i] && y == 1).LongCount();
            double fewest = Math.Min(events, trainRows - events);
            guards.Add(AtLeast("policy-events-per-feature", policy.MinimumEventsPerFeature, fewest / input.Columns.Length, accept));
        }

        return [.. guards.Select(guard => guard with { Name = $"{config.Name}: {guard.Name}" })];
    }

    /// <summary>The rules of a score job, which fits nothing: how many customers there are.</summary>
    public static IReadOnlyList<Guard> EvaluateScoring(PartyConfig config, VerticalInput input) =>
        [AtLeast($"{config.Name}: minimum-intersection", config.Policy.MinimumIntersection, input.IsTest.Length, acceptable: false)];

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

    private static Guard AtLeast(string name, double limit, double value, bool acceptable) =>
        new(name, limit, value, value >= limit ? GuardVerdicts.Pass : acceptable ? GuardVerdicts.Accepted : GuardVerdicts.Refuse);
}
