using System.Collections.Concurrent;
using System.Globalization;
using System.Threading.Channels;
using Dapper;
using Microsoft.Data.Sqlite;

namespace VertFed.Storage.Sqlite;

/// <summary>
/// One SQLite file with one writer and a few readers. Writes are functions that the writer thread runs one after the other;
/// those that wait at the same time share a transaction and so one fsync (group commit). A write's task completes when
/// the change is durable: WAL with synchronous=FULL.
/// </summary>
/// <remarks>
/// A write that throws takes back its own changes only (a savepoint each). When SQLite itself fails (disk full), the whole
/// transaction is taken back and each write of the group is tried again alone, so one large write cannot fail its neighbours.
/// </remarks>
internal sealed class SqliteDatabase : IAsyncDisposable
{
    private const int Readers = 4;
    private const int MaxGroup = 32;

    // 8 KiB pages and a checkpoint every 32 MiB: measured best for payloads of 100 KiB to 1 MiB a row.
    private const int PageSize = 8192;
    private const int CheckpointPages = 4096;

    private readonly string _file;
    private readonly SqliteOptions _options;
    private readonly FileStream? _lockFile;
    private readonly SqliteConnection? _writer;
    private readonly Channel<IWrite> _writes;
    private readonly Task _writerTask;
    private readonly ConcurrentBag<SqliteConnection> _readers = [];
    private readonly SemaphoreSlim _readerGate = new(Readers);
    private volatile bool _disposed;

    private SqliteDatabase(string file, SqliteOptions options, FileStream? lockFile, SqliteConnection? writer, TimeProvider time)
    {
        Activity = new StoreActivity(Path.GetFileNameWithoutExtension(file), time);
        _file = file;
        _options = options;
        _lockFile = lockFile;
        _writer = writer;
        _writes = Channel.CreateBounded<IWrite>(new BoundedChannelOptions(options.WriteQueue) { SingleReader = true });
        if (writer is null)
            _writes.Writer.Complete();
        _writerTask = writer is null
            ? Task.CompletedTask
            : Task.Factory.StartNew(() => WriteLoop(writer), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>How the writes go.</summary>
    public StoreActivity Activity { get; }

    private interface IWrite
    {
        /// <summary>Runs the work and keeps its result until <see cref="Complete"/>.</summary>
        void Run(SqliteConnection connection);

        void Complete();

        void Fail(Exception exception);
    }

    /// <summary>Opens or creates the file (mode 0600, folder 0700), locks it against other processes and migrates it.</summary>
    /// <param name="prepare">Runs on the migrated file before anyone else sees it.</param>
    public static SqliteDatabase Open(
        string path, MigrationSet migrations, SqliteOptions options, TimeProvider time, Action<SqliteConnection, string>? prepare = null)
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
            if (options.MaxPages > 0)
                writer.Execute(string.Create(CultureInfo.InvariantCulture, $"PRAGMA max_page_count = {options.MaxPages}"));
            migrations.Apply(writer, file, time.GetUtcNow().ToUnixTimeMilliseconds());
            prepare?.Invoke(writer, file);
            return new SqliteDatabase(file, options, lockFile, writer, time);
        }
        catch (Exception exception)
        {
            writer?.Dispose();
            lockFile.Dispose();
            throw StorageError.From(exception, file);
        }
    }

    /// <summary>Opens an existing file to read it, also while another process has it open; every write fails.</summary>
    public static SqliteDatabase OpenReadOnly(string path, MigrationSet migrations, SqliteOptions options, Action<SqliteConnection, string> check)
    {
        string file = Path.GetFullPath(path);
        if (!File.Exists(file))
            throw StorageError.Missing(file);
        try
        {
            using SqliteConnection reader = Connect(file, options, SqliteOpenMode.ReadOnly);
            migrations.Require(reader, file);
            check(reader, file);
            return new SqliteDatabase(file, options, lockFile: null, writer: null, TimeProvider.System);
        }
        catch (Exception exception)
        {
            throw StorageError.From(exception, file);
        }
    }

    /// <summary>Runs a write; completes when it is durable.</summary>
    /// <exception cref="Protocol.VertFedException">What the work throws, or Storage.</exception>
    public Task<T> WriteAsync<T>(Func<SqliteConnection, T> work, CancellationToken cancellationToken) =>
        Activity.WatchAsync(() => QueueAsync(work, cancellationToken));

