using Dapper;
using Microsoft.Data.Sqlite;

namespace VertFed.Storage.Sqlite;

/// <summary>
/// A component's schema as a list of forward-only steps: step i brings version i to version i + 1. Published steps are
/// never edited; a change is a new step.
/// </summary>
/// <param name="Component">"coordinator" or "party": a store of the one is refused by the other.</param>
/// <param name="Steps">SQL scripts, oldest first.</param>
internal sealed record MigrationSet(string Component, IReadOnlyList<string> Steps)
{
    /// <summary>Brings the open database to the newest version, all steps in one exclusive transaction.</summary>
    /// <exception cref="VertFed.Protocol.VertFedException">Storage: a newer schema, or another component's store.</exception>
    public void Apply(SqliteConnection connection, string file, long nowUnixMs)
    {
        // Exclusive: a second process that opens the same file waits here (busy_timeout) and then finds nothing left to do.
        connection.Execute("BEGIN EXCLUSIVE");
        try
        {
            connection.Execute("CREATE TABLE IF NOT EXISTS schema_version (component TEXT NOT NULL, version BIGINT NOT NULL, applied_ms BIGINT NOT NULL, PRIMARY KEY (component, version))");
            long version = VersionOf(connection, file);
            for (int i = (int)version; i < Steps.Count; i++)
            {
                connection.Execute(Steps[i]);
                connection.Execute(
                    "INSERT INTO schema_version (component, version, applied_ms) VALUES (@Component, @Version, @nowUnixMs)",
                    new { Component, Version = i + 1, nowUnixMs });
            }

            connection.Execute("COMMIT");
        }
        catch
        {
            Rollback(connection);
            throw;
        }
    }

    /// <summary>Checks that the database is this component's at the newest version; for readers, who may not change it.</summary>
    /// <exception cref="VertFed.Protocol.VertFedException">Storage: an older or newer schema, or another component's store.</exception>
    public void Require(SqliteConnection connection, string file)
    {
        long version = VersionOf(connection, file);
        if (version < Steps.Count)
            throw StorageError.Older(file, version, Steps.Count);
    }

    private long VersionOf(SqliteConnection connection, string file)
    {
        string? other = connection.QueryFirstOrDefault<string>(
            "SELECT component FROM schema_version WHERE component <> @Component", new { Component });
        if (other is not null)
            throw StorageError.OtherComponent(file, other, Component);
        long version = connection.ExecuteScalar<long?>(
            "SELECT MAX(version) FROM schema_version WHERE component = @Component", new { Component }) ?? 0;
        return version > Steps.Count ? throw StorageError.Newer(file, version, Steps.Count) : version;
    }

    private static void Rollback(SqliteConnection connection)
    {
        // SQLite itself ends the transaction on some errors (disk full); a second ROLLBACK would hide the first error.
        if (SQLitePCL.raw.sqlite3_get_autocommit(connection.Handle) == 0)
            connection.Execute("ROLLBACK");
    }
}
