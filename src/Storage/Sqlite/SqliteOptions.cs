namespace VertFed.Storage.Sqlite;

/// <summary>How a SQLite store is opened.</summary>
public sealed record SqliteOptions
{
    /// <summary>Longest wait for a lock that another connection holds, in milliseconds.</summary>
    public int BusyTimeoutMs { get; init; } = 5_000;

    /// <summary>Most write requests that wait at once; further callers wait to be let in.</summary>
    public int WriteQueue { get; init; } = 64;

    /// <summary>Upper bound of the file in pages of 8 KiB; 0 for none. Reaching it is reported as a full disk.</summary>
    public int MaxPages { get; init; }

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
