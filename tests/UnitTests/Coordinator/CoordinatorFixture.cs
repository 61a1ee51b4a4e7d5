using System.Net;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Hosting;
using VertFed.Coordinator.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;
using VertFed.UnitTests.Storage;

namespace VertFed.UnitTests.Coordinator;

/// <summary>A coordinator on a loopback port with two admitted parties and a submitter; it can be restarted on its data.</summary>
internal sealed class CoordinatorFixture : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly List<FakeParty> _parties = [];
    private readonly Dictionary<string, CheckpointSigner> _signers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GrpcChannel> _channels = new(StringComparer.Ordinal);
    private int _jobs;
    private WatchedStore.Hand? _hand;
    private TimeProvider? _time;

    private CoordinatorFixture() => Config = new CoordinatorConfig
    {
        Listen = new IPEndPoint(IPAddress.Loopback, 0),
        IdentityPath = _folder.File("coordinator.pem"),
        DataFolder = _folder.File("data"),
        Parties = new Dictionary<string, AdmittedParty>(StringComparer.Ordinal)
        {
            ["bank"] = new("bank", Bank.Fingerprint),
            ["retailer"] = new("retailer", Retailer.Fingerprint),
            ["insurer"] = new("insurer", Insurer.Fingerprint),
        },
        Principals = [new Principal("ann", [Submitter.Fingerprint], CallerRoles.Analyst)],
        Log = new LogSettings(LogLevelForTests, Json: false),
    };

    public CoordinatorConfig Config { get; set; }

    public Identity Coordinator { get; } = Identity.Create();

    public Identity Bank { get; } = Identity.Create();

    public Identity Retailer { get; } = Identity.Create();

    public Identity Insurer { get; } = Identity.Create();

    public Identity Submitter { get; } = Identity.Create();

    public CoordinatorHost Host { get; private set; } = null!;

    public JobService.JobServiceClient Jobs { get; private set; } = null!;

    public AuditService.AuditServiceClient Audit { get; private set; } = null!;

    private static Microsoft.Extensions.Logging.LogLevel LogLevelForTests => Microsoft.Extensions.Logging.LogLevel.Error;

    /// <param name="hand">A test's own hand at each call of the store; null: none.</param>
    /// <param name="time">The coordinator's clock; null: the system's.</param>
    public static async Task<CoordinatorFixture> StartAsync(
        Func<CoordinatorConfig, CoordinatorConfig>? change = null, WatchedStore.Hand? hand = null, TimeProvider? time = null)
    {
        var fixture = new CoordinatorFixture { _hand = hand, _time = time };
        TestTls.Save(fixture.Coordinator, fixture.Config.IdentityPath);
        fixture.Config = change?.Invoke(fixture.Config) ?? fixture.Config;
        await fixture.StartHostAsync();
        return fixture;
    }

    /// <param name="meanwhile">Runs on the store's file while no process has it open.</param>
    public async Task RestartAsync(Func<string, Task>? meanwhile = null)
    {
        CloseChannels();
        await Host.DisposeAsync();
        if (meanwhile is not null)
            await meanwhile(Path.Combine(Config.DataFolder, "coordinator.db"));
        await StartHostAsync();
    }

    public SignedJob NewJob(uint deadlineSeconds = 600, Identity? submitter = null, Action<JobSpec>? change = null)
    {
        var spec = new JobSpec
        {
            Version = 1,
            Job = (++_jobs).ToString("x32", System.Globalization.CultureInfo.InvariantCulture),
            Kind = JobKind.Train,
            LabelParty = Reference("bank", Bank),
            FeatureParty = Reference("retailer", Retailer),
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-3, MaxIterations = 30 },
            Holdout = 0.2,
            DeadlineSeconds = deadlineSeconds,
            Payloads = Payloads.Full,
            Title = "uplift",
        };
        change?.Invoke(spec);
        return SignedJob.Create(JobSpecification.FromMessage(spec), submitter ?? Submitter);
    }

    public async Task<JobStatus> SubmitAsync(SignedJob job) => await Jobs.SubmitAsync(new SubmitRequest { Job = job.Message });

    /// <summary>A connected and registered party.</summary>
    public async Task<FakeParty> ConnectAsync(string name)
    {
        Identity identity = name switch { "bank" => Bank, "retailer" => Retailer, _ => Insurer };
        var party = new FakeParty(name, identity, SignerOf(name, identity), name == "bank" ? Role.LabelParty : Role.FeatureParty, ChannelOf(identity));
        _parties.Add(party);
        await party.RegisterAsync();
        return party;
    }

    /// <summary>A connection of the bank that has not registered.</summary>
    /// <param name="over">Whose certificate the connection shows; null: the bank's.</param>
    public FakeParty Stranger(Identity? over = null) => new("bank", Bank, SignerOf("bank", Bank), Role.LabelParty, ChannelOf(over ?? Bank));

    /// <summary>A submitted job that both parties accepted and that runs.</summary>
    public async Task<(string Job, FakeParty Bank, FakeParty Retailer)> RunningJobAsync(uint deadlineSeconds = 600, Action<JobSpec>? change = null)
    {
        FakeParty bank = await ConnectAsync("bank"), retailer = await ConnectAsync("retailer");
        string job = (await SubmitAsync(NewJob(deadlineSeconds, change: change))).Job;
        foreach (FakeParty party in new[] { bank, retailer })
        {
            await party.ExpectAsync(CoordinatorFrame.FrameOneofCase.Offer);
            await party.SendAsync(new PartyFrame { Answer = new JobAnswer { Job = job, Attempt = 1, Accepted = true } });
        }

        await bank.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start);
        await retailer.ExpectAsync(CoordinatorFrame.FrameOneofCase.Start);

        // The parties are told from the store, a moment before the coordinator's memory may have it.
        JobHub hub = Host.Service<JobHub>();
        await CheckpointTests.WaitAsync(() => Task.FromResult(hub.LiveJobs.Any(live => live.Record is var record && record.Job == job && record.State == JobState.Running)));
        return (job, bank, retailer);
    }

    /// <summary>Watches a job until its status fits, for at most a minute.</summary>
    public async Task<JobStatus> UntilAsync(string job, Func<JobStatus, bool> fits)
    {
        using var limit = new CancellationTokenSource(FakeParty.Patience);
        using AsyncServerStreamingCall<JobStatus> watch = Jobs.Watch(new GetJobRequest { Job = job }, cancellationToken: limit.Token);
        while (await watch.ResponseStream.MoveNext(limit.Token))
        {
            if (fits(watch.ResponseStream.Current))
                return watch.ResponseStream.Current;
        }

        throw new InvalidOperationException("the watch ended before the status came");
    }

    /// <summary>Moves the clock by two seconds, and returns after the deadlines of all jobs have been looked at once more.</summary>
    public async Task LookedAsync(JumpingTime time)
    {
        // Two jobs of a party that never comes, one after the other: between their ends lies a whole look.
        for (int i = 0; i < 2; i++)
        {
            string job = (await SubmitAsync(NewJob(deadlineSeconds: 1, change: spec => spec.FeatureParty = Reference("insurer", Insurer)))).Job;
            time.Jump(TimeSpan.FromSeconds(1));
            await UntilAsync(job, status => status.State == JobState.Failed);
        }
    }

    public byte[] CancelSignature(string job, Identity? signer = null) =>
        (signer ?? Submitter).Sign([.. "vertfed/v1/cancel"u8, .. Encoding.ASCII.GetBytes(job)]);

    public async ValueTask DisposeAsync()
    {
        foreach (FakeParty party in _parties)
            await party.DisposeAsync();
        CloseChannels();
        await Host.DisposeAsync();
        foreach (CheckpointSigner signer in _signers.Values)
            signer.Dispose();
        foreach (Identity identity in new[] { Coordinator, Bank, Retailer, Insurer, Submitter })
            identity.Dispose();
        _folder.Dispose();
    }

    /// <summary>The connection of whoever holds a key, until the next restart.</summary>
    public GrpcChannel ChannelOf(Identity caller)
    {
        if (!_channels.TryGetValue(caller.Fingerprint, out GrpcChannel? channel))
            _channels[caller.Fingerprint] = channel = TestTls.Connect(Host.Address, caller, Coordinator.Fingerprint);
        return channel;
    }

    private void CloseChannels()
    {
        foreach (GrpcChannel channel in _channels.Values)
            channel.Dispose();
        _channels.Clear();
    }

    private static PartyRef Reference(string name, Identity identity) => new() { Name = name, Fingerprint = ByteString.CopyFrom(identity.Public.FingerprintBytes) };

    private CheckpointSigner SignerOf(string name, Identity identity)
    {
        if (!_signers.TryGetValue(name, out CheckpointSigner? signer))
            _signers[name] = signer = CheckpointSigner.Create(identity);
        return signer;
    }

    /// <summary>The store that a coordinator of this configuration has, to be handed to it by a test.</summary>
    public static ICoordinatorStore OpenStore(CoordinatorConfig config)
    {
        Directory.CreateDirectory(config.DataFolder);
        return StoreLocation.OfCoordinator(null, config.DataFolder, fault => new VertFedException(ErrorCode.Usage, fault)).OpenCoordinator(null);
    }

    private async Task StartHostAsync()
    {
        if (_hand is null)
        {
            Host = await CoordinatorHost.StartAsync(Config, CancellationToken.None, _time);
        }
        else
        {
            Host = await CoordinatorHost.StartAsync(Config, WatchedStore.Over(OpenStore(Config), _hand), _time ?? TimeProvider.System, CancellationToken.None);
        }

        Jobs = new JobService.JobServiceClient(ChannelOf(Submitter));
        Audit = new AuditService.AuditServiceClient(ChannelOf(Submitter));
    }
}
