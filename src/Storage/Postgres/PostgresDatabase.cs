using System.Data;
using System.Data.Common;
using Dapper;
using Npgsql;
using VertFed.Protocol;
using VertFed.Storage.Sql;

namespace VertFed.Storage.Postgres;

/// <summary>
/// One schema of a PostgreSQL database. A lost connection is made again, with its lock; a transaction whose fate the loss left open is asked
/// for by its number, so that a write is reported as unknown only where the server cannot say.
/// </summary>
/// <remarks>
/// Each opening counts the schema's epoch up. A process that lost its connection, and finds another epoch when it is back, was replaced
/// meanwhile: it writes no more.
/// </remarks>
internal sealed class PostgresDatabase : SqlDatabase
{
    // More restarts of the server than this within one write are not waited for.
    private const int Attempts = 5;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly PostgresAddress _address;
    private readonly PostgresOptions _options;
    private readonly TimeProvider _time;
    private readonly long _epoch;
    private readonly NpgsqlDataSource _readers;
    private readonly CancellationTokenSource _stopping = new();
    private PostgresWriter? _writer;
    private bool _isBroken;
    private VertFedException? _replaced;

    private PostgresDatabase(PostgresAddress address, string component, PostgresOptions options, TimeProvider time, PostgresWriter? writer, long epoch)
        : base(address.ToString(), component, time)
    {
        _address = address;
        _options = options;
        _time = time;
        _writer = writer;
        _epoch = epoch;
        _readers = address.Pool(Readers);
        if (writer is not null)
            StartWriter(options.WriteQueue);
    }

    /// <summary>Opens the schema, which is made where it is not there, keeps other processes out of it and migrates it.</summary>
    /// <param name="prepare">Runs on the migrated schema before anyone else sees it.</param>
    public static PostgresDatabase Open(
        PostgresAddress address, MigrationSet migrations, PostgresOptions options, TimeProvider time, Action<DbConnection, string>? prepare = null)
    {
        PostgresWriter? writer = null;
        string store = address.ToString();
        try
        {
            writer = PostgresWriter.Open(address, options.LockWait, before: null);
            NpgsqlConnection connection = writer.Connection;
            if (connection.ExecuteScalar<long>("SELECT COUNT(*) FROM pg_namespace WHERE nspname = @Schema", new { address.Schema }) == 0)
                connection.Execute($"CREATE SCHEMA {address.QuotedSchema}");
            migrations.Apply(connection, SqlDialect.Postgres, store, time.GetUtcNow().ToUnixTimeMilliseconds());
            prepare?.Invoke(connection, store);
            long epoch = connection.ExecuteScalar<long>("""
                CREATE TABLE IF NOT EXISTS store_epoch (id BIGINT PRIMARY KEY CHECK (id = 1), epoch BIGINT NOT NULL);
                INSERT INTO store_epoch (id, epoch) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET epoch = store_epoch.epoch + 1 RETURNING epoch
                """);
            return new PostgresDatabase(address, migrations.Component, options, time, writer, epoch);
        }
        catch (Exception exception)
        {
            writer?.Dispose();
            throw StorageError.From(exception, store);
        }
    }

    /// <summary>Opens an existing schema to read it, also while another process has it open; every write fails.</summary>
    public static PostgresDatabase OpenReadOnly(PostgresAddress address, MigrationSet migrations, PostgresOptions options, Action<DbConnection, string> check)
    {
        string store = address.ToString();
        try
        {
            using NpgsqlConnection connection = address.Connect();
            connection.Open();
            if (connection.ExecuteScalar<string?>("SELECT to_regclass('schema_version')::text") is null)
                throw StorageError.Missing(store);
            connection.Execute("SET default_transaction_read_only = on");
            migrations.Require(connection, store);
            check(connection, store);
            return new PostgresDatabase(address, migrations.Component, options, TimeProvider.System, writer: null, epoch: 0);
        }
        catch (Exception exception)
        {
            throw StorageError.From(exception, store);
        }
    }

