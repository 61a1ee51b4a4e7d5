using VertFed.Coordinator.Configuration;
using VertFed.Operations.Health;
using VertFed.Storage;

namespace VertFed.Coordinator.Operations;

/// <summary>When a coordinator is ready: its store answers and takes writes, its disk has room, and it is not stopping.</summary>
internal static class CoordinatorReadiness
{
    public static IReadOnlyList<ReadinessCheck> Checks(CoordinatorConfig config, ICoordinatorStore store, ShutdownGate shutdown) =>
    [
        new("store", async cancellationToken =>
        {
            if (store.Activity?.Failure is { } failure)
                return failure;
            _ = await store.ListJobsAsync(1, null, filter: null, cancellationToken);
            return null;
        }),
        DiskSpace.Check(config.DataFolder),
        new("running", _ => Task.FromResult(shutdown.IsClosed ? "the coordinator is stopping" : null)),
    ];
}
