using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Grpc.Net.Client;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Hosting;
using VertFed.Horizontal.Learning;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Replay;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.UnitTests.Coordinator;
using VertFed.UnitTests.PartyNode;

namespace VertFed.UnitTests.Rounds;

/// <summary>A real coordinator on loopback and several party nodes in this process that hold the same columns for different customers.</summary>
internal sealed class RoundFixture : IAsyncDisposable
{
    private static readonly int[] RowsOf = [90, 140, 120, 110, 130];
    private readonly TemporaryPlace _place = new();
    private readonly Identity _analyst = Identity.Create();
    private readonly Identity _coordinatorIdentity = Identity.Create();
    private readonly List<RunningNode> _nodes = [];
    private readonly Dictionary<int, PartyConfig> _configs = [];
    private int? _openJobs;
    private WatchedStore.Hand? _hand;
    private CoordinatorHost? _coordinator;
    private GrpcChannel? _channel;
    private int _port;
    private bool _withRegion;

    private RoundFixture(int parties)
    {
        Names = [.. new[] { "north", "south", "east", "west", "centre" }.Take(parties)];
        Identities = [.. Names.Select(_ => Identity.Create())];
    }

    public string[] Names { get; }

    public Identity[] Identities { get; }

    public Identity Analyst => _analyst;

    public Identity CoordinatorIdentity => _coordinatorIdentity;

    public JobService.JobServiceClient Jobs { get; private set; } = null!;

    public AuditService.AuditServiceClient Audit { get; private set; } = null!;

    public string Address => _coordinator!.Address;

    /// <summary>All parties' rows, in the order of places.</summary>
    public Examples Pooled { get; private set; } = null!;

    /// <summary>One party's rows.</summary>
    public Examples RowsAt(int party)
    {
        int first = RowsOf.Take(party).Sum();
        return Pooled.Take([.. Enumerable.Range(first, RowsOf[party])]);
    }

    /// <param name="withRegion">Parties also hold a column region, a in two of three rows and b in the others but one, which has c.</param>
    /// <param name="hand">At each call of the coordinator's store.</param>
    public static async Task<RoundFixture> StartAsync(int parties, bool withRegion = false, int? openJobs = null, WatchedStore.Hand? hand = null)
    {
        RoundFixture fixture = new(parties) { _withRegion = withRegion, _openJobs = openJobs, _hand = hand };
        TestTls.Save(fixture._coordinatorIdentity, fixture._place.At("coordinator.pem"));
        fixture.WriteData();
        await fixture.StartCoordinatorAsync();
        return fixture;
    }

