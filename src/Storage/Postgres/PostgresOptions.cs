using VertFed.Storage.Sql;

namespace VertFed.Storage.Postgres;

/// <summary>How a PostgreSQL store is opened.</summary>
public sealed record PostgresOptions : StoreOptions
{
    /// <summary>How long opening waits for a process that has the store open, such as one that was just ended.</summary>
    public TimeSpan LockWait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long reads and writes wait for a server that is away before they fail.</summary>
    public TimeSpan ReconnectFor { get; init; } = TimeSpan.FromSeconds(30);
}
