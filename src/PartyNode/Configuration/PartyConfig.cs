using VertFed.Operations;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Policies;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Configuration;

/// <summary>A party node's configuration, validated. Paths are absolute.</summary>
public sealed class PartyConfig
{
    /// <summary>Two years: an audit of last year's jobs finds what it needs.</summary>
    public const int DefaultRetainDays = 730;

    public const int DefaultMaxRunningJobs = 2;

    /// <summary>Most jobs that a configuration may have run at once.</summary>
    public const int MostRunningJobs = 16;

    // The one part that changes while the node runs; always as a whole.
    private PinnedKeys _trust;

    private PartyConfig(PinnedKeys trust) => _trust = trust;

    /// <summary>This party's name, as job specs name it.</summary>
    public required string Name { get; init; }

    public required Role Role { get; init; }

    /// <summary>Where the coordinator listens: https.</summary>
    public required Uri Coordinator { get; init; }

    /// <summary>Fingerprints of the coordinator's identity key, compared out of band; more than one while it changes keys. A coordinator
    /// with another key is refused.</summary>
    public IReadOnlyList<string> CoordinatorFingerprints => Volatile.Read(ref _trust).Coordinator;

    /// <summary>Path of the private identity key, PEM; its certificate is beside it (.crt).</summary>
    public required string IdentityPath { get; init; }

    /// <summary>Paths of the identities that the party had before and that running jobs may name, PEM, at most 7.</summary>
    public required IReadOnlyList<string> PreviousIdentityPaths { get; init; }

    /// <summary>The trust file, whose pins are beside those of this file; null: none.</summary>
    public required string? TrustPath { get; init; }

    /// <summary>Folder of the node's store and of its reports; made if it is not there.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>Where the node's store is.</summary>
    public required StoreLocation Database { get; init; }

    /// <summary>File with the key that seals root seeds; null: the environment's, or a file in the data folder.</summary>
    public required string? SecretsKeyPath { get; init; }

    /// <summary>How many days after a job's end the node keeps what a replay of it needs, 1 to 36,500.</summary>
    public required int RetainDays { get; init; }

    public IReadOnlyList<PinnedPeer> Peers => Volatile.Read(ref _trust).Peers;

    /// <summary>Fingerprints of the submitters whose jobs this party considers.</summary>
    public IReadOnlyList<string> Submitters => Volatile.Read(ref _trust).Submitters;

    /// <summary>The data sources by name; one is named <see cref="JobSpecification.DefaultDataset"/>.</summary>
    public required IReadOnlyDictionary<string, DatasetOptions> Datasets { get; init; }

    /// <summary>Where the rows without labels come from that horizontal jobs with distillation name, by name.</summary>
    public required IReadOnlyDictionary<string, SourceOptions> PublicData { get; init; }

    /// <summary>How many jobs run at once, 1 to 16; each holds its own copy of the data it uses.</summary>
    public required int MaxRunningJobs { get; init; }

    /// <summary>Which share of a round's local steps of a horizontal job the node does, in (0, 1].</summary>
    public required double LocalWork { get; init; }

    public required PartyPolicy Policy { get; init; }

    /// <summary>Metrics, health, telemetry and how the node stops.</summary>
    public required OperationsSettings Operations { get; init; }

    public required NodeLogSettings Log { get; init; }

    /// <summary>Reads a configuration file. Relative paths in it are relative to its folder.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>, naming file and line.</exception>
    /// <param name="running">The configuration of the node that reads again; null: it starts.</param>
    public static PartyConfig Load(string path, PartyConfig? running = null)
    {
        string full = Path.GetFullPath(path);
        return Read(YamlMap.Load(full), Path.GetDirectoryName(full)!, running);
    }

    /// <summary>A node starts only where it trusts somebody in each part. One that runs may lose the last of them.</summary>
    /// <param name="path">The configuration's, for the message.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>, naming file and field.</exception>
    public void RequireTrust(string path)
    {
        string? empty = CoordinatorFingerprints.Count == 0 ? "coordinator_fingerprint: no key of the coordinator"
            : Peers.Count == 0 ? "peers: no peer"
            : Submitters.Count == 0 ? "submitters: no submitter"
            : null;
        if (empty is not null)
        {
            string where = TrustPath is null ? "" : $", and none is in the trust file '{Path.GetFileName(TrustPath)}'";
            throw new VertFedException(ErrorCode.Usage, $"{Path.GetFileName(path)}: {empty} is named{where}");
        }
    }

    /// <summary>Takes the pins of a configuration that was read later.</summary>
    public void TakeTrust(PartyConfig later)
    {
        ArgumentNullException.ThrowIfNull(later);
        Volatile.Write(ref _trust, Volatile.Read(ref later._trust));
    }

    /// <summary>Reads configuration text; <paramref name="file"/> names it in errors, <paramref name="folder"/> is the base of relative paths.</summary>
    public static PartyConfig Parse(string file, string text, string folder) => Read(YamlMap.Parse(file, text), folder, running: null);

    /// <summary>A data source by name.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: there is none of that name.</exception>
    public DatasetOptions Dataset(string name) => Datasets.TryGetValue(name, out DatasetOptions? dataset)
        ? dataset
        : throw new VertFedException(ErrorCode.Refused, $"policy rule 'dataset': '{name}' is not among the configured datasets") { Party = Name };

    private static PartyConfig Read(YamlMap map, string folder, PartyConfig? running)
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
        string? trustPath = map.OptionalText("trust") is { } trust ? Path.GetFullPath(trust, folder) : null;
        TrustFile? pins = trustPath is null ? null : TrustFile.Read(trustPath);
        PartyConfig config = new(TrustReader.Read(map, name, pins))
        {
            Name = name,
            Role = role,
            Coordinator = TrustReader.ReadCoordinator(map, pins, running?.Coordinator),
            TrustPath = trustPath,
            PreviousIdentityPaths = TrustReader.ReadPreviousIdentities(map, folder),
            IdentityPath = Path.GetFullPath(map.Text("identity"), folder),
            DataDirectory = data,
            Database = StoreLocation.OfParty(map.OptionalText("database"), name, data, fault => map.Bad("database", fault)),
            SecretsKeyPath = map.OptionalText("secrets_key") is { } secrets ? Path.GetFullPath(secrets, folder) : null,
            RetainDays = (int)map.Integer("retain_days", DefaultRetainDays, 1, 36_500),
            Datasets = DatasetReader.Read(map, role, folder),
            PublicData = DatasetReader.ReadPublic(map, folder),
            MaxRunningJobs = (int)map.Integer("max_running_jobs", DefaultMaxRunningJobs, 1, MostRunningJobs),
            LocalWork = map.Number("local_work", 1, 0.001, 1),
            Policy = PolicyReader.Read(map, "policy", folder),
            Operations = OperationsReader.Read(map),
            Log = OperationsReader.ReadLog(map.OptionalMap("log")),
        };
        map.RefuseOthers();
        return config;
    }
}