    protected override CommitResult TryCommit(WriteGroup group)
    {
        for (int attempt = 1; ; attempt++)
        {
            if (Reconnect() is { } away)
                return new CommitResult(CommitState.NotKept, away);
            string? transactionId = null;
            bool isCommitting = false;
            bool kept = false;
            try
            {
                using (NpgsqlTransaction transaction = _writer!.Connection.BeginTransaction())
                {
                    group.Run(_writer.Connection, transaction);
                    _options.CommitHook?.Invoke(CommitStage.Before);
                    transactionId = _writer.Transaction();
                    isCommitting = true;
                    transaction.Commit();
                }

                kept = true;
                _options.CommitHook?.Invoke(CommitStage.After);
                return CommitResult.Kept;
            }
            catch (Exception exception)
            {
                if (kept)
                    return new CommitResult(CommitState.Unknown, exception);
                _isBroken = PostgresErrors.IsLoss(exception) || _writer!.Connection.State != ConnectionState.Open;
                // The server has refused it, whether or not Npgsql gives the connection up over that (it does over a full disk).
                if (!_isBroken || (exception is PostgresException && !PostgresErrors.IsLoss(exception)))
                    return new CommitResult(CommitState.Refused, exception);
                // A transaction without a number changed nothing.
                if (isCommitting && transactionId is not null)
                {
                    if (Reconnect() is { } gone)
                        return new CommitResult(CommitState.Unknown, StorageError.Unknown(Store, gone));
                    string? status = StatusOf(transactionId);
                    if (status == "committed")
                        return CommitResult.Kept;
                    if (status != "aborted")
                        return new CommitResult(CommitState.Unknown, StorageError.Unknown(Store, exception));
                }

                if (attempt == Attempts)
                    return new CommitResult(CommitState.NotKept, exception);
            }
        }
    }

    protected override async Task<T> SnapshotAsync<T>(Func<DbConnection, T> work, CancellationToken cancellationToken)
    {
        long start = _time.GetTimestamp();
        while (true)
        {
            try
            {
                await using NpgsqlConnection reader = await _readers.OpenConnectionAsync(cancellationToken);
                await using NpgsqlTransaction snapshot = await reader.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellationToken);
                return work(reader);
            }
            catch (NpgsqlException exception) when (PostgresErrors.IsLoss(exception) && !_stopping.IsCancellationRequested && _time.GetElapsedTime(start) < _options.ReconnectFor)
            {
                await Task.Delay(Pause, _time, cancellationToken);
            }
        }
    }

    protected override void Stopping() => _stopping.Cancel();

    protected override async Task CloseAsync()
    {
        _writer?.Dispose();
        await _readers.DisposeAsync();
        _stopping.Dispose();
    }

    /// <summary>Makes the writer's connection again if it broke. Null if it is there; else why not.</summary>
    private Exception? Reconnect()
    {
        if (_replaced is not null || !_isBroken)
            return _replaced;
        PostgresWriter broken = _writer!;
        broken.Dispose();
        long start = _time.GetTimestamp();
        while (true)
        {
            try
            {
                _writer = PostgresWriter.Open(_address, _options.LockWait, broken);
                _isBroken = false;
                if (_writer.Connection.ExecuteScalar<long>("SELECT epoch FROM store_epoch WHERE id = 1") != _epoch)
                    _replaced = StorageError.Replaced(Store);
                return _replaced;
            }
            catch (Exception exception) when (exception is NpgsqlException or VertFedException)
            {
                if (_time.GetElapsedTime(start) >= _options.ReconnectFor || _stopping.Token.WaitHandle.WaitOne(Pause))
                    return exception;
            }
        }
    }

    private string? StatusOf(string transactionId)
    {
        try
        {
            return _writer!.StatusOf(transactionId);
        }
        catch (NpgsqlException)
        {
            // The caller reports the fate as unknown, with the loss that left it open.
            _isBroken = true;
            return null;
        }
    }
}
