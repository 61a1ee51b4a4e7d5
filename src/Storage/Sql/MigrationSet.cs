using System.Data.Common;
using Dapper;

namespace VertFed.Storage.Sql;

/// <summary>
/// A component's schema as a list of forward-only steps: step i brings version i to version i + 1. Published steps are
/// never edited; a change is a new step.
/// </summary>
/// <param name="Component">"coordinator" or "party": a store of the one is refused by the other.</param>
/// <param name="ErasesForGood">Whether what is deleted is a secret, so that no free page of a file may keep it.</param>
/// <param name="Steps">SQL scripts, oldest first, in the words of <see cref="SqlDialects.Schema"/>.</param>
internal sealed record MigrationSet(string Component, bool ErasesForGood, IReadOnlyList<string> Steps)
{
    /// <summary>Brings the open database to the newest version, all steps in one transaction that keeps other writers out.</summary>
    /// <exception cref="Protocol.VertFedException">Storage: a newer schema, or another component's store.</exception>
    public void Apply(DbConnection connection, SqlDialect dialect, string store, long nowUnixMs)
    {
        using DbTransaction transaction = connection.BeginTransaction();
        connection.Execute("CREATE TABLE IF NOT EXISTS schema_version (component TEXT NOT NULL, version BIGINT NOT NULL, applied_ms BIGINT NOT NULL, PRIMARY KEY (component, version))");
        long version = VersionOf(connection, store);
        for (int i = (int)version; i < Steps.Count; i++)
        {
            connection.Execute(dialect.Schema(Steps[i]));
            connection.Execute(
                "INSERT INTO schema_version (component, version, applied_ms) VALUES (@Component, @Version, @nowUnixMs)",
                new { Component, Version = i + 1, nowUnixMs });
        }

        transaction.Commit();
    }

    /// <summary>Checks that the database is this component's at the newest version; for readers, who may not change it.</summary>
    /// <exception cref="Protocol.VertFedException">Storage: an older or newer schema, or another component's store.</exception>
    public void Require(DbConnection connection, string store)
    {
        long version = VersionOf(connection, store);
        if (version < Steps.Count)
            throw StorageError.Older(store, version, Steps.Count);
    }

    private long VersionOf(DbConnection connection, string store)
    {
        string? other = connection.QueryFirstOrDefault<string>(
            "SELECT component FROM schema_version WHERE component <> @Component", new { Component });
        if (other is not null)
            throw StorageError.OtherComponent(store, other, Component);
        long version = connection.ExecuteScalar<long?>(
            "SELECT MAX(version) FROM schema_version WHERE component = @Component", new { Component }) ?? 0;
        return version > Steps.Count ? throw StorageError.Newer(store, version, Steps.Count) : version;
    }
}
