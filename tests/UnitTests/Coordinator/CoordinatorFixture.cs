using System.Net;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Hosting;
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

/// <summary>A party that speaks the relay's frames and does what a test tells it, also the wrong thing.</summary>
internal sealed class FakeParty(string name, Identity identity, CheckpointSigner signer, Role role, GrpcChannel channel) : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly AsyncDuplexStreamingCall<PartyFrame, CoordinatorFrame> _call = new RelayService.RelayServiceClient(channel).Connect();
    private byte[] _previous = new byte[32];
    private ulong _sequence;

    public Identity Identity => identity;

    public Role Role => role;

    public CheckpointSigner Signer => signer;

    public Challenge Challenge { get; private set; } = null!;

    public Registered? Registered { get; private set; }

    public async Task RegisterAsync(string? asName = null, Identity? signedBy = null, CheckpointKey? checkpointKey = null)
    {
        Challenge = (await ExpectAsync(CoordinatorFrame.FrameOneofCase.Challenge)).Challenge;
        ByteString nonce = Challenge.Nonce;
        await SendAsync(new PartyFrame
        {
            Register = new Register
            {
                Party = asName ?? name,
                IdentityKey = ByteString.CopyFrom(identity.Public.SubjectPublicKeyInfo),
                Signature = ByteString.CopyFrom((signedBy ?? identity).Sign([.. "vertfed/v1/register"u8, .. nonce.Span, .. Encoding.UTF8.GetBytes(asName ?? name)])),
                PartyVersion = "test",
                CheckpointKey = checkpointKey ?? signer.Key,
            },
        });
        Registered = (await ExpectAsync(CoordinatorFrame.FrameOneofCase.Registered)).Registered;
    }

    public Task SendAsync(PartyFrame frame) => _call.RequestStream.WriteAsync(frame);

    /// <summary>The next frame, which must be of a kind.</summary>
    public async Task<CoordinatorFrame> ExpectAsync(CoordinatorFrame.FrameOneofCase kind)
    {
        CoordinatorFrame frame = await NextAsync();
        return frame.FrameCase == kind ? frame : throw new InvalidOperationException($"{name} expected {kind}, got {frame}");
    }

    public async Task<CoordinatorFrame> NextAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        return await _call.ResponseStream.MoveNext(limit.Token)
            ? _call.ResponseStream.Current
            : throw new InvalidOperationException($"{name}: the stream ended");
    }

    /// <summary>Reads until the stream ends with a status.</summary>
    public async Task<RpcException> ExpectStatusAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            while (await _call.ResponseStream.MoveNext(limit.Token))
            {
            }
        }
        catch (RpcException exception)
        {
            return exception;
        }

        throw new InvalidOperationException($"{name}: the stream ended without an error");
    }

    /// <summary>The next envelope of this party's chain; the chain moves on only with <see cref="Advance"/>.</summary>
    public Envelope Next(string job, byte[] payload, Action<EnvelopeHeader>? change = null, Identity? signedBy = null)
    {
        var header = new EnvelopeHeader
        {
            Job = job,
            Attempt = 1,
            Sender = role,
            Recipient = role.Other(),
            Phase = Phase.Align,
            Step = Step.BlindedIds,
            Sequence = _sequence,
            PreviousCoreHash = ByteString.CopyFrom(_previous),
        };
        change?.Invoke(header);
        ByteString core = EnvelopeCodec.BuildCore(header.ToByteString(), payload);
        return new Envelope { Core = core, Attestation = EnvelopeCodec.Attest(core, signedBy ?? identity, 1), Payload = ByteString.CopyFrom(payload) };
    }

    public void Advance(Envelope envelope)
    {
        _previous = SHA256.HashData(envelope.Core.Span);
        _sequence++;
    }

    public async Task SendEnvelopeAsync(Envelope envelope, int chunk = Limits.MaxChunkBytes)
    {
        await SendAsync(new PartyFrame { Begin = new EnvelopeBegin { Core = envelope.Core, Attestation = envelope.Attestation } });
        for (int from = 0; from < envelope.Payload.Length; from += chunk)
        {
            byte[] data = envelope.Payload.Span.Slice(from, Math.Min(chunk, envelope.Payload.Length - from)).ToArray();
            await SendAsync(new PartyFrame { Chunk = new PayloadChunk { Data = ByteString.CopyFrom(data) } });
        }
    }

    /// <summary>Sends the next envelope of the chain and awaits its acknowledgement.</summary>
    public async Task<Envelope> DepositAsync(string job, byte[] payload, Step step = Step.BlindedIds)
    {
        Envelope envelope = Next(job, payload, header => (header.Step, header.Phase) = (step, PhaseGrammar.Rule(step).Phase));
        await SendEnvelopeAsync(envelope);
        Advance(envelope);
        CoordinatorFrame frame = await ExpectAsync(CoordinatorFrame.FrameOneofCase.Deposited);
        return frame.Deposited.Sequence == _sequence - 1 ? envelope : throw new InvalidOperationException($"another envelope was acknowledged: {frame}");
    }

    /// <summary>Sends the next envelope of the chain and goes on.</summary>
    public async Task SendAsync(string job, Step step, uint round = 0, byte[]? payload = null)
    {
        Envelope envelope = Next(job, payload ?? [(byte)role, (byte)step], header => (header.Step, header.Phase, header.Round) = (step, PhaseGrammar.Rule(step).Phase, round));
        await SendEnvelopeAsync(envelope);
        Advance(envelope);
    }

    /// <summary>Reads until a checkpoint is proposed; envelopes on the way are acknowledged, everything else is passed over.</summary>
    public async Task<CheckpointProposal> ProposalAsync()
    {
        while (true)
        {
            CoordinatorFrame frame = await NextAsync();
            if (frame.FrameCase == CoordinatorFrame.FrameOneofCase.Checkpoint)
                return frame.Checkpoint;
            if (frame.FrameCase == CoordinatorFrame.FrameOneofCase.Begin)
                await AcknowledgeAsync(EnvelopeCodec.Parse(frame.Begin.Core, frame.Begin.Attestation).Header);
        }
    }

    /// <summary>Co-signs a checkpoint unseen.</summary>
    public Task CoSignAsync(CheckpointProposal proposal, CheckpointSigner? by = null) => SendAsync(new PartyFrame
    {
        Checkpoint = new CheckpointAnswer
        {
            Job = proposal.Job, Attempt = proposal.Attempt, Phase = proposal.Phase,
            CoSignature = ByteString.CopyFrom(CheckpointNotes.CoSign(proposal.Note.Span, by ?? signer, DateTimeOffset.UnixEpoch.AddDays(20_000))),
        },
    });

    public Task RefuseAsync(CheckpointProposal proposal) => SendAsync(new PartyFrame
    {
        Checkpoint = new CheckpointAnswer
        {
            Job = proposal.Job, Attempt = proposal.Attempt, Phase = proposal.Phase,
            Refusal = new JobError { Code = nameof(ErrorCode.ProtocolViolation), Party = "coordinator", Message = "another tree" },
        },
    });

    /// <summary>Receives one envelope, chunk by chunk.</summary>
    public async Task<Envelope> ReceiveAsync()
    {
        EnvelopeBegin begin = (await ExpectAsync(CoordinatorFrame.FrameOneofCase.Begin)).Begin;
        long size = (long)EnvelopeCodec.Parse(begin.Core, begin.Attestation).Core.PayloadSize;
        var payload = new MemoryStream();
        while (payload.Length < size)
        {
            ByteString data = (await ExpectAsync(CoordinatorFrame.FrameOneofCase.Chunk)).Chunk.Data;
            if (data.Length > Limits.MaxChunkBytes)
                throw new InvalidOperationException("a chunk is too large");
            data.WriteTo(payload);
        }

        return new Envelope { Core = begin.Core, Attestation = begin.Attestation, Payload = ByteString.CopyFrom(payload.ToArray()) };
    }

    public Task AcknowledgeAsync(Envelope envelope) => AcknowledgeAsync(EnvelopeCodec.Parse(envelope).Header);

    public async Task AcknowledgeAsync(EnvelopeHeader header)
    {
        await SendAsync(new PartyFrame
        {
            Delivered = new EnvelopeRef { Job = header.Job, Attempt = header.Attempt, Sender = header.Sender, Sequence = header.Sequence },
        });
    }

    public async Task OutcomeAsync(string job, JobState state, JobError? error = null, SealedReport? report = null) =>
        await SendAsync(new PartyFrame { Outcome = new JobOutcome { Job = job, Attempt = 1, State = state, Error = error, Report = report } });

    /// <summary>A connection that takes the chain over from an earlier one.</summary>
    public void TakeOver(FakeParty earlier)
    {
        _previous = earlier._previous;
        _sequence = earlier._sequence;
    }

    public ValueTask DisposeAsync()
    {
        _call.Dispose();
        return ValueTask.CompletedTask;
    }
}
