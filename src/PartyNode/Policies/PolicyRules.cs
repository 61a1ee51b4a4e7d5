namespace VertFed.PartyNode.Policies;

/// <summary>When a rule is evaluated.</summary>
public enum RuleMoment
{
    /// <summary>On the offer, before the data file is opened.</summary>
    Offer = 0,

    /// <summary>On the loaded input, before anything is sent.</summary>
    Input = 1,

    /// <summary>After the alignment, before anything is learned from the shared rows.</summary>
    Aligned = 2,
}

/// <summary>One rule of a party: its name in refusals, reports and configuration, and what it is about.</summary>
/// <param name="CanWarn">Whether a policy may have it warn where it would refuse; the others keep the party who it says it is.</param>
public sealed record PolicyRule(string Name, RuleMoment Moment, bool CanWarn);

/// <summary>Every rule of a party's own, in the order in which they are evaluated. docs/party.md says what each asks.</summary>
public static class PolicyRules
{
    public const string Approval = "approval";
    public const string Features = "features";
    public const string MinimumRows = "minimum-rows";
    public const string PublicRows = "public-rows";
    public const string JobBudget = "job-budget";
    public const string MaxEpsilon = "max-epsilon";
    public const string PrivacyBudget = "privacy-budget";
    public const string MinimumIntersection = "minimum-intersection";
    public const string IntersectionDifference = "intersection-difference";
    public const string RowsPerFeature = "policy-rows-per-feature";
    public const string RowsPerScalar = "policy-rows-per-scalar";
    public const string EventsPerFeature = "policy-events-per-feature";

    public static IReadOnlyList<PolicyRule> All { get; } =
    [
        .. JoinRules.All.Select(rule => new PolicyRule(rule.Name, RuleMoment.Offer, rule.CanWarn)),
        new(Features, RuleMoment.Input, CanWarn: true),
        new(Approval, RuleMoment.Input, CanWarn: false),
        new(MinimumRows, RuleMoment.Input, CanWarn: true),
        new(PublicRows, RuleMoment.Input, CanWarn: false),
        new(JobBudget, RuleMoment.Input, CanWarn: false),
        new(MaxEpsilon, RuleMoment.Input, CanWarn: true),
        new(PrivacyBudget, RuleMoment.Input, CanWarn: true),
        new(MinimumIntersection, RuleMoment.Aligned, CanWarn: true),
        new(IntersectionDifference, RuleMoment.Aligned, CanWarn: true),
        new(RowsPerFeature, RuleMoment.Aligned, CanWarn: true),
        new(RowsPerScalar, RuleMoment.Aligned, CanWarn: true),
        new(EventsPerFeature, RuleMoment.Aligned, CanWarn: true),
    ];

    /// <summary>The word of a moment in reports.</summary>
    public static string NameOf(RuleMoment moment) => moment switch
    {
        RuleMoment.Offer => "offer",
        RuleMoment.Input => "input",
        _ => "aligned",
    };
}
