using System.Net;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Hosting;
using VertFed.Operations;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.UnitTests.Recovery;

/// <summary>One life of one of the three processes: a real host over a real store in a folder of its own, in this process.</summary>
internal interface ILife : IAsyncDisposable
{
    string Folder { get; }

    DurableGate Gate { get; }

    /// <summary>What it logged.</summary>
    string Log { get; }

    /// <summary>Its database.</summary>
    ILifeStore Database { get; }
}

internal sealed class PartyLife : ILife
{
    private readonly CancellationTokenSource _stop = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _errors = new();
    private readonly CheckpointSigner _checkpoints;

    public PartyLife(RecoveryCase job, Role role, string folder, int port, KillPoint? point, ILifeStore database, TimeProvider time)
    {
        Folder = folder;
        Database = database;
        Gate = new DurableGate(point, database.Log);
        PartyConfig config = PartyConfig.Parse("party.yaml", job.Configuration(role, port, folder), Path.GetTempPath());
        _checkpoints = CheckpointSigner.LoadOrCreate(Path.Combine(folder, "checkpoint.key"), job.IdentityOf(role));
        SecretsKey secrets = SecretsKey.LoadOrCreate(Path.Combine(folder, "secrets.key"));
        Store = new SeededStore(database.OpenParty(secrets, Gate.OnCommit), job.Attempts.GetValueOrDefault(role));
        PartyHost host = Host = new(
            config,
            new NodeKeys(new NodeKey(TestTls.CredentialOf(job.IdentityOf(role), made: RecoveryCase.Made), _checkpoints)),
            Store,
            new ProgressWriter(TextWriter.Synchronized(_output)),
            new NodeLog(TextWriter.Synchronized(_errors), TimeProvider.System),
            time,
            new RelayOptions
            {
                Coordinator = config.Coordinator,
                CoordinatorFingerprints = config.CoordinatorFingerprints,
                Party = config.Name,
                Time = time,
                FirstWait = TimeSpan.FromMilliseconds(10),
                LongestWait = TimeSpan.FromMilliseconds(80),
            });
        Running = Task.Run(() => host.RunAsync(_stop.Token));
    }

    public string Folder { get; }

    public DurableGate Gate { get; }

    public ILifeStore Database { get; }

    public IPartyStore Store { get; }

    public PartyHost Host { get; }

    /// <summary>Faults when the node ends by an error.</summary>
    public Task Running { get; }

    public string Log => $"{_errors}\n{(Running.IsFaulted ? Running.Exception : null)}";

    public async ValueTask DisposeAsync()
    {
        Gate.Release();
        await _stop.CancelAsync();
        await Running.ContinueWith(_ => { }, TaskScheduler.Default);
        await Store.DisposeAsync();
        await Database.DisposeAsync();
        _checkpoints.Dispose();
        _stop.Dispose();
        Gate.Dispose();
    }
}

internal sealed class CoordinatorLife : ILife
{
    private readonly CoordinatorHost _host;

    private CoordinatorLife(CoordinatorHost host, ICoordinatorStore store, ILifeStore database, DurableGate gate, string folder) =>
        (_host, Store, Database, Gate, Folder) = (host, store, database, gate, folder);

    public string Folder { get; }

    public DurableGate Gate { get; }

    public ILifeStore Database { get; }

    public ICoordinatorStore Store { get; }

    public string Address => _host.Address;

    /// <summary>Where the operator's pages are; null without them.</summary>
    public IPEndPoint? Pages => _host.AdminAddress;

    public int Port => new Uri(_host.Address).Port;

    public string Log => "";

    public static async Task<CoordinatorLife> StartAsync(RecoveryCase job, string folder, KillPoint? point, ILifeStore database, TimeProvider time, bool hasPages)
    {
        DurableGate gate = new(point, database.Log);
        ICoordinatorStore store = database.OpenCoordinator(gate.OnCommit, time);
        CoordinatorConfig config = new()
        {
            Listen = new IPEndPoint(IPAddress.Loopback, 0),
            IdentityPath = job.CoordinatorIdentityPath,
            DataFolder = folder,
            Parties = new Dictionary<string, AdmittedParty>(StringComparer.Ordinal)
            {
                ["bank"] = new("bank", job.IdentityOf(Role.LabelParty).Fingerprint),
                ["retailer"] = new("retailer", job.IdentityOf(Role.FeatureParty).Fingerprint),
            },
            Principals = [new Principal("ann", [job.Analyst.Fingerprint], CallerRoles.Analyst)],
            Log = new LogSettings(Microsoft.Extensions.Logging.LogLevel.None, Json: false),
            Operations = new OperationsSettings { Admin = hasPages ? new IPEndPoint(IPAddress.Loopback, 0) : null },
        };
        CoordinatorHost host = await CoordinatorHost.StartAsync(config, store, time, CancellationToken.None);
        return new CoordinatorLife(host, store, database, gate, folder);
    }

    public async ValueTask DisposeAsync()
    {
        Gate.Release();
        await _host.DisposeAsync();
        await Database.DisposeAsync();
        Gate.Dispose();
    }
}
