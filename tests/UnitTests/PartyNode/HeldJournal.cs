using System.Reflection;
using VertFed.Protocol;
using VertFed.Storage;

namespace VertFed.UnitTests.PartyNode;

/// <summary>A party's store that keeps no envelope of its own, and so lets none leave, until whoever asks gives up: its jobs begin and do not go on.</summary>
internal class HeldJournal : DispatchProxy
{
    private IPartyStore _inner = null!;

    public static IPartyStore Around(IPartyStore store)
    {
        IPartyStore proxy = Create<IPartyStore, HeldJournal>();
        ((HeldJournal)(object)proxy)._inner = store;
        return proxy;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod!.Name == nameof(IJournal.AppendOutboundAsync)
        ? new ValueTask(Task.Delay(Timeout.Infinite, args!.OfType<CancellationToken>().Single()))
        : targetMethod.Invoke(_inner, args);
}