    private async Task<T> QueueAsync<T>(Func<SqliteConnection, T> work, CancellationToken cancellationToken)
    {
        var write = new Write<T>(work);
        try
        {
            await _writes.Writer.WriteAsync(write, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw StorageError.Closed(_file);
        }

        // Once queued it runs to its end: a caller that gives up must not leave it undecided.
        return await write.Task;
    }

    /// <summary>Runs a read in a snapshot of its own.</summary>
    public async Task<T> ReadAsync<T>(Func<SqliteConnection, T> work, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        await _readerGate.WaitAsync(cancellationToken);
        try
        {
            if (!_readers.TryTake(out SqliteConnection? reader))
                reader = Connect(_file, _options, SqliteOpenMode.ReadOnly);
            T result;
            try
            {
                using SqliteTransaction snapshot = reader.BeginTransaction(deferred: true);
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
        catch (SqliteException exception)
        {
            throw StorageError.From(exception, _file);
        }
        finally
        {
            _readerGate.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        _writes.Writer.TryComplete();
        await _writerTask;
        for (int i = 0; i < Readers; i++)
            await _readerGate.WaitAsync();
        foreach (SqliteConnection reader in _readers)
            await reader.DisposeAsync();
        if (_writer is not null)
            await _writer.DisposeAsync();
        if (_lockFile is not null)
            await _lockFile.DisposeAsync();
        _readerGate.Dispose();
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

    private void WriteLoop(SqliteConnection writer)
    {
        var group = new List<IWrite>(MaxGroup);
        ChannelReader<IWrite> reader = _writes.Reader;
        while (Wait(reader))
        {
            group.Clear();
            while (group.Count < MaxGroup && reader.TryRead(out IWrite? write))
                group.Add(write);
            CommitGroup(writer, group);
        }

        static bool Wait(ChannelReader<IWrite> reader)
        {
            // A thread of its own that has nothing else to do: blocking is what it is for.
            ValueTask<bool> available = reader.WaitToReadAsync();
            return available.IsCompleted ? available.Result : available.AsTask().GetAwaiter().GetResult();
        }
    }

    private void CommitGroup(SqliteConnection writer, List<IWrite> group)
    {
        if (TryCommit(writer, group, out Exception? failure))
            return;
        if (group.Count == 1)
        {
            group[0].Fail(StorageError.From(failure!, _file));
            return;
        }

        foreach (IWrite write in group)
        {
            if (!TryCommit(writer, [write], out failure))
                write.Fail(StorageError.From(failure!, _file));
        }
    }

    /// <summary>False: nothing of the group is kept (unless the failure came after the commit) and none is completed.</summary>
    private bool TryCommit(SqliteConnection writer, List<IWrite> group, out Exception? failure)
    {
        var done = new List<IWrite>(group.Count);
        var refused = new List<(IWrite Write, Exception Reason)>();
        try
        {
            using (SqliteTransaction transaction = writer.BeginTransaction())
            {
                foreach (IWrite write in group)
                {
                    transaction.Save("one");
                    try
                    {
                        write.Run(writer);
                        done.Add(write);
                    }
                    catch (Exception exception) when (exception is not SqliteException)
                    {
                        transaction.Rollback("one");
                        refused.Add((write, exception));
                    }

                    transaction.Release("one");
                }

                _options.CommitHook?.Invoke(CommitStage.Before);
                transaction.Commit();
            }

            _options.CommitHook?.Invoke(CommitStage.After);
        }
        catch (Exception exception)
        {
            failure = exception;
            return false;
        }

        foreach (IWrite write in done)
            write.Complete();
        foreach ((IWrite write, Exception reason) in refused)
            write.Fail(reason);
        failure = null;
        return true;
    }

    private sealed class Write<T>(Func<SqliteConnection, T> work) : IWrite
    {
        private readonly TaskCompletionSource<T> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T result = default!;

        public Task<T> Task => completion.Task;

        public void Run(SqliteConnection connection) => result = work(connection);

        public void Complete() => completion.TrySetResult(result);

        public void Fail(Exception exception) => completion.TrySetException(exception);
    }
}
