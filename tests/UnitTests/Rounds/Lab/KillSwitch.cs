using System.Reflection;

namespace VertFed.UnitTests.Rounds.Lab;

/// <summary>What runs on in a process that was killed meets this at its next durable write.</summary>
public sealed class ProcessKilledException : Exception
{
    public ProcessKilledException()
        : base("The process was killed.")
    {
    }
}

/// <summary>Counts a process's durable writes, and kills it before or after one of them: from then on nothing becomes durable and nothing is sent.</summary>
/// <param name="write">From 1; 0: it is never killed.</param>
/// <param name="after">Whether that write becomes durable still.</param>
internal sealed class KillSwitch(int write = 0, bool after = false)
{
    private readonly Lock _gate = new();
    private int _writes;
    private volatile bool _dead;

    public bool IsDead => _dead;

    public int Writes => Volatile.Read(ref _writes);

    /// <summary>Kills it where it is.</summary>
    public void Kill() => _dead = true;

    /// <summary>Makes a write, or dies at it.</summary>
    public object? Write(Func<object?> make)
    {
        if (write <= 0)
        {
            // Nothing has to be in order here. Waiting for the write on the caller's thread would leave a hundred parties none to go on with.
            Interlocked.Increment(ref _writes);
            return _dead ? throw new ProcessKilledException() : make();
        }

        lock (_gate)
        {
            bool isIt = ++_writes == write;
            if (isIt && !after)
            {
                _dead = true;
            }

            if (_dead)
            {
                throw new ProcessKilledException();
            }

            object? task = make();
            (task is ValueTask value ? value.AsTask() : (Task)task!).GetAwaiter().GetResult();
            if (isIt)
            {
                _dead = true;
                throw new ProcessKilledException();
            }

            return task is ValueTask ? ValueTask.CompletedTask : task;
        }
    }
}

/// <summary>A process's store under its kill switch.</summary>
internal class MortalStore : DispatchProxy
{
    private static readonly string[] Writing = ["Add", "Accept", "Move", "Save", "Append", "Set"];
    private object _inner = null!;
    private KillSwitch _life = null!;

    public static T Over<T>(T store, KillSwitch life)
        where T : class, IAsyncDisposable
    {
        T mortal = Create<T, MortalStore>();
        ((MortalStore)(object)mortal)._inner = store;
        ((MortalStore)(object)mortal)._life = life;
        return mortal;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        object? Call() => targetMethod!.Invoke(_inner, BindingFlags.DoNotWrapExceptions, binder: null, args, culture: null);
        return Writing.Any(verb => targetMethod!.Name.StartsWith(verb, StringComparison.Ordinal)) ? _life.Write(Call) : Call();
    }
}
