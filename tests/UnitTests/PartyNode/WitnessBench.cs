using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Witness;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.Transcript;
using VertFed.UnitTests.Storage;

namespace VertFed.UnitTests.PartyNode;

/// <summary>
/// A party's witness over a real store, a job of a few steps between two parties, and a coordinator that makes whatever checkpoint a test
/// wants. The party under test is the label party.
/// </summary>
internal sealed class WitnessBench : IAsyncDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Identity _bank = Identity.Create();
    private readonly Identity _retailer = Identity.Create();
    private readonly Identity _coordinator = Identity.Create();
    private readonly CheckpointSigner _party;
    private readonly SharedText _log = new();
    private readonly PartyConfig _config;
    private SqlitePartyStore _store;
    private RelayClient _relay = null!;
    private CheckpointWitness _witness = null!;

    private WitnessBench(string policy)
    {
        _party = CheckpointSigner.Create(_bank);
        Notary = CheckpointSigner.Create(_coordinator);
        _store = SqlitePartyStore.Open(_folder.File("party.db"), TestSecrets.Key());
        _config = PartyConfig.Parse(
            "party.yaml", PartyConfigTests.Text.Replace("max_iterations: 20", policy, StringComparison.Ordinal), _folder.Path);
        Label = Entries(Role.LabelParty, _bank);
        Feature = Entries(Role.FeatureParty, _retailer);
        Start();
    }

    public static string Job { get; } = new('a', 32);

    /// <summary>What the label party sends, and what it receives.</summary>
    public Envelope[] Label { get; }

    /// <inheritdoc cref="Label"/>
    public Envelope[] Feature { get; }

    /// <summary>The coordinator's checkpoint key.</summary>
    public CheckpointSigner Notary { get; }

    public CheckpointSigner Party => _party;

    public IPartyStore Store => _store;

    public WatchedJournal Journal { get; private set; } = null!;

    /// <summary>Why jobs were ended.</summary>
    public List<VertFedException> Ended { get; } = [];

    public string Log => _log.ToString();

    public static async Task<WitnessBench> StartAsync(string policy = "co_sign: true", uint deadlineSeconds = 600)
    {
        WitnessBench bench = new(policy);
        await bench.AddJobAsync(deadlineSeconds);
        return bench;
    }

    /// <summary>A bench whose party has the whole job on record.</summary>
    public static async Task<WitnessBench> RecordedAsync(string policy = "co_sign: true")
    {
        WitnessBench bench = await StartAsync(policy);
        await bench.RecordAsync(bench.Label.Length, bench.Feature.Length);
        return bench;
    }

    /// <summary>Appends to the party's journal up to these numbers of own and received envelopes.</summary>
    public async Task RecordAsync(int own, int received)
    {
        for (int i = 0; i < own; i++)
        {
            await Journal.AppendOutboundAsync(Job, 1, (ulong)i, Label[i], default);
        }

        for (int i = 0; i < received; i++)
        {
            await Journal.AppendInboundAsync(Job, 1, (ulong)i, Feature[i], default);
        }
    }

    /// <summary>The process ends and begins again on the same store.</summary>
    public async Task RestartAsync()
    {
        await _witness.StopAsync();
        _witness.Dispose();
        await _store.DisposeAsync();
        _store = SqlitePartyStore.Open(_folder.File("party.db"), TestSecrets.Key());
        Start();
    }

    /// <summary>An honest proposal for a phase, unless it is over other entries or by another key.</summary>
    public CheckpointProposal Propose(Phase phase, IEnumerable<Envelope>? entries = null, CheckpointSigner? by = null)
    {
        (Phase Phase, byte[] Leaf)[] tree = [.. (entries ?? [.. Label, .. Feature])
            .Select(entry => (EnvelopeCodec.Parse(entry.Core, entry.Attestation).Header, MerkleTree.HashLeaf(entry.Core.Span)))
            .Where(entry => entry.Header.Phase <= phase)
            .OrderBy(entry => entry.Header, CanonicalOrder.Instance)
            .Select(entry => (entry.Header.Phase, entry.Item2))];
        byte[][] leaves = [.. tree.Select(entry => entry.Leaf)];
        MerkleTree root = new();
        Array.ForEach(leaves, root.AppendHash);
        byte[] note = CheckpointNotes.Sign(new Checkpoint(CheckpointNotes.OriginOf(Job, 1), leaves.Length, root.Root()), by ?? Notary);
        int before = tree.Count(entry => entry.Phase < phase);
        CheckpointProposal proposal = new() { Job = Job, Attempt = 1, Phase = phase, Note = ByteString.CopyFrom(note) };
        proposal.ConsistencyProof.AddRange(MerkleProofs.Consistency(leaves, before, leaves.Length).Select(hash => ByteString.CopyFrom(hash)));
        return proposal;
    }

    /// <summary>The party's answer to a proposal.</summary>
    public async Task<CheckpointAnswer> AnswerAsync(CheckpointProposal proposal)
    {
        Take(proposal);
        await _witness.IdleAsync().WaitAsync(NodeFixture.Patience);
        return Answer()!;
    }

    public void Take(CheckpointProposal proposal) => _witness.Take(new CheckpointEvent(proposal, Notary.Verifier));

    public Task IdleAsync() => _witness.IdleAsync().WaitAsync(NodeFixture.Patience);

    /// <summary>What the party has said since the last look, or null.</summary>
    public CheckpointAnswer? Answer() => _relay.TryTakeControl(out PartyFrame? frame) ? frame!.Checkpoint : null;

    public async ValueTask DisposeAsync()
    {
        await _witness.StopAsync();
        _witness.Dispose();
        await _store.DisposeAsync();
        _party.Dispose();
        Notary.Dispose();
        _bank.Dispose();
        _retailer.Dispose();
        _coordinator.Dispose();
        await _log.DisposeAsync();
        _folder.Dispose();
    }

    private static Envelope[] Entries(Role sender, Identity identity)
    {
        List<Envelope> entries = [];
        ByteString previous = ByteString.CopyFrom(new byte[32]);
        foreach (Step step in new[] { Step.KeyExchange, Step.Hello, Step.BlindedIds, Step.TrainSetup, Step.ResultCommitment, Step.JobClose })
        {
            byte[] payload = [(byte)sender, (byte)step];
            EnvelopeHeader header = new()
            {
                Job = Job,
                Attempt = 1,
                Sender = sender,
                Recipient = sender.Other(),
                Phase = PhaseGrammar.Rule(step).Phase,
                Step = step,
                Sequence = (ulong)entries.Count,
                PreviousCoreHash = previous,
            };
            ByteString core = EnvelopeCodec.BuildCore(header.ToByteString(), payload);
            previous = ByteString.CopyFrom(System.Security.Cryptography.SHA256.HashData(core.Span));
            entries.Add(new Envelope { Core = core, Attestation = EnvelopeCodec.Attest(core, identity, 1), Payload = ByteString.CopyFrom(payload) });
        }

        return [.. entries];
    }

    private void Start()
    {
        RelayOptions options = new() { Coordinator = _config.Coordinator, CoordinatorFingerprints = [_coordinator.Fingerprint], Party = "bank" };
        NodeKeys keys = new(new NodeKey(TestTls.CredentialOf(_bank), _party));
        _relay = new RelayClient(options, keys);
        Journal = new WatchedJournal(_store);
        _witness = new CheckpointWitness(
            _config, keys, _store, Journal, _relay, new NodeLog(_log, TimeProvider.System), TimeProvider.System,
            (_, breach) => Ended.Add(breach));
    }

    private async Task AddJobAsync(uint deadlineSeconds)
    {
        JobSpec spec = new()
        {
            Version = 1,
            Job = Job,
            Kind = JobKind.Train,
            LabelParty = new PartyRef { Name = "bank", Fingerprint = ByteString.CopyFrom(_bank.Public.FingerprintBytes) },
            FeatureParty = new PartyRef { Name = "retailer", Fingerprint = ByteString.CopyFrom(_retailer.Public.FingerprintBytes) },
            Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
            Train = new TrainSpec { Family = Family.Linear, L2 = 1e-2, MaxIterations = 30 },
            Holdout = 0.2,
            DeadlineSeconds = deadlineSeconds,
            Payloads = Payloads.Full,
        };
        byte[] signed = SignedJob.Create(JobSpecification.FromMessage(spec), _bank).Message.ToByteArray();
        await _store.AddJobAsync(
            new PartyJob { Job = Job, Attempt = 1, Role = Role.LabelParty, SignedSpec = signed, State = JobState.Running, ReceivedUnixMs = 1 }, default);
        await _store.SaveAttemptAsync(new AttemptRecord(Job, 1, new byte[32], new byte[32], new byte[32], new byte[32], "test"), default);
    }
}
