using System.Net;
using VertFed.Operations.Health;
using VertFed.Operations.Metrics;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.Storage;

namespace VertFed.PartyNode.Operations;

/// <summary>The operator's pages of a running party node, if its configuration has an address for them.</summary>
internal sealed class PartyOperations : IAsyncDisposable
{
    private readonly MetricCollector _metrics;
    private readonly Readiness _readiness;
    private AdminServer? _server;

    private PartyOperations(MetricCollector metrics, Readiness readiness) => (_metrics, _readiness) = (metrics, readiness);

    /// <summary>Where the pages are, as bound.</summary>
    public IPEndPoint Address => _server!.Address;

    /// <exception cref="Protocol.VertFedException">Usage: the address cannot be bound.</exception>
    public static async Task<PartyOperations?> StartAsync(
        PartyConfig config, NodeKeys keys, IPartyStore store, PartyHost host, PartyTelemetry telemetry, NodeLog log, TimeProvider time)
    {
        telemetry.Observe(host.JobsByState);
        if (config.Operations.Admin is not { } address)
        {
            return null;
        }

        PartyOperations operations = new(telemetry.Collect(), new Readiness(Checks(config, keys, store, host, telemetry, time), time));
        try
        {
            operations._server = await AdminServer.StartAsync(address, operations._metrics, operations._readiness, CancellationToken.None);
        }
        catch
        {
            await operations.DisposeAsync();
            throw;
        }

        if (IPAddress.IsLoopback(address.Address))
        {
            NodeLines.Admin(log.Logger, operations.Address.ToString());
        }
        else
        {
            NodeLines.AdminNotLoopback(log.Logger, operations.Address.ToString());
        }

        return operations;
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _metrics.Dispose();
        _readiness.Dispose();
    }

    /// <summary>When a party is ready: its store answers and takes writes, its disk has room, its certificate is within its dates, it is registered at its coordinator, and it is not stopping.</summary>
    private static List<ReadinessCheck> Checks(
        PartyConfig config, NodeKeys keys, IPartyStore store, PartyHost host, PartyTelemetry telemetry, TimeProvider time) =>
    [
        new("store", async cancellationToken =>
        {
            if (store.Activity?.Failure is { } failure)
            {
                return failure;
            }

            _ = await store.ListJobsAsync(1, null, cancellationToken);
            return null;
        }),
        DiskSpace.Check(config.DataDirectory),
        CertificateDates.Check(() => keys.Current.Credential.Certificate, time),
        new("coordinator", _ => Task.FromResult(telemetry.IsConnected ? null : "this node is not registered at its coordinator")),
        new("running", _ => Task.FromResult(host.IsDraining ? "the node is stopping" : null)),
    ];
}
