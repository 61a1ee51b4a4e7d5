namespace VertFed.Protocol;

/// <summary>A value class that a party learned beyond its own data.</summary>
/// <param name="Party">Name of the party, or "coordinator", that learned it.</param>
/// <param name="What">What was learned, in words.</param>
/// <param name="Scalars">How many numbers.</param>
/// <param name="Step">The step in which it crossed.</param>
public sealed record Disclosure(string Party, string What, long Scalars, string Step);

/// <summary>A named rule with its limit, the value found and the verdict.</summary>
/// <param name="Verdict">pass, warn, refuse, or accepted (a refusal that the job spec accepts).</param>
public sealed record Guard(string Name, double Limit, double Value, string Verdict);
