using VertFed.Protocol;
using VertFed.Vertical;

namespace VertFed.PartyNode.Policies;

/// <summary>What a rule says of a job.</summary>
/// <param name="Verdict">One of <see cref="GuardVerdicts"/>, or <see cref="Later"/>.</param>
/// <param name="Reason">Why, in words with the numbers that decided; never an id or a value of a row.</param>
public sealed record RuleFinding(string Rule, RuleMoment Moment, string Verdict, string Reason)
{
    /// <summary>The rule cannot be evaluated yet.</summary>
    public const string Later = "later";

    public bool Refuses => Verdict == GuardVerdicts.Refuse;

    /// <summary>A finding of a rule that objects, or does not.</summary>
    /// <param name="objection">Why the rule is not content; null if it is.</param>
    /// <param name="content">What to say where it is.</param>
    public static RuleFinding Of(string rule, RuleMoment moment, string? objection, PartyPolicy policy, string content = "") => new(
        rule,
        moment,
        objection is null ? GuardVerdicts.Pass : policy.Warns(rule) ? GuardVerdicts.Warn : GuardVerdicts.Refuse,
        objection ?? content);

    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>, naming the first rule that refuses.</exception>
    public static void Require(IEnumerable<RuleFinding> findings, string party)
    {
        if (findings.FirstOrDefault(finding => finding.Refuses) is { } refusal)
        {
            throw new VertFedException(ErrorCode.Refused, $"policy rule '{refusal.Rule}': {refusal.Reason}") { Party = party };
        }
    }
}
