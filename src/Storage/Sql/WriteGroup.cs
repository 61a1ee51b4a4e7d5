using System.Data.Common;

namespace VertFed.Storage.Sql;

/// <summary>A write that waits for its transaction.</summary>
internal interface IWrite
{
    /// <summary>Runs the work and keeps its result until <see cref="Complete"/>; a later run replaces it.</summary>
    void Run(DbConnection connection);

    void Complete();

    void Fail(Exception exception);
}

/// <summary>Writes that share a transaction. One that throws takes back its own changes only (a savepoint each).</summary>
internal sealed class WriteGroup(IReadOnlyList<IWrite> writes)
{
    private readonly List<IWrite> _done = new(writes.Count);
    private readonly List<(IWrite Write, Exception Reason)> _refused = [];

    public IReadOnlyList<IWrite> Writes => writes;

    /// <summary>Runs all of them; may be called again where the transaction was taken back.</summary>
    /// <exception cref="DbException">The database itself failed: the transaction is lost.</exception>
    public void Run(DbConnection connection, DbTransaction transaction)
    {
        _done.Clear();
        _refused.Clear();
        foreach (IWrite write in writes)
        {
            transaction.Save("one");
            try
            {
                write.Run(connection);
                _done.Add(write);
            }
            catch (Exception exception) when (exception is not DbException)
            {
                transaction.Rollback("one");
                _refused.Add((write, exception));
            }

            transaction.Release("one");
        }
    }

    /// <summary>Tells the callers what came of the last run, which is kept now.</summary>
    public void Complete()
    {
        foreach (IWrite write in _done)
            write.Complete();
        foreach ((IWrite write, Exception reason) in _refused)
            write.Fail(reason);
    }

    public void Fail(Exception exception)
    {
        foreach (IWrite write in writes)
            write.Fail(exception);
    }
}

/// <summary>A function as a write, with a task for its result.</summary>
internal sealed class Write<T>(Func<DbConnection, T> work) : IWrite
{
    private readonly TaskCompletionSource<T> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T result = default!;

    public Task<T> Task => completion.Task;

    public void Run(DbConnection connection) => result = work(connection);

    public void Complete() => completion.TrySetResult(result);

    public void Fail(Exception exception) => completion.TrySetException(exception);
}
