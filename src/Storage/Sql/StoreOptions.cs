namespace VertFed.Storage.Sql;

/// <summary>How a store is opened, whatever its database.</summary>
public abstract record StoreOptions
{
    /// <summary>Most write requests that wait at once; further callers wait to be let in.</summary>
    public int WriteQueue { get; init; } = 64;

    /// <summary>Called around each commit; tests make it throw to simulate a write that failed, before or after it was kept.</summary>
    internal Action<CommitStage>? CommitHook { get; init; }
}

internal enum CommitStage
{
    /// <summary>The commit has not happened; a failure here keeps nothing.</summary>
    Before,

    /// <summary>The commit has happened; a failure here is reported although the change is kept.</summary>
    After,
}
