using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Net.Client;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Hosting;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Control;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.UnitTests.PartyNode;

/// <summary>A real coordinator on loopback, and two party nodes in this process that dial out to it.</summary>
internal sealed class NodeFixture : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);
    private readonly TemporaryPlace _place = new();
    private readonly Identity _bank = Identity.Create();
    private readonly Identity _retailer = Identity.Create();
    private readonly Identity _analyst = Identity.Create();
    private readonly Identity _coordinatorIdentity = Identity.Create();
    private readonly List<RunningNode> _nodes = [];
    private CoordinatorHost? _coordinator;
    private GrpcChannel? _channel;
    private string? _database;
    private int _port;

    public string Folder => _place.Folder;

    public JobService.JobServiceClient Jobs { get; private set; } = null!;

    public AuditService.AuditServiceClient Audit { get; private set; } = null!;

    public Identity Analyst => _analyst;

    public Identity CoordinatorIdentity => _coordinatorIdentity;

    public Identity Bank => _bank;

    /// <summary>What the coordinator was started with.</summary>
    public CoordinatorConfig Config { get; private set; } = null!;

    public CoordinatorHost Coordinator => _coordinator!;

    public string Address => _coordinator!.Address;

    /// <param name="database">Where coordinator and parties keep their stores; null: files.</param>
    public static async Task<NodeFixture> StartAsync(string? database = null)
    {
        NodeFixture fixture = new() { _database = database };
        TestTls.Save(fixture._coordinatorIdentity, fixture._place.At("coordinator.pem"));
        await fixture.StartCoordinatorAsync();
        return fixture;
    }

    /// <summary>Starts the coordinator on the data, and the port, that it had before.</summary>
    public async Task StartCoordinatorAsync()
    {
        CoordinatorConfig config = Config = new()
        {
            Listen = new IPEndPoint(IPAddress.Loopback, _port),
            IdentityPath = _place.At("coordinator.pem"),
            DataFolder = _place.At("coordinator"),
            Database = StoreLocation.OfCoordinator(_database, _place.At("coordinator"), fault => new VertFedException(ErrorCode.Usage, fault)),
            Parties = new Dictionary<string, AdmittedParty>(StringComparer.Ordinal)
            {
                ["bank"] = new("bank", _bank.Fingerprint),
                ["retailer"] = new("retailer", _retailer.Fingerprint),
            },
            Principals = [new Principal("ann", [_analyst.Fingerprint], CallerRoles.Analyst)],
            Log = new LogSettings(Microsoft.Extensions.Logging.LogLevel.Error, Json: false),
        };
        _coordinator = await CoordinatorHost.StartAsync(config, CancellationToken.None);
        _port = new Uri(_coordinator.Address).Port;
        _channel = TestTls.Connect(_coordinator.Address, _analyst, _coordinatorIdentity.Fingerprint);
        Jobs = new JobService.JobServiceClient(_channel);
        Audit = new AuditService.AuditServiceClient(_channel);
    }

    public async Task StopCoordinatorAsync()
    {
        _channel?.Dispose();
        await _coordinator!.DisposeAsync();
        _coordinator = null;
    }

    /// <summary>Writes rows whose ids overlap in part, with a label that needs both sides.</summary>
    public void WriteData(int rows, Func<string, string>? spoilBank = null)
    {
        Random random = new(7);
        StringBuilder bank = new("id,y,b0,b1\n");
        StringBuilder retailer = new("id,r0,r1\n");
        for (int i = 0; i < rows + (rows / 4); i++)
        {
            double[] x = [.. Enumerable.Range(0, 4).Select(_ => random.NextDouble() - 0.5)];
            int y = x[0] - x[1] + (2 * x[2]) + x[3] + (0.3 * (random.NextDouble() - 0.5)) > 0 ? 1 : 0;
            if (i < rows)
            {
                bank.Append(CultureInfo.InvariantCulture, $"PLANTED{i},{y},{x[0]:F4},{x[1]:F4}\n");
            }

            if (i >= rows / 4)
            {
                retailer.Append(CultureInfo.InvariantCulture, $"PLANTED{i},{x[2]:F4},{x[3]:F4}\n");
            }
        }

        File.WriteAllText(_place.At("bank.csv"), spoilBank?.Invoke(bank.ToString()) ?? bank.ToString());
        File.WriteAllText(_place.At("retailer.csv"), retailer.ToString());
    }

    public RunningNode StartNode(
        Role role, string policy = "  allow_disclosure_risk: true", Identity? otherIdentity = null, string? otherCoordinator = null, TimeProvider? time = null,
        LanePatience? patience = null, Func<IPartyStore, IPartyStore>? around = null)
    {
        string text = Configuration(role, policy).Replace(
            _coordinatorIdentity.Fingerprint, otherCoordinator ?? _coordinatorIdentity.Fingerprint, StringComparison.Ordinal);
        PartyConfig config = PartyConfig.Parse("party.yaml", text, Folder);
        RunningNode node = RunningNode.Start(config, otherIdentity ?? IdentityOf(role), time, patience, around);
        _nodes.Add(node);
        return node;
    }

    /// <summary>Starts a node from its configuration's file, as the program does.</summary>
    public RunningNode StartNodeFrom(string file)
    {
        PartyConfig config = PartyConfig.Load(file);
        Directory.CreateDirectory(config.DataDirectory);
        RunningNode node = RunningNode.Start(config, NodeKeys.Load(config));
        _nodes.Add(node);
        return node;
    }

    /// <summary>Writes what a node in a process of its own needs; returns the path of its configuration.</summary>
    public string WriteConfiguration(Role role, string policy = "  allow_disclosure_risk: true")
    {
        string name = role == Role.LabelParty ? "bank" : "retailer";
        TestTls.Save(IdentityOf(role), _place.At(name + ".pem"));
        File.WriteAllText(_place.At(name + ".yaml"), Configuration(role, policy));
        return _place.At(name + ".yaml");
    }

    private Identity IdentityOf(Role role) => role == Role.LabelParty ? _bank : _retailer;

    private string Configuration(Role role, string policy)
    {
        bool isLabel = role == Role.LabelParty;
        (string name, string peer) = isLabel ? ("bank", "retailer") : ("retailer", "bank");
        return $$"""
            name: {{name}}
            role: {{(isLabel ? "label" : "feature")}}
            coordinator: https://127.0.0.1:{{_port}}
            coordinator_fingerprint: {{_coordinatorIdentity.Fingerprint}}
            identity: {{name}}.pem
            data_dir: {{name}}
            {{(_database is null ? "# a file" : $"database: \"{_database}\"")}}
            peers: [{name: {{peer}}, fingerprint: {{(isLabel ? _retailer : _bank).Fingerprint}}}]
            submitters: [{{_analyst.Fingerprint}}]
            data: {csv: {{name}}.csv}
            policy:
            {{policy}}
            """;
    }

    public async Task<string> SubmitAsync(Action<JobSpec>? change = null)
    {
        SignedJob job = NewJob(change);
        await Jobs.SubmitAsync(new SubmitRequest { Job = job.Message });
        return job.Specification.Job;
    }

    /// <summary>A signed job that is not submitted.</summary>
    public SignedJob NewJob(Action<JobSpec>? change = null)
    {
        JobSpec spec = new()
        {
            Version = 1,
            Job = Convert.ToHexStringLower(Guid.NewGuid().ToByteArray()),
            Kind = JobKind.Train,
            LabelParty = new PartyRef { Name = "bank", Fingerprint = ByteString.CopyFrom(_bank.Public.FingerprintBytes) },
            FeatureParty = new PartyRef { Name = "retailer", Fingerprint = ByteString.CopyFrom(_retailer.Public.FingerprintBytes) },
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-2, MaxIterations = 30 },
            Holdout = 0.2,
            DeadlineSeconds = 180,
            Payloads = Payloads.Full,
            AcceptDisclosureRisk = true,
        };
        change?.Invoke(spec);
        return SignedJob.Create(JobSpecification.FromMessage(spec), _analyst);
    }

    public async Task<JobStatus> EndOfAsync(string job)
    {
        using CancellationTokenSource patience = new(Patience);
        while (true)
        {
            JobStatus status = await Jobs.GetAsync(new GetJobRequest { Job = job }, cancellationToken: patience.Token);
            if (status.State is not (JobState.Queued or JobState.Offered or JobState.Running))
            {
                return status;
            }

            await Task.Delay(50, patience.Token);
        }
    }

    /// <summary>The job's status once both parties have co-signed its end.</summary>
    public async Task<JobStatus> CoSignedEndOfAsync(string job)
    {
        using CancellationTokenSource patience = new(Patience);
        JobStatus status = await EndOfAsync(job);
        while (status.State == JobState.Done && status.NotCoSigned.Count > 0)
        {
            await Task.Delay(20, patience.Token);
            status = await Jobs.GetAsync(new GetJobRequest { Job = job }, cancellationToken: patience.Token);
        }

        return status;
    }

    /// <summary>The job's transcript file.</summary>
    public async Task<byte[]> ExportAsync(string job)
    {
        using Grpc.Core.AsyncServerStreamingCall<ExportChunk> call = Audit.Export(new TranscriptRequest { Job = job });
        using MemoryStream file = new();
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
            call.ResponseStream.Current.Data.WriteTo(file);
        }

        return file.ToArray();
    }

    public async Task CancelAsync(string job)
    {
        byte[] signature = _analyst.Sign([.. "vertfed/v1/cancel"u8, .. Encoding.ASCII.GetBytes(job)]);
        await Jobs.CancelAsync(new CancelRequest { Job = job, Signature = ByteString.CopyFrom(signature) });
    }

    /// <summary>A party's own report file, once it is there.</summary>
    public async Task<JsonElement> ReportAsync(string party, string job)
    {
        string path = Path.Combine(Folder, party, "jobs", job, "report.json");
        using CancellationTokenSource patience = new(Patience);
        while (!File.Exists(path))
        {
            await Task.Delay(20, patience.Token);
        }

        using JsonDocument document = JsonDocument.Parse(await File.ReadAllBytesAsync(path));
        return document.RootElement.Clone();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (RunningNode node in _nodes)
        {
            await node.StopAsync();
        }

        if (_coordinator is not null)
        {
            await StopCoordinatorAsync();
        }

        _bank.Dispose();
        _retailer.Dispose();
        _analyst.Dispose();
        _coordinatorIdentity.Dispose();
        _place.Dispose();
    }
}