    /// <summary>Starts the coordinator on the data, and the port, that it had before.</summary>
    public async Task StartCoordinatorAsync()
    {
        CoordinatorConfig config = new()
        {
            Listen = new IPEndPoint(IPAddress.Loopback, _port),
            IdentityPath = _place.At("coordinator.pem"),
            DataFolder = _place.At("coordinator"),
            Parties = Names.Zip(Identities).ToDictionary(pair => pair.First, pair => new AdmittedParty(pair.First, pair.Second.Fingerprint), StringComparer.Ordinal),
            Principals = [new Principal("ann", [_analyst.Fingerprint], CallerRoles.Analyst)],
            Log = new LogSettings(Microsoft.Extensions.Logging.LogLevel.Error, Json: false),
            Limits = _openJobs is { } most ? new CoordinatorLimits { MaxOpenJobsPerSubmitter = most } : new CoordinatorLimits(),
        };
        _coordinator = _hand is null
            ? await CoordinatorHost.StartAsync(config, CancellationToken.None)
            : await CoordinatorHost.StartAsync(config, WatchedStore.Over(CoordinatorFixture.OpenStore(config), _hand), TimeProvider.System, CancellationToken.None);
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

    public RunningNode StartNode(
        int party, string policy = "  minimum_intersection: 2", double localWork = 1, Func<IPartyStore, IPartyStore>? around = null)
    {
        // A policy that says nothing of horizontal jobs takes none.
        policy += policy.Contains("kinds:", StringComparison.Ordinal) ? "" : "\n  kinds: [train, score, horizontal]";
        policy += policy.Contains("minimum_rows:", StringComparison.Ordinal) ? "" : "\n  minimum_rows: 2";
        IEnumerable<string> peers = Names.Zip(Identities).Where((_, other) => other != party).Select(pair => $"{{name: {pair.First}, fingerprint: {pair.Second.Fingerprint}}}");
        string text = $$"""
            name: {{Names[party]}}
            role: label
            coordinator: https://127.0.0.1:{{_port}}
            coordinator_fingerprint: {{_coordinatorIdentity.Fingerprint}}
            identity: {{Names[party]}}.pem
            data_dir: {{Names[party]}}
            peers: [{{string.Join(", ", peers)}}]
            submitters: [{{_analyst.Fingerprint}}]
            data: {csv: {{Names[party]}}.csv{{(_withRegion ? ", columns: {region: {type: categorical, reference: a, levels: [a, b]}}" : "")}}}
            public_data: {shared: {csv: shared.csv} }
            local_work: {{localWork.ToString(CultureInfo.InvariantCulture)}}
            policy:
            {{policy}}
            """;
        RunningNode node = RunningNode.Start(_configs[party] = PartyConfig.Parse("party.yaml", text, _place.Folder), Identities[party], around: around);
        _nodes.Add(node);
        return node;
    }

    /// <summary>What every party has as public data "shared": the first party's rows, without labels.</summary>
    public PublicRowsSpec Shared()
    {
        DatasetOptions dataset = new() { Source = new CsvSource { Path = _place.At("shared.csv") }, Label = "y" };
        PublicRows shared = PublicRows.Load(dataset.Source, dataset, PublicRows.FeaturesOf(dataset, CancellationToken.None), CancellationToken.None);
        return new PublicRowsSpec { Name = "shared", Rows = (uint)shared.Table.Rows, Sha256 = ByteString.CopyFrom(shared.Sha256) };
    }

    /// <summary>Starts a node for each party.</summary>
    public RunningNode[] StartNodes() => [.. Names.Select((_, party) => StartNode(party))];

    public SignedJob NewJob(Action<HorizontalSpec>? change = null, double holdout = 0)
    {
        JobSpec spec = new()
        {
            Version = 1,
            Job = Convert.ToHexStringLower(Guid.NewGuid().ToByteArray()),
            Kind = JobKind.Horizontal,
            Holdout = holdout,
            DeadlineSeconds = 600,
            Payloads = Payloads.Full,
            Horizontal = new HorizontalSpec
            {
                Model = "logistic",
                Strategy = "fedavg",
                Rounds = 4,
                Epochs = 1,
                Batch = 0,
                Rate = 0.5,
                Optimiser = OptimiserChoice.Sgd,
                OverSelection = 1,
                RoundDeadlineSeconds = 110,
                SecureAggregation = SumProtection.None,
                Compression = "none",
                Scaling = ScalingChoice.Federated,
            },
        };
        spec.Parties.AddRange(Names.Zip(Identities).Select(pair => new PartyRef { Name = pair.First, Fingerprint = ByteString.CopyFrom(pair.Second.Public.FingerprintBytes) }));
        change?.Invoke(spec.Horizontal);
        return SignedJob.Create(JobSpecification.FromMessage(spec), _analyst);
    }

    public async Task<string> SubmitAsync(SignedJob job)
    {
        await Jobs.SubmitAsync(new SubmitRequest { Job = job.Message });
        return job.Specification.Job;
    }

    public async Task<JobStatus> CancelAsync(string job) => await Jobs.CancelAsync(
        new CancelRequest { Job = job, Signature = ByteString.CopyFrom(_analyst.Sign([.. "vertfed/v1/cancel"u8, .. Encoding.ASCII.GetBytes(job)])) });

    /// <summary>Watches a job until its status fits.</summary>
    public async Task<JobStatus> UntilAsync(string job, Func<JobStatus, bool> fits)
    {
        using CancellationTokenSource patience = new(NodeFixture.Patience);
        using Grpc.Core.AsyncServerStreamingCall<JobStatus> watch = Jobs.Watch(new GetJobRequest { Job = job }, cancellationToken: patience.Token);
        while (await watch.ResponseStream.MoveNext(patience.Token))
        {
            if (fits(watch.ResponseStream.Current))
            {
                return watch.ResponseStream.Current;
            }
        }

        throw new InvalidOperationException("The watch ended before the status came.");
    }

    public Task<JobStatus> EndOfAsync(string job) => UntilAsync(job, status => status.State is not (JobState.Queued or JobState.Offered or JobState.Running));

    /// <summary>The coordinator's own part of the report.</summary>
    public async Task<JsonElement> RoundsAsync(string job)
    {
        ReportResponse report = await Jobs.ReportAsync(new GetJobRequest { Job = job });
        using JsonDocument document = JsonDocument.Parse(report.Rounds.ToByteArray());
        return document.RootElement.Clone();
    }

    /// <summary>A job as a coordinator that has stopped left it.</summary>
    public async Task<RoundJobRecord> KeptAsync(string job)
    {
        await using ICoordinatorStore store = SqliteCoordinatorStore.Open(Path.Combine(_place.At("coordinator"), "coordinator.db"));
        return (await store.FindRoundJobAsync(job, CancellationToken.None))!;
    }

    /// <summary>Replays a party's part of a transcript over its data and its store as they now are.</summary>
    public async Task<ReplayVerdict> ReplayAsync(int party, RunningNode node, byte[] transcript)
    {
        string path = _place.At("replayed.vft");
        await File.WriteAllBytesAsync(path, transcript);
        using RoundIndex index = await RoundIndex.OpenAsync(path, CancellationToken.None);
        return await new RoundReplayer(_configs[party], Identities[party], node.Store, new global::VertFed.PartyNode.Hosting.ProgressWriter(TextWriter.Null)).RunAsync(index, CancellationToken.None);
    }

    /// <summary>The transcript file of a job that has ended.</summary>
    public async Task<byte[]> ExportAsync(string job)
    {
        using MemoryStream file = new();
        using Grpc.Core.AsyncServerStreamingCall<ExportChunk> call = Audit.Export(new TranscriptRequest { Job = job });
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
            file.Write(call.ResponseStream.Current.Data.Span);
        }

        return file.ToArray();
    }

