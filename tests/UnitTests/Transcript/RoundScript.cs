using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.UnitTests.Transcript;

/// <summary>The record of a horizontal job of three parties, written by hand: two rounds without scaling, in the clear. Tests change it, as a coordinator that holds
/// its own keys alone could.</summary>
internal sealed class RoundScript : IDisposable
{
    public const uint Everyone = RoundCodec.Everyone;
    private static readonly DateTimeOffset Time = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000);
    private readonly Identity _analyst = Identity.Create();
    private readonly Identity[] _identities = [.. Enumerable.Range(0, 4).Select(_ => Identity.Create())];
    private readonly CheckpointSigner[] _signers;
    private readonly RoundTrail[] _trails;
    private readonly uint[] _counted = new uint[3];

    public RoundScript(Action<HorizontalSpec>? change = null)
    {
        _signers = [.. _identities.Select(CheckpointSigner.Create)];
        JobSpec spec = new()
        {
            Version = 1, Job = new string('a', 32), Kind = JobKind.Horizontal, DeadlineSeconds = 60, Payloads = Payloads.Full,
            Horizontal = new HorizontalSpec
            {
                Model = "logistic", Strategy = "fedavg", Rounds = 2, Epochs = 1, Rate = 0.5, Optimiser = OptimiserChoice.Sgd, OverSelection = 1, RoundDeadlineSeconds = 20,
                SecureAggregation = SumProtection.None, Compression = "none", Scaling = ScalingChoice.None, MinimumClients = 2,
            },
        };
        spec.Parties.AddRange(new[] { "north", "south", "east" }.Select((name, i) => new PartyRef { Name = name, Fingerprint = ByteString.CopyFrom(_identities[i + 1].Public.FingerprintBytes) }));
        change?.Invoke(spec.Horizontal);
        Job = SignedJob.Create(JobSpecification.FromMessage(spec), _analyst);
        _trails = [.. Enumerable.Range(0, 4).Select(place => new RoundTrail(spec.Job, (uint)place))];
    }

    public SignedJob Job { get; }

    /// <summary>In the record's order; payloads of what the coordinator says.</summary>
    public List<Envelope> Entries { get; } = [];

    /// <summary>Who co-signs the last checkpoint.</summary>
    public List<int> CoSigners { get; } = [1, 2, 3];

    public JobState State { get; set; } = JobState.Done;

    /// <summary>May change the notes of the checkpoints.</summary>
    public Func<byte[], byte[]> OnNote { get; set; } = note => note;

    /// <summary>The job as honest sides run it.</summary>
    public static RoundScript Honest()
    {
        RoundScript script = new();
        script.Begin();
        script.Round(1, taken: [], answers: [1, 2, 3]);
        script.Round(2, taken: [1, 2, 3], answers: [3, 1, 2]);
        script.Finish(taken: [1, 3]);
        return script;
    }

    public void Begin()
    {
        Say(RoundStep.SchemaOrder, 0, 1, new SchemaOrder { SpecHash = ByteString.CopyFrom(Job.SpecHash) });
        foreach (uint place in new uint[] { 1, 2, 3 })
            Answer(place, RoundStep.Schema, 0, 1);
    }

    public void Round(uint round, uint[] taken, uint[] answers, uint attempt = 1)
    {
        foreach (uint place in taken)
            _counted[place - 1] = round - 1;
        Say(RoundStep.ModelOrder, round, attempt, new ModelOrder { Invited = { 1, 2, 3 }, Parameters = { round, 2 }, Taken = { taken }, Counted = { _counted } });
        foreach (uint place in answers)
            Answer(place, RoundStep.ModelUpdate, round, attempt);
    }

    /// <summary>An order of an asynchronous job.</summary>
    public void Order(uint place, uint round, uint attempt) =>
        Say(RoundStep.ModelOrder, round, attempt, new ModelOrder { Invited = { place }, Parameters = { round, 2 }, Counted = { new uint[3] } }, place);

    /// <param name="counted">What it says of each party's last round that counted; null: what is so.</param>
    public void Finish(uint[] taken, uint rounds = 2, uint[]? counted = null)
    {
        foreach (uint place in taken)
            _counted[place - 1] = rounds;
        Say(RoundStep.FinalModel, 0, 1, new FinalModel { Rounds = rounds, Parameters = { 3, 4 }, Taken = { taken }, Counted = { counted ?? _counted } });
    }

    public Envelope Say(RoundStep step, uint round, uint attempt, IMessage payload, uint recipient = Everyone) =>
        Add(0, _trails[0].Header(recipient, step, round, attempt), payload);

    public Envelope Answer(uint place, RoundStep step, uint round, uint attempt, IMessage? payload = null, int signer = -1) =>
        Add(place, _trails[place].Header(0, step, round, attempt), payload ?? new ModelUpdate { Examples = (10 * round) + place }, signer);

    public byte[] Write()
    {
        RoundTranscriptHeader header = new()
        {
            Version = 1, Job = Job.Specification.Job, SignedSpec = Job.Message, Coordinator = _signers[0].Key, Parties = { _signers[1..].Select(signer => signer.Key) }, State = State,
            Entries = (ulong)Entries.Count,
        };
        using MemoryStream file = new();
        using RoundTranscriptWriter writer = RoundTranscriptWriter.CreateAsync(file, header).GetAwaiter().GetResult();
        foreach (Envelope entry in Entries)
            writer.EntryAsync(entry.Core, entry.Attestation, entry.Payload.Memory).GetAwaiter().GetResult();
        foreach (int size in new[] { 4, Entries.Count })
            writer.CheckpointAsync(OnNote(Note(size))).GetAwaiter().GetResult();
        writer.FinishAsync(bytes => _identities[0].Sign(bytes)).GetAwaiter().GetResult();
        return file.ToArray();
    }

    public void Dispose()
    {
        foreach (IDisposable key in (IDisposable[])[_analyst, .. _identities, .. _signers])
            key.Dispose();
    }

    private byte[] Note(int size)
    {
        MerkleTree tree = new();
        foreach (Envelope entry in Entries.Take(size))
            tree.Append(entry.Core.Span);
        byte[] note = CheckpointNotes.Sign(new Checkpoint(CheckpointNotes.OriginOf(Job.Specification.Job, 1), size, tree.Root()), _signers[0]);
        foreach (int place in CoSigners)
            note = CheckpointNotes.AddCoSignature(note, Job.Specification.Parties[place - 1].Name, _signers[place].Verifier, CheckpointNotes.CoSign(note, _signers[place], Time));
        return note;
    }

    private Envelope Add(uint sender, RoundHeader header, IMessage payload, int signer = -1)
    {
        RoundEnvelope envelope = RoundCodec.Build(header, payload, _identities[signer < 0 ? (int)sender : signer], 1);
        _trails[sender].Add(envelope);
        Envelope kept = envelope.Message.Clone();
        if (sender != 0 || header.Step == RoundStep.SumShareBundle)
            kept.Payload = ByteString.Empty;
        Entries.Add(kept);
        return envelope.Message;
    }

    /// <summary>The keys of one party for a secure sum, as the list has them.</summary>
    public SignedSumKeys Keys(uint place, uint round)
    {
        Envelope said = Answer(place, RoundStep.SumKeys, round, 1, new SumKeys { SelfMaskHash = ByteString.CopyFrom(SHA256.HashData([(byte)place])) });
        return new SignedSumKeys { Core = said.Core, Attestation = said.Attestation, Payload = said.Payload };
    }
}
