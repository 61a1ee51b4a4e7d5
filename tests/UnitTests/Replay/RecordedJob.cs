using System.Globalization;
using System.Text;
using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Replay;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Sessions;
using VertFed.PartyNode.Witness;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.Transcript;

namespace VertFed.UnitTests.Replay;

/// <summary>
/// A real job of two parties with stores of their own on disk, run in this process without a coordinator, and its transcript as a
/// file. Either party may be made to cheat.
/// </summary>
internal sealed class RecordedJob : IAsyncDisposable
{
    private const int Rows = 500;
    private readonly string _folder = Path.Combine(Path.GetTempPath(), "vertfed-replay-" + Guid.NewGuid().ToString("N"));
    private readonly Identity _label = Identity.Create();
    private readonly Identity _feature = Identity.Create();
    private readonly Identity _analyst = Identity.Create();
    private readonly Identity _coordinator = Identity.Create();
    private readonly Dictionary<Role, SqlitePartyStore> _stores = [];
    private SignedJob _job = null!;
    private bool _withLevels;

    private RecordedJob() => Directory.CreateDirectory(_folder);

    public string Transcript => Path.Combine(_folder, "job.vft");

    public JobState State { get; private set; } = JobState.Done;

    /// <summary>Runs a job to its end.</summary>
    /// <param name="cheat">Stands between the role code of a party and its channel.</param>
    public static async Task<RecordedJob> RunAsync(
        Role cheater = Role.Unspecified,
        Func<SealedChannel, PreparedInput, IChannel>? cheat = null,
        Payloads payloads = Payloads.Full,
        Action<JobSpec>? change = null,
        bool withLevels = false)
    {
        RecordedJob recorded = new() { _withLevels = withLevels };
        recorded.WriteData();
        JobSpec spec = InMemoryParties.DefaultSpec();
        spec.LabelParty.Fingerprint = ByteString.CopyFrom(recorded._label.Public.FingerprintBytes);
        spec.FeatureParty.Fingerprint = ByteString.CopyFrom(recorded._feature.Public.FingerprintBytes);
        spec.AcceptDisclosureRisk = true;
        spec.Payloads = payloads;
        change?.Invoke(spec);
        recorded._job = SignedJob.Create(JobSpecification.FromMessage(spec), recorded._analyst);
        (InMemoryTransport labelEnd, InMemoryTransport featureEnd) = InMemoryTransport.CreatePair();
        Task<JobState>[] parties =
        [
            Task.Run(() => recorded.RunPartyAsync(Role.LabelParty, labelEnd, cheater == Role.LabelParty ? cheat : null)),
            Task.Run(() => recorded.RunPartyAsync(Role.FeatureParty, featureEnd, cheater == Role.FeatureParty ? cheat : null)),
        ];
        recorded.State = (await Task.WhenAll(parties)).Max();
        await recorded.WriteTranscriptAsync(_ => true);
        return recorded;
    }

    /// <summary>Replays a party's side from the file, its data and its store as they now are.</summary>
    public async Task<ReplayVerdict> ReplayAsync(Role role)
    {
        using TranscriptIndex index = await TranscriptIndex.OpenAsync(Transcript, default);
        return await Replayer(role).RunAsync(index, default);
    }

    /// <summary>Writes the transcript again with only the entries that are wanted.</summary>
    public async Task WriteTranscriptAsync(Func<EnvelopeHeader, bool> isWanted)
    {
        List<(EnvelopeHeader Header, Envelope Envelope)> entries = [];
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            for (ulong i = 0; await _stores[role].ReadOutboundAsync(_job.Specification.Job, 1, i, default) is { } envelope; i++)
            {
                entries.Add((EnvelopeCodec.Parse(envelope).Header, envelope));
            }
        }

        entries.RemoveAll(entry => !isWanted(entry.Header));
        entries.Sort((a, b) => CanonicalOrder.Instance.Compare(a.Header, b.Header));
        TranscriptHeader header = new()
        {
            Version = TranscriptFormat.Version,
            Job = _job.Specification.Job,
            Attempt = 1,
            SignedSpec = _job.Message,
            State = State,
            Entries = (ulong)entries.Count,
            Payloads = _job.Specification.Payloads,
        };
        await using FileStream file = new(Transcript, FileMode.Create);
        using TranscriptWriter writer = await TranscriptWriter.CreateAsync(file, header);
        foreach ((EnvelopeHeader envelopeHeader, Envelope envelope) in entries)
        {
            await writer.EntryAsync(envelope.Core, envelope.Attestation);
            if (header.Payloads == Payloads.Full || !PhaseGrammar.Rule(envelopeHeader.Step).Sealed)
            {
                await writer.PayloadAsync(envelope.Payload.Memory);
            }
        }

