using Dapper;
using Npgsql;

namespace VertFed.Storage.Postgres;

/// <summary>
/// The connection through which a store is written. It holds an advisory lock for as long as it lives, so that no other process writes.
/// </summary>
internal sealed class PostgresWriter : IDisposable
{
    // pg_current_xact_id and pg_xact_status are from version 13.
    private static readonly Version Oldest = new(13, 0);
    private readonly int _process;
    private readonly DateTime _since;

    private PostgresWriter(NpgsqlConnection connection, int process, DateTime since)
    {
        Connection = connection;
        _process = process;
        _since = since;
    }

    public NpgsqlConnection Connection { get; }

    /// <summary>Connects and takes the lock, waiting for it no longer than said.</summary>
    /// <param name="before">This process' connection that broke: if the server has not noticed yet, it still holds the lock, and is ended.</param>
    /// <exception cref="NpgsqlException">The server cannot be reached or refuses.</exception>
    /// <exception cref="Protocol.VertFedException">Storage: another process holds the lock, or the server is not one to rely on.</exception>
    public static PostgresWriter Open(PostgresAddress address, TimeSpan lockWait, PostgresWriter? before)
    {
        NpgsqlConnection connection = address.Connect();
        try
        {
            connection.Open();
            if (connection.PostgreSqlVersion < Oldest)
                throw StorageError.OldServer(address.ToString(), connection.PostgreSqlVersion, Oldest);
            if (connection.ExecuteScalar<string>("SHOW fsync") != "on")
                throw StorageError.NotDurable(address.ToString());
            // A server that promises more by default (a synchronous standby) keeps to it.
            connection.Execute("""
                SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false);
                SET idle_in_transaction_session_timeout = 0;
                SET client_min_messages = warning
                """);
            if (before is not null)
            {
                connection.Execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = @process AND backend_start = @since AND pid <> pg_backend_pid()",
                    new { process = before._process, since = before._since });
            }

            TakeLock(connection, address, lockWait);
            (int process, DateTime since) = connection.QuerySingle<(int, DateTime)>("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()");
            return new PostgresWriter(connection, process, since);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>The number of the open transaction; null if it has changed nothing.</summary>
    public string? Transaction() => Connection.ExecuteScalar<string?>("SELECT pg_current_xact_id_if_assigned()::text");

    /// <summary>What became of an earlier transaction: "committed", "aborted", "in progress", or null where the server no longer knows.</summary>
    public string? StatusOf(string transaction) => Connection.ExecuteScalar<string?>("SELECT pg_xact_status(@transaction::xid8)", new { transaction });

    public void Dispose() => Connection.Dispose();

    private static void TakeLock(NpgsqlConnection connection, PostgresAddress address, TimeSpan wait)
    {
        try
        {
            connection.Execute("SELECT set_config('lock_timeout', @wait, false)", new { wait = FormattableString.Invariant($"{Math.Max(1, (int)wait.TotalMilliseconds)}ms") });
            connection.Execute("SELECT pg_advisory_lock(@key)", new { key = address.LockKey });
            connection.Execute("SET lock_timeout = 0");
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.LockNotAvailable)
        {
            throw StorageError.InUse(address.ToString(), exception);
        }
    }
}
