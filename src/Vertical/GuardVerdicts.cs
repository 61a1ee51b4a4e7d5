namespace VertFed.Vertical;

/// <summary>The four verdicts of a guard.</summary>
public static class GuardVerdicts
{
    public const string Pass = "pass";

    public const string Warn = "warn";

    public const string Refuse = "refuse";

    /// <summary>A refusal that the job spec accepts.</summary>
    public const string Accepted = "accepted";

    public static IReadOnlyList<string> All { get; } = [Pass, Warn, Refuse, Accepted];
}
