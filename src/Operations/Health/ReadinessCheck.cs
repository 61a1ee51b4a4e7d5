namespace VertFed.Operations.Health;

/// <summary>One thing that has to be well for a node to be ready.</summary>
/// <param name="Name">A word such as "store".</param>
/// <param name="Probe">Null: it is well; else why not, for the operator. What it throws is a reason as well.</param>
public sealed record ReadinessCheck(string Name, Func<CancellationToken, Task<string?>> Probe);

/// <summary>What a check found.</summary>
/// <param name="Reason">Null: all is well.</param>
public sealed record ReadinessFinding(string Name, string? Reason);
