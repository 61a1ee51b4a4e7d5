using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Recording;
using VertFed.Coordinator.Relay;
using VertFed.Coordinator.Rounds;
using VertFed.Coordinator.Services;
using VertFed.Operations.Health;
using VertFed.Operations.Metrics;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Operations;

/// <summary>The operator's side of a running coordinator: its gauges, its readiness, and the server that shows them, if one is configured.</summary>
internal sealed class CoordinatorOperations : IAsyncDisposable
{
    private readonly MetricCollector? _metrics;
    private readonly Readiness _readiness;
    private AdminServer? _server;

    private CoordinatorOperations(MetricCollector? metrics, Readiness readiness) => (_metrics, _readiness) = (metrics, readiness);

    /// <summary>Where the pages are; null where none are served.</summary>
    public System.Net.IPEndPoint? Address => _server?.Address;

    /// <exception cref="Protocol.VertFedException">Usage: the address cannot be bound.</exception>
    public static async Task<CoordinatorOperations> StartAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        CoordinatorConfig config = services.GetRequiredService<CoordinatorConfig>();
        CoordinatorTelemetry telemetry = services.GetRequiredService<CoordinatorTelemetry>();
        JobHub hub = services.GetRequiredService<JobHub>();
        RoundHub rounds = services.GetRequiredService<RoundHub>();
        ConnectionGate unregistered = services.GetRequiredService<ConnectionGate>();
        WatchGate watchers = services.GetRequiredService<WatchGate>();
        telemetry.Observe(
            () => JobsByState(hub, rounds), () => [("party", hub.Connected), ("unregistered", unregistered.Inside), ("watcher", watchers.Inside)]);
        TimeProvider time = services.GetRequiredService<TimeProvider>();
        var readiness = new Readiness(
            CoordinatorReadiness.Checks(
                config, services.GetRequiredService<ICoordinatorStore>(), services.GetRequiredService<StoreHealth>(), services.GetRequiredService<CoordinatorKeys>(),
                services.GetRequiredService<ShutdownGate>(), time),
            time);
        if (config.Operations.Admin is not { } address)
            return new CoordinatorOperations(metrics: null, readiness);
        var operations = new CoordinatorOperations(telemetry.Collect(), readiness);
        try
        {
            operations._server = await AdminServer.StartAsync(address, operations._metrics!, readiness, cancellationToken);
            return operations;
        }
        catch
        {
            await operations.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _metrics?.Dispose();
        _readiness.Dispose();
    }

    // Each state that a job can be open in is shown, also at 0: a figure that is missing looks like one that nobody measures.
    private static IEnumerable<(JobState State, int Count)> JobsByState(JobHub hub, RoundHub rounds)
    {
        ILookup<JobState, JobState> jobs = hub.LiveJobs.Select(live => live.Record.State).Concat(rounds.States).ToLookup(state => state);
        return new[] { JobState.Queued, JobState.Offered, JobState.Running }.Select(state => (state, jobs[state].Count()));
    }
}