        await writer.FinishAsync(data => _coordinator.Sign(data));
    }

    public string DataFile(Role role) => Path.Combine(_folder, Name(role) + ".csv");

    public string ModelFile(Role role) => Path.Combine(_folder, Name(role), "jobs", _job.Specification.Job, "model.json");

    /// <summary>Appends to a party's policy section.</summary>
    public Dictionary<Role, string> Policy { get; } = new()
    {
        [Role.LabelParty] = "  allow_disclosure_risk: true",
        [Role.FeatureParty] = "  allow_disclosure_risk: true",
    };

    public async ValueTask DisposeAsync()
    {
        foreach (SqlitePartyStore store in _stores.Values)
        {
            await store.DisposeAsync();
        }

        foreach (Identity identity in new[] { _label, _feature, _analyst, _coordinator })
        {
            identity.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private static string Name(Role role) => role == Role.LabelParty ? "bank" : "retailer";

    private Identity IdentityOf(Role role) => role == Role.LabelParty ? _label : _feature;

    private Replayer Replayer(Role role) =>
        new(Configuration(role), IdentityOf(role), _stores[role], new ProgressWriter(TextWriter.Null), new NodeLog(TextWriter.Null, TimeProvider.System));

    private async Task<JobState> RunPartyAsync(Role role, InMemoryTransport transport, Func<SealedChannel, PreparedInput, IChannel>? cheat)
    {
        PartyConfig config = Configuration(role);
        AtomicFile.CreateFolder(config.DataDirectory);
        SqlitePartyStore store = Open(config);
        lock (_stores)
        {
            _stores[role] = store;
        }

        JobSpecification specification = _job.Specification;
        await store.AddJobAsync(
            new PartyJob { Job = specification.Job, Attempt = 1, Role = role, SignedSpec = _job.Message.ToByteArray(), State = JobState.Running, ReceivedUnixMs = 1 },
            default);
        PreparedInput input = PreparedInput.Load(config, specification, default);
        SessionRecord record = new(specification, config.Name, role);
        SessionRunner runner = new(
            config, IdentityOf(role), store, history: null, new ProgressWriter(TextWriter.Null), new NodeLog(TextWriter.Null, TimeProvider.System))
        {
            Conduct = cheat ?? ((channel, _) => channel),
        };
        try
        {
            await runner.RunAsync(_job, 1, input, input.Root, record, transport, default);
        }
        catch (VertFedException e) when (e.Code == ErrorCode.Refused)
        {
            return JobState.Refused;
        }

        OwnRecord entries = await OwnRecord.ReadAsync(store, specification.Job, 1, Phase.Close, default);
        record.TranscriptRoot = entries.Root(entries.Size);
        byte[] model = ReportWriter.SerialiseModel(record.ToPart(JobState.Done, error: null));
        await store.SaveResultAsync(specification.Job, 1, new PartyResult(JobState.Done, null, [1], model, [], [1], 2), default);
        AtomicFile.CreateFolder(Path.GetDirectoryName(ModelFile(role))!);
        AtomicFile.Write(ModelFile(role), model);
        return JobState.Done;
    }

    private static SqlitePartyStore Open(PartyConfig config) => SqlitePartyStore.Open(Path.Combine(config.DataDirectory, "party.db"), SecretsKey.FromBytes(new byte[SecretsKey.KeyBytes]));

    private PartyConfig Configuration(Role role)
    {
        Role peer = role.Other();
        return PartyConfig.Parse(
            "party.yaml",
            $$"""
            name: {{Name(role)}}
            role: {{(role == Role.LabelParty ? "label" : "feature")}}
            coordinator: https://127.0.0.1:1
            coordinator_fingerprint: {{_coordinator.Fingerprint}}
            identity: none.pem
            data_dir: {{Name(role)}}
            peers: [{name: {{Name(peer)}}, fingerprint: {{IdentityOf(peer).Fingerprint}}}]
            submitters: [{{_analyst.Fingerprint}}]
            data: {csv: {{Name(role)}}.csv{{(_withLevels && role == Role.FeatureParty ? ", columns: {segment: {type: categorical, missing: level}, r1: {type: numeric, missing: mean}}" : "")}}}
            policy:
            {{Policy[role]}}
            """,
            _folder);
    }

    private void WriteData()
    {
        Random random = new(11);
        StringBuilder bank = new("id,y,b0,b1\n");
        StringBuilder retailer = new(_withLevels ? "id,r0,r1,segment\n" : "id,r0,r1\n");
        for (int i = 0; i < Rows; i++)
        {
            double[] x = [.. Enumerable.Range(0, 4).Select(_ => random.NextDouble() - 0.5)];
            int y = x[0] - x[1] + (2 * x[2]) + x[3] + (0.8 * (random.NextDouble() - 0.5)) > 0 ? 1 : 0;
            bank.Append(CultureInfo.InvariantCulture, $"c{i},{y},{x[0]:F4},{x[1]:F4}\n");
            string last = _withLevels && i % 9 == 0 ? "" : x[3].ToString("F4", CultureInfo.InvariantCulture);
            string level = !_withLevels ? "" : (i % 7) switch { 0 => ",", 1 or 2 => ",new", _ => ",old" };
            retailer.Append(CultureInfo.InvariantCulture, $"c{i},{x[2]:F4},{last}{level}\n");
        }

        File.WriteAllText(DataFile(Role.LabelParty), bank.ToString());
        File.WriteAllText(DataFile(Role.FeatureParty), retailer.ToString());
    }
}
