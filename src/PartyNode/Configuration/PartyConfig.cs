using VertFed.Operations;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Policies;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Configuration;

/// <summary>A peer that this party works with, compared out of band.</summary>
/// <param name="Name">The peer's name.</param>
/// <param name="Fingerprints">SHA-256 of its identity key (DER SubjectPublicKeyInfo), 64 lower-case hexadecimal digits; more than one
/// while it changes keys.</param>
public sealed record PinnedPeer(string Name, IReadOnlyList<string> Fingerprints)
{
    public bool Holds(string fingerprint) => Fingerprints.Contains(fingerprint, StringComparer.Ordinal);
}

/// <summary>A party node's configuration, validated. Paths are absolute.</summary>
public sealed class PartyConfig
{
    /// <summary>Two years: an audit of last year's jobs finds what it needs.</summary>
    public const int DefaultRetainDays = 730;

    public const int DefaultMaxRunningJobs = 2;

    /// <summary>Most jobs that a configuration may have run at once.</summary>
    public const int MostRunningJobs = 16;

    private PartyConfig()
    {
    }

    /// <summary>This party's name, as job specs name it.</summary>
    public required string Name { get; init; }

    public required Role Role { get; init; }

    /// <summary>Where the coordinator listens: https.</summary>
    public required Uri Coordinator { get; init; }

    /// <summary>Fingerprints of the coordinator's identity key, compared out of band; more than one while it changes keys. A coordinator
    /// with another key is refused.</summary>
    public required IReadOnlyList<string> CoordinatorFingerprints { get; init; }

    /// <summary>Path of the private identity key, PEM; its certificate is beside it (.crt).</summary>
    public required string IdentityPath { get; init; }

    /// <summary>Folder of the node's store and of its reports; made if it is not there.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>Where the node's store is.</summary>
    public required StoreLocation Database { get; init; }

    /// <summary>File with the key that seals root seeds; null: the environment's, or a file in the data folder.</summary>
    public required string? SecretsKeyPath { get; init; }

    /// <summary>How many days after a job's end the node keeps what a replay of it needs, 1 to 36,500.</summary>
    public required int RetainDays { get; init; }

    public required IReadOnlyList<PinnedPeer> Peers { get; init; }

    /// <summary>Fingerprints of the submitters whose jobs this party considers.</summary>
    public required IReadOnlyList<string> Submitters { get; init; }

    /// <summary>The data sources by name; one is named <see cref="JobSpecification.DefaultDataset"/>.</summary>
    public required IReadOnlyDictionary<string, DatasetOptions> Datasets { get; init; }

    /// <summary>How many jobs run at once, 1 to 16; each holds its own copy of the data it uses.</summary>
    public required int MaxRunningJobs { get; init; }

    public required PartyPolicy Policy { get; init; }

    /// <summary>Metrics, health, telemetry and how the node stops.</summary>
    public required OperationsSettings Operations { get; init; }

    public required NodeLogSettings Log { get; init; }

    /// <summary>Reads a configuration file. Relative paths in it are relative to its folder.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>, naming file and line.</exception>
    public static PartyConfig Load(string path)
    {
        string full = Path.GetFullPath(path);
        return Read(YamlMap.Load(full), Path.GetDirectoryName(full)!);
    }

    /// <summary>Reads configuration text; <paramref name="file"/> names it in errors, <paramref name="folder"/> is the base of relative paths.</summary>
    public static PartyConfig Parse(string file, string text, string folder) => Read(YamlMap.Parse(file, text), folder);

    /// <summary>A data source by name.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: there is none of that name.</exception>
    public DatasetOptions Dataset(string name) => Datasets.TryGetValue(name, out DatasetOptions? dataset)
        ? dataset
        : throw new VertFedException(ErrorCode.Refused, $"policy rule 'dataset': '{name}' is not among the configured datasets") { Party = Name };

    private static PartyConfig Read(YamlMap map, string folder)
    {
        string name = map.Text("name");
        if (!PartyReference.IsName(name))
        {
            throw map.Bad("name", "1 to 64 of a-z, 0-9, '-' and '_', starting with a letter, are expected");
        }

        Role role = map.Text("role") switch
        {
            "label" => Role.LabelParty,
            "feature" => Role.FeatureParty,
            _ => throw map.Bad("role", "label or feature is expected"),
        };
        string data = Path.GetFullPath(map.Text("data_dir"), folder);
        PartyConfig config = new()
        {
            Name = name,
            Role = role,
            Coordinator = ReadCoordinator(map),
            CoordinatorFingerprints = ReadFingerprints(map, "coordinator_fingerprint"),
            IdentityPath = Path.GetFullPath(map.Text("identity"), folder),
            DataDirectory = data,
            Database = StoreLocation.OfParty(map.OptionalText("database"), name, data, fault => map.Bad("database", fault)),
            SecretsKeyPath = map.OptionalText("secrets_key") is { } secrets ? Path.GetFullPath(secrets, folder) : null,
            RetainDays = (int)map.Integer("retain_days", DefaultRetainDays, 1, 36_500),
            Peers = ReadPeers(map, name),
            Submitters = ReadSubmitters(map),
            Datasets = DatasetReader.Read(map, role, folder),
            MaxRunningJobs = (int)map.Integer("max_running_jobs", DefaultMaxRunningJobs, 1, MostRunningJobs),
            Policy = PolicyReader.Read(map, "policy", folder),
            Operations = OperationsReader.Read(map),
            Log = OperationsReader.ReadLog(map.OptionalMap("log")),
        };
        map.RefuseOthers();
        return config;
    }

    private static Uri ReadCoordinator(YamlMap map) =>
        Uri.TryCreate(map.Text("coordinator"), UriKind.Absolute, out Uri? uri) && uri.Scheme is "https"
            && uri.AbsolutePath is "/" && uri.Query.Length == 0 && uri.UserInfo.Length == 0
            ? uri
            : throw map.Bad("coordinator", "a URL such as https://coordinator.example:7400 is expected");

    private static List<PinnedPeer> ReadPeers(YamlMap map, string own)
    {
        List<PinnedPeer> peers = [];
        foreach (YamlMap peer in map.Maps("peers"))
        {
            string name = peer.Text("name");
            if (!PartyReference.IsName(name) || name == own || peers.Exists(known => known.Name == name))
            {
                throw peer.Bad("name", "a peer's name is well-formed, unique and not the party's own");
            }

            peers.Add(new PinnedPeer(name, ReadFingerprints(peer, "fingerprint")));
            peer.RefuseOthers();
        }

        return peers;
    }

    private static IReadOnlyList<string> ReadFingerprints(YamlMap map, string key)
    {
        IReadOnlyList<string> list = map.OneOrMore(key);
        return list.Count <= MaxPins && list.All(PeerIdentity.IsFingerprint) ? list : throw map.Bad(key, FingerprintExpected);
    }

    private static IReadOnlyList<string> ReadSubmitters(YamlMap map)
    {
        IReadOnlyList<string> list = map.OptionalTexts("submitters") ?? throw map.Bad("submitters", "a list of fingerprints is missing");
        return list.All(PeerIdentity.IsFingerprint) ? list : throw map.Bad("submitters", FingerprintExpected);
    }

    private const int MaxPins = 8;
    private const string FingerprintExpected = "a fingerprint is 64 lower-case hexadecimal digits";
}