    /// <summary>The configuration of a party whose node was started.</summary>
    public PartyConfig ConfigOf(int party) => _configs[party];

    /// <summary>A file of a party.</summary>
    public string PathAt(int party, params string[] parts) => Path.Combine([_place.Folder, Names[party], .. parts]);

    /// <summary>The parameters in a party's copy of the model.</summary>
    public double[] ParametersAt(int party, string job, string file = "model.json")
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(_place.Folder, Names[party], "jobs", job, file)));
        return [.. document.RootElement.GetProperty("parameters").EnumerateArray().Select(value => value.GetDouble())];
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

        foreach (Identity identity in Identities)
        {
            identity.Dispose();
        }

        _analyst.Dispose();
        _coordinatorIdentity.Dispose();
        _place.Dispose();
    }

    private static string RegionOf(int row) => row == 5 ? ",c" : row % 3 == 0 ? ",b" : ",a";

    private void WriteData()
    {
        Random random = new(5);
        List<double> features = [];
        List<double> labels = [];
        for (int party = 0; party < Names.Length; party++)
        {
            StringBuilder csv = new($"id,y,age,income{(_withRegion ? ",region" : "")}\n");
            for (int row = 0; row < RowsOf[party]; row++)
            {
                double age = Math.Round(30 + (party * 4) + (10 * random.NextDouble()), 3);
                double income = Math.Round(1000 * random.NextDouble(), 2);
                int y = (0.2 * (age - 40)) + ((income - 500) / 200) + random.NextDouble() - 0.5 > 0 ? 1 : 0;
                csv.Append(CultureInfo.InvariantCulture, $"{party}-{row},{y},{age},{income}{(_withRegion ? RegionOf(row) : "")}\n");
                features.AddRange([age, income]);
                labels.Add(y);
            }

            File.WriteAllText(_place.At(Names[party] + ".csv"), csv.ToString());
            if (party == 0)
            {
                File.WriteAllText(_place.At("shared.csv"), csv.ToString());
            }
        }

        Pooled = Examples.FromRows([.. features], [.. labels], 2);
    }
}
