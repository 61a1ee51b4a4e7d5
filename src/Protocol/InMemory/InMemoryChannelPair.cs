using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using VertFed.Primitives;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// Both ends of a job in one process, with real seals, signatures, chains and journals; only the network is missing. Keys and root
/// seeds come from a number, so that a run is the same every time: for tests and simulation, never for real data.
/// </summary>
public sealed class InMemoryChannelPair : IDisposable
{
    private InMemoryChannelPair(InMemoryParties parties, SealedChannel label, SealedChannel feature)
    {
        Parties = parties;
        Label = label;
        Feature = feature;
    }

    /// <summary>The label party's end.</summary>
    public SealedChannel Label { get; }

    /// <summary>The feature party's end.</summary>
    public SealedChannel Feature { get; }

    /// <summary>Keys, job and journals behind both ends.</summary>
    public InMemoryParties Parties { get; }

    /// <summary>Opens both ends, handshake included.</summary>
    /// <param name="specification">What the job is; its parties are replaced by the pair's own. Null: <see cref="InMemoryParties.DefaultSpec"/>.</param>
    /// <param name="seed">Keys and root seeds derive from it.</param>
    public static async Task<InMemoryChannelPair> OpenAsync(
        JobSpecification? specification = null, ulong seed = 1, CancellationToken cancellationToken = default)
    {
        InMemoryParties parties = await InMemoryParties.CreateAsync(specification, seed, cancellationToken);
        (InMemoryTransport labelEnd, InMemoryTransport featureEnd) = InMemoryTransport.CreatePair();
        Task<SealedChannel> label = parties.OpenAsync(Role.LabelParty, labelEnd, cancellationToken);
        Task<SealedChannel> feature = parties.OpenAsync(Role.FeatureParty, featureEnd, cancellationToken);
        await Task.WhenAll(label, feature);
        return new InMemoryChannelPair(parties, await label, await feature);
    }

    public void Dispose()
    {
        Label.Dispose();
        Feature.Dispose();
        Parties.Dispose();
    }
}

/// <summary>Two parties with keys, journals and a signed job, ready to open channels over any transport.</summary>
public sealed class InMemoryParties : IDisposable
{
    private readonly Identity _label;
    private readonly Identity _feature;

    private InMemoryParties(Identity label, Identity feature, SignedJob job)
    {
        _label = label;
        _feature = feature;
        Job = job;
    }

    /// <summary>The job that both run, signed by a submitter of its own.</summary>
    public SignedJob Job { get; }

    public InMemoryJournal LabelJournal { get; } = new();

    public InMemoryJournal FeatureJournal { get; } = new();

    /// <summary>A logistic job with the defaults of a spec file and a deadline of 60 s.</summary>
    public static JobSpec DefaultSpec(Family family = Family.Logistic) => new()
    {
        Version = JobSpecification.CurrentVersion,
        Job = "000102030405060708090a0b0c0d0e0f",
        Kind = JobKind.Train,
        LabelParty = new PartyRef { Name = "bank" },
        FeatureParty = new PartyRef { Name = "retailer" },
        Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
        Train = new TrainSpec { Family = family, L2 = 1e-3, MaxIterations = 30 },
        Holdout = 0.2,
        DeadlineSeconds = 60,
        Payloads = Payloads.Full,
    };

    /// <summary>Makes keys, job and journals; the journals hold the first attempt with its root seed.</summary>
    public static async Task<InMemoryParties> CreateAsync(
        JobSpecification? specification, ulong seed, CancellationToken cancellationToken)
    {
        Identity label = DrawIdentity(seed, "label");
        Identity feature = DrawIdentity(seed, "feature");
        using Identity submitter = DrawIdentity(seed, "submitter");
        JobSpec spec = specification?.ToMessage() ?? DefaultSpec();
        spec.LabelParty.Fingerprint = ByteString.CopyFrom(label.Public.FingerprintBytes);
        spec.FeatureParty.Fingerprint = ByteString.CopyFrom(feature.Public.FingerprintBytes);
        InMemoryParties parties = new(label, feature, SignedJob.Create(JobSpecification.FromMessage(spec), submitter));
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            SealedChannelOptions options = parties.Options(role);
            AttemptRecord record = new(
                options.Specification.Job,
                options.Attempt,
                Draw(seed, $"root-{role}"),
                options.Job.SpecHash,
                options.PolicyHash,
                options.DataRoot,
                options.SoftwareVersion);
            await parties.Journal(role).SaveAttemptAsync(record, cancellationToken);
        }

        return parties;
    }

    /// <summary>The identity of a role.</summary>
    public Identity Identity(Role role) => role == Role.LabelParty ? _label : _feature;

    /// <summary>The journal of a role.</summary>
    public InMemoryJournal Journal(Role role) => role == Role.LabelParty ? LabelJournal : FeatureJournal;

    /// <summary>What a role's channel is opened with.</summary>
    public SealedChannelOptions Options(Role role) => new()
    {
        Job = Job,
        Attempt = 1,
        Self = role,
        Identity = Identity(role),
        Peer = (role == Role.LabelParty ? _feature : _label).Public,
        PolicyHash = SHA256.HashData("in-memory policy"u8),
        DataRoot = SHA256.HashData(Encoding.UTF8.GetBytes($"in-memory data {role}")),
        CommitToRows = salts => CommitToNothing(salts, role),
    };

    /// <summary>Opens a role's channel on its journal.</summary>
    public Task<SealedChannel> OpenAsync(Role role, IEnvelopeTransport transport, CancellationToken cancellationToken) =>
        SealedChannel.OpenAsync(Options(role), transport, Journal(role), cancellationToken);

    public void Dispose()
    {
        _label.Dispose();
        _feature.Dispose();
    }

    /// <summary>A root for rows that the caller holds and this type does not know: their number is the most that there can be.</summary>
    private static RowsCommitment CommitToNothing(RandomStream salts, Role role)
    {
        byte[] salt = new byte[EnvelopeCodec.HashBytes];
        salts.Fill(salt);
        return new RowsCommitment(SHA256.HashData([.. salt, (byte)role]), Limits.MaxRows);
    }

    private static Identity DrawIdentity(ulong seed, string who)
    {
        for (int attempt = 0; ; attempt++)
        {
            byte[] scalar = Draw(seed, $"identity-{who}-{attempt}");
            if (NistP256.IsScalar(scalar))
            {
                return Protocol.Identity.FromScalar(scalar);
            }
        }
    }

    private static byte[] Draw(ulong seed, string purpose)
    {
        byte[] key = SHA256.HashData(new ContextBuilder().Add("in-memory").Add((long)seed).ToArray());
        using RandomStream stream = RandomStream.Derive(key, Encoding.UTF8.GetBytes(purpose));
        byte[] bytes = new byte[32];
        stream.Fill(bytes);
        return bytes;
    }
}