/// <summary>A party node in this process.</summary>
internal sealed class RunningNode : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly SharedText _output = new();
    private readonly SharedText _errors = new();
    private readonly IPartyStore _store;
    private readonly CheckpointSigner? _checkpoints;
    private readonly NodeKeys _keys;
    private bool _stopped;

    private RunningNode(PartyConfig config, Identity identity, TimeProvider? time, LanePatience? patience, Func<IPartyStore, IPartyStore>? around)
        : this(config, KeysOf(config, identity, out CheckpointSigner checkpoints), time, patience, around) => _checkpoints = checkpoints;

    private RunningNode(PartyConfig config, NodeKeys keys, TimeProvider? time, LanePatience? patience, Func<IPartyStore, IPartyStore>? around = null)
    {
        _keys = keys;
        _store = config.Database.OpenParty(SecretsKey.LoadOrCreate(Path.Combine(config.DataDirectory, "secrets.key")));
        PartyHost host = Host = new(
            config,
            keys,
            around?.Invoke(_store) ?? _store,
            new ProgressWriter(_output),
            new NodeLog(_errors, TimeProvider.System),
            time ?? TimeProvider.System,
            new RelayOptions
            {
                Coordinator = config.Coordinator,
                CoordinatorFingerprints = config.CoordinatorFingerprints,
                Party = config.Name,
                FirstWait = TimeSpan.FromMilliseconds(20),
                LongestWait = TimeSpan.FromMilliseconds(200),
            },
            patience);
        Jobs = host.Jobs;
        Running = Task.Run(() => host.RunAsync(_stop.Token));
    }

    private static NodeKeys KeysOf(PartyConfig config, Identity identity, out CheckpointSigner checkpoints)
    {
        Directory.CreateDirectory(config.DataDirectory);
        checkpoints = CheckpointSigner.LoadOrCreate(Path.Combine(config.DataDirectory, "checkpoint.key"), identity);
        return new NodeKeys(new NodeKey(TestTls.CredentialOf(identity), checkpoints));
    }

    public PartyHost Host { get; }

    public Task Running { get; }

    /// <summary>What the operator's commands reach.</summary>
    public IJobControl Jobs { get; }

    public string Events => _output.ToString();

    public string Log => _errors.ToString();

    public IPartyStore Store => _store;

    /// <param name="around">What the node sees of its store, where a test comes between.</param>
    public static RunningNode Start(
        PartyConfig config, Identity identity, TimeProvider? time = null, LanePatience? patience = null, Func<IPartyStore, IPartyStore>? around = null) =>
        new(config, identity, time, patience, around);

    public static RunningNode Start(PartyConfig config, NodeKeys keys) => new(config, keys, time: null, patience: null);

    /// <summary>Waits for an event of this name that has a text in it.</summary>
    public async Task WaitForAsync(string name, string with = "")
    {
        using CancellationTokenSource patience = new(NodeFixture.Patience);
        while (!Events.Split('\n').Any(line =>
            line.StartsWith($"{{\"event\":\"{name}\"", StringComparison.Ordinal) && line.Contains(with, StringComparison.Ordinal)))
        {
            if (Running.IsFaulted)
            {
                await Running;
            }

            await Task.Delay(10, patience.Token);
        }
    }

    /// <summary>The job as the node's store has it, once it is in a state.</summary>
    public async Task<PartyJob> StateOfAsync(string job, JobState state)
    {
        using CancellationTokenSource patience = new(NodeFixture.Patience);
        while (true)
        {
            if (await _store.FindJobAsync(job, patience.Token) is { } known && known.State == state)
            {
                return known;
            }

            await Task.Delay(20, patience.Token);
        }
    }

    /// <summary>Waits until the node has logged a text so many times.</summary>
    public async Task LoggedAsync(string text, int times = 1)
    {
        using CancellationTokenSource patience = new(NodeFixture.Patience);
        while (Log.Split(text).Length <= times)
        {
            await Task.Delay(10, patience.Token);
        }
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    public async Task StopAsync()
    {
        if (_stopped)
        {
            return;
        }

        _stopped = true;
        await _stop.CancelAsync();
        await Running.ContinueWith(_ => { }, TaskScheduler.Default);
        await _store.DisposeAsync();
        _checkpoints?.Dispose();
        _keys.Dispose();
        _stop.Dispose();
        await _output.DisposeAsync();
        await _errors.DisposeAsync();
    }
}
