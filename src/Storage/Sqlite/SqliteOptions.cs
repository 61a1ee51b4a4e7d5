using VertFed.Storage.Sql;

namespace VertFed.Storage.Sqlite;

/// <summary>How a SQLite store is opened.</summary>
public sealed record SqliteOptions : StoreOptions
{
    /// <summary>Longest wait for a lock that another connection holds, in milliseconds.</summary>
    public int BusyTimeoutMs { get; init; } = 5_000;

    /// <summary>Upper bound of the file in pages of 8 KiB; 0 for none. Reaching it is reported as a full disk.</summary>
    public int MaxPages { get; init; }
}
