using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Relay;
using VertFed.Coordinator.Security;

namespace VertFed.Coordinator.Services;

/// <summary>Bounds the calls that last or read whole jobs: watches, exports, proofs, health, reflection; all together, and those of one principal.</summary>
internal sealed class WatchGate(CoordinatorConfig config)
{
    private readonly ConnectionGate _gate = new(
        new GateLimit(config.Limits.MaxWatchers, "max_watchers"), new GateLimit(config.Limits.MaxWatchersPerCaller, "max_watchers_per_caller"), "watchers");

    public int Inside => _gate.Inside;

    /// <exception cref="Grpc.Core.RpcException">ResourceExhausted: full.</exception>
    public IDisposable Enter(Caller caller) => _gate.Enter(caller.Name);
}
