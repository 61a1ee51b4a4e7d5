using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Recording;
using VertFed.Operations.Health;
using VertFed.Storage;

namespace VertFed.Coordinator.Operations;

/// <summary>When a coordinator is ready: its store answers and takes writes, its disk has room, its certificate is within its dates, and it is not stopping.</summary>
internal static class CoordinatorReadiness
{
    public static IReadOnlyList<ReadinessCheck> Checks(
        CoordinatorConfig config, ICoordinatorStore store, StoreHealth health, CoordinatorKeys keys, ShutdownGate shutdown, TimeProvider time) =>
    [
        new("store", async cancellationToken =>
        {
            if (health.Failure is { } failure)
                return failure;
            _ = await store.ListJobsAsync(1, null, filter: null, cancellationToken);
            return null;
        }),
        DiskSpace.Check(config.DataFolder),
        CertificateDates.Check(() => keys.Credential.Certificate, time),
        new("running", _ => Task.FromResult(shutdown.IsClosed ? "the coordinator is stopping" : null)),
    ];
}
