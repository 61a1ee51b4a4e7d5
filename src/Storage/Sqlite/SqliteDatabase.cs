using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using Dapper;
using Microsoft.Data.Sqlite;
using VertFed.Storage.Sql;

namespace VertFed.Storage.Sqlite;

/// <summary>One SQLite file, in WAL mode with synchronous=FULL; a lock file beside it keeps other processes out.</summary>
internal sealed class SqliteDatabase : SqlDatabase
{
    // 8 KiB pages and a checkpoint every 32 MiB: measured best for payloads of 100 KiB to 1 MiB a row.
    private const int PageSize = 8192;
    private const int CheckpointPages = 4096;

    private readonly SqliteOptions _options;
    private readonly FileStream? _lockFile;
    private readonly SqliteConnection? _writer;
    private readonly ConcurrentBag<SqliteConnection> _readers = [];

    private SqliteDatabase(string file, string component, SqliteOptions options, FileStream? lockFile, SqliteConnection? writer, TimeProvider time)
        : base(file, component, time)
    {
        _options = options;
        _lockFile = lockFile;
        _writer = writer;
        if (writer is not null)
            StartWriter(options.WriteQueue);
    }

    /// <summary>Opens or creates the file (mode 0600, folder 0700), locks it against other processes and migrates it.</summary>
    /// <param name="prepare">Runs on the migrated file before anyone else sees it.</param>
    public static SqliteDatabase Open(
        string path, MigrationSet migrations, SqliteOptions options, TimeProvider time, Action<DbConnection, string>? prepare = null)
    {
        string file = Path.GetFullPath(path);
        FileStream lockFile = Prepare(file);
        SqliteConnection? writer = null;
        try
        {
            writer = Connect(file, options, SqliteOpenMode.ReadWrite);
            // The page size takes effect only in an empty file, and only before WAL.
            writer.Execute(string.Create(CultureInfo.InvariantCulture, $"PRAGMA page_size = {PageSize}"));
            writer.Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
            writer.Execute(string.Create(CultureInfo.InvariantCulture,
                $"PRAGMA wal_autocheckpoint = {CheckpointPages}; PRAGMA journal_size_limit = {2L * CheckpointPages * PageSize}"));
            if (migrations.ErasesForGood)
                writer.Execute("PRAGMA secure_delete = ON");
            if (options.MaxPages > 0)
                writer.Execute(string.Create(CultureInfo.InvariantCulture, $"PRAGMA max_page_count = {options.MaxPages}"));
            migrations.Apply(writer, SqlDialect.Sqlite, file, time.GetUtcNow().ToUnixTimeMilliseconds());
            prepare?.Invoke(writer, file);
            return new SqliteDatabase(file, migrations.Component, options, lockFile, writer, time);
        }
        catch (Exception exception)
        {
            writer?.Dispose();
            lockFile.Dispose();
            throw StorageError.From(exception, file);
        }
    }

    /// <summary>Opens an existing file to read it, also while another process has it open; every write fails.</summary>
    public static SqliteDatabase OpenReadOnly(string path, MigrationSet migrations, SqliteOptions options, Action<DbConnection, string> check)
    {
        string file = Path.GetFullPath(path);
        if (!File.Exists(file))
            throw StorageError.Missing(file);
        try
        {
            using SqliteConnection reader = Connect(file, options, SqliteOpenMode.ReadOnly);
            migrations.Require(reader, file);
            check(reader, file);
            return new SqliteDatabase(file, migrations.Component, options, lockFile: null, writer: null, TimeProvider.System);
        }
        catch (Exception exception)
        {
            throw StorageError.From(exception, file);
        }
    }

    protected override CommitResult TryCommit(WriteGroup group)
    {
        bool kept = false;
        try
        {
            using (SqliteTransaction transaction = _writer!.BeginTransaction())
            {
                group.Run(_writer, transaction);
                _options.CommitHook?.Invoke(CommitStage.Before);
                transaction.Commit();
            }

            kept = true;
            _options.CommitHook?.Invoke(CommitStage.After);
            return CommitResult.Kept;
        }
        catch (Exception exception)
        {
            return new CommitResult(kept ? CommitState.Unknown : CommitState.Refused, exception);
        }
    }

    protected override async Task<T> SnapshotAsync<T>(Func<DbConnection, T> work, CancellationToken cancellationToken)
    {
        if (!_readers.TryTake(out SqliteConnection? reader))
            reader = Connect(Store, _options, SqliteOpenMode.ReadOnly);
        T result;
        try
        {
            await using SqliteTransaction snapshot = reader.BeginTransaction(deferred: true);
            result = work(reader);
        }
        catch
        {
            await reader.DisposeAsync();
            throw;
        }

        _readers.Add(reader);
        return result;
    }

    protected override async Task CloseAsync()
    {
        foreach (SqliteConnection reader in _readers)
            await reader.DisposeAsync();
        if (_writer is not null)
            await _writer.DisposeAsync();
        if (_lockFile is not null)
            await _lockFile.DisposeAsync();
    }

    private static FileStream Prepare(string file)
    {
        try
        {
            string folder = Path.GetDirectoryName(file)!;
            var mode = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite | FileShare.Delete };
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(folder);
            }
            else
            {
                Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                mode.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            // SQLite gives its -wal and -shm files the mode of the main file, so that one is created here.
            using (new FileStream(file, mode))
            {
            }

            mode.Share = FileShare.None;
            try
            {
                return new FileStream(file + ".lock", mode);
            }
            catch (IOException exception) when (File.Exists(file + ".lock"))
            {
                throw StorageError.InUse(file, exception);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw StorageError.CannotCreate(file, exception);
        }
    }

    private static SqliteConnection Connect(string file, SqliteOptions options, SqliteOpenMode mode)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = file,
            Mode = mode,
            Pooling = false,
            ForeignKeys = true,
        }.ToString());
        try
        {
            connection.Open();
            connection.Execute(string.Create(CultureInfo.InvariantCulture,
                $"PRAGMA busy_timeout = {options.BusyTimeoutMs}; PRAGMA trusted_schema = OFF"));
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
