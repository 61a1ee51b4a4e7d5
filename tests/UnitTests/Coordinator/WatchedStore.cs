using System.Reflection;
using VertFed.Storage;

namespace VertFed.UnitTests.Coordinator;

/// <summary>A store that works, with a test's own hand at each call.</summary>
internal class WatchedStore : DispatchProxy
{
    /// <summary>A call by name, with its arguments and what the store itself does; returns the call's task.</summary>
    public delegate Task Hand(string call, object?[] arguments, Func<Task> store);

    private ICoordinatorStore _inner = null!;
    private Hand _hand = null!;

    public static ICoordinatorStore Over(ICoordinatorStore store, Hand hand)
    {
        ICoordinatorStore watched = Create<ICoordinatorStore, WatchedStore>();
        ((WatchedStore)(object)watched)._inner = store;
        ((WatchedStore)(object)watched)._hand = hand;
        return watched;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        object? Call() => targetMethod!.Invoke(_inner, BindingFlags.DoNotWrapExceptions, binder: null, args, culture: null);
        return typeof(Task).IsAssignableFrom(targetMethod!.ReturnType) ? _hand(targetMethod.Name, args!, () => (Task)Call()!) : Call();
    }
}
