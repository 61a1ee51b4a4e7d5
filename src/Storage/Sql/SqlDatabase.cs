using System.Data.Common;
using System.Threading.Channels;

namespace VertFed.Storage.Sql;

/// <summary>What became of a transaction.</summary>
internal enum CommitState
{
    Kept,

    /// <summary>The database refused something in it. Nothing was kept; one write may be at fault, and the others are tried alone.</summary>
    Refused,

    /// <summary>Nothing was kept, and no write of the group would fare better alone.</summary>
    NotKept,

    /// <summary>It may have been kept or not.</summary>
    Unknown,
}

/// <param name="Failure">Null if it was kept.</param>
internal readonly record struct CommitResult(CommitState State, Exception? Failure)
{
    public static CommitResult Kept => new(CommitState.Kept, null);
}

/// <summary>
/// A database with one writer and a few readers. Writes are functions that the writer thread runs one after the other; those that wait at the
/// same time share a transaction and so one flush to disk (group commit). A write's task completes when the change is durable.
/// </summary>
/// <remarks>
/// A write that throws takes back its own changes only. When the database itself fails (disk full), the whole transaction is taken back and
/// each write of the group is tried again alone, so one large write cannot fail its neighbours.
/// </remarks>
internal abstract class SqlDatabase(string store, string component, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Most reads at the same time.</summary>
    protected const int Readers = 4;

    private const int MaxGroup = 32;
    private readonly SemaphoreSlim _readerGate = new(Readers);
    private Channel<IWrite>? _writes;
    private Task _writerTask = Task.CompletedTask;
    private volatile bool _disposed;

    /// <summary>How the writes go.</summary>
    public StoreActivity Activity { get; } = new(component, time);

    /// <summary>Names the store in errors: a file, or a database without its password.</summary>
    protected string Store => store;

    /// <summary>Runs a write; completes when it is durable.</summary>
    /// <exception cref="Protocol.VertFedException">What the work throws, or Storage.</exception>
    public Task<T> WriteAsync<T>(Func<DbConnection, T> work, CancellationToken cancellationToken) =>
        Activity.WatchAsync(() => QueueAsync(work, cancellationToken));

    private async Task<T> QueueAsync<T>(Func<DbConnection, T> work, CancellationToken cancellationToken)
    {
        var write = new Write<T>(work);
        try
        {
            await (_writes?.Writer ?? throw StorageError.Closed(store)).WriteAsync(write, cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw StorageError.Closed(store);
        }

        // Once queued it runs to its end: a caller that gives up must not leave it undecided.
        return await write.Task;
    }

    /// <summary>Runs a read in a snapshot of its own. It may run again where the connection broke.</summary>
    public async Task<T> ReadAsync<T>(Func<DbConnection, T> work, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        await _readerGate.WaitAsync(cancellationToken);
        try
        {
            return await SnapshotAsync(work, cancellationToken);
        }
        catch (DbException exception)
        {
            throw StorageError.From(exception, store);
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
        _writes?.Writer.TryComplete();
        Stopping();
        await _writerTask;
        for (int i = 0; i < Readers; i++)
            await _readerGate.WaitAsync();
        await CloseAsync();
        _readerGate.Dispose();
    }

    /// <summary>Lets writes in; a database that is only read never calls it.</summary>
    /// <param name="capacity">Most writes that wait.</param>
    protected void StartWriter(int capacity)
    {
        _writes = Channel.CreateBounded<IWrite>(new BoundedChannelOptions(capacity) { SingleReader = true });
        ChannelReader<IWrite> reader = _writes.Reader;
        _writerTask = Task.Factory.StartNew(() => WriteLoop(reader), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Runs a group in one transaction; called by the writer thread alone. Nothing is told to the callers yet.</summary>
    protected abstract CommitResult TryCommit(WriteGroup group);

    protected abstract Task<T> SnapshotAsync<T>(Func<DbConnection, T> work, CancellationToken cancellationToken);

    /// <summary>Closing begins: whoever waits for something that may never come gives up.</summary>
    protected virtual void Stopping()
    {
    }

    /// <summary>Closes connections and gives the store free; no read or write runs any more.</summary>
    protected abstract Task CloseAsync();

    private void WriteLoop(ChannelReader<IWrite> reader)
    {
        while (Wait(reader))
        {
            var group = new List<IWrite>(MaxGroup);
            while (group.Count < MaxGroup && reader.TryRead(out IWrite? write))
                group.Add(write);
            Commit(new WriteGroup(group));
        }

        static bool Wait(ChannelReader<IWrite> reader)
        {
            // A thread of its own that has nothing else to do: blocking is what it is for.
            ValueTask<bool> available = reader.WaitToReadAsync();
            return available.IsCompleted ? available.Result : available.AsTask().GetAwaiter().GetResult();
        }
    }

    private void Commit(WriteGroup group)
    {
        switch (TryOrFail(group))
        {
            case { State: CommitState.Kept }:
                group.Complete();
                break;
            case { State: CommitState.Refused } when group.Writes.Count > 1:
                foreach (IWrite write in group.Writes)
                    Commit(new WriteGroup([write]));
                break;
            case { Failure: var failure }:
                group.Fail(StorageError.From(failure!, store));
                break;
        }
    }

    /// <summary>The last guard of the writer thread: whatever a database throws fails the group that met it, and the next one is tried.</summary>
    private CommitResult TryOrFail(WriteGroup group)
    {
        try
        {
            return TryCommit(group);
        }
        catch (Exception exception)
        {
            return new CommitResult(CommitState.Unknown, StorageError.Unexpected(store, exception));
        }
    }
}
