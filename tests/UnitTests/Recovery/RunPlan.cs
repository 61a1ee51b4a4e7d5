namespace VertFed.UnitTests.Recovery;

/// <summary>What the three processes of a run stand on.</summary>
internal sealed record RunPlan
{
    public IRunStores Stores { get; init; } = new SqliteStores([]);

    /// <summary>Where an actor's first life keeps its files, where that is not the temporary folder.</summary>
    public IReadOnlyDictionary<Actor, string> Homes { get; init; } = new Dictionary<Actor, string>();

    /// <summary>What goes once all three have ended.</summary>
    public IDisposable? Ground { get; init; }

    /// <summary>The clock of an actor's next life.</summary>
    public Func<Actor, TimeProvider> Clock { get; init; } = _ => TimeProvider.System;

    /// <summary>Whether the coordinator has its operator's pages.</summary>
    public bool HasPages { get; init; }
}
