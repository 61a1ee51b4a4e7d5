using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// What an analyst writes for a horizontal job, beside what every job has (<see cref="JobSpecificationYaml"/>; no align, label_party or
/// feature_party). Only the parties and the model have no default:
/// <code>
/// kind: horizontal
/// parties:
///   - { name: north, fingerprint: 64 hexadecimal digits }
///   - { name: south, fingerprint: 64 hexadecimal digits }
/// horizontal:
///   model: logistic             # linear, poisson, softmax:CLASSES; with hidden layers: logistic/relu:16,8 or logistic/tanh:16
///   strategy: fedavg            # as for simulate: fedprox:0.01, scaffold, median, krum ...; fedmd:STEPS also as fedmd:20/median
///   rounds: 20
///   epochs: 1
///   batch: 32                   # 0: all rows at once
///   rate: 0.1
///   optimiser: sgd              # or momentum, adam
///   l2: 0
///   clients_per_round: 0        # 0: all
///   over_selection: 1.5
///   minimum_clients: 0          # 0: as many as clients_per_round
///   round_deadline_seconds: 60
///   tolerance: 0                # 0: all rounds are done
///   secure_aggregation: none    # or bonawitz
///   compression: none           # or quantise:8, quantise:4, top-k:SHARE
///   scaling: federated          # or none
///   report_by: region           # also measure by this categorical column's levels; default none
///   selection: uniform          # or by-size, by-availability
///   personal: none              # or fine-tune:EPOCHS, ditto:LAMBDA
///   staleness: 10               # with fedbuff:SIZE alone: versions that an update may be behind
///   public_rows: { name: shared, rows: 500, sha256: 64 hexadecimal digits }    # with fedmd alone
///   privacy: { level: record, clip: 1, noise: 1, delta: 1e-5, budget: 8 }    # or client (also with clip_quantile: 0.5), distributed; default none
/// </code>
/// </summary>
internal static class HorizontalYaml
{
    private static readonly Dictionary<string, OptimiserChoice> Optimisers = new(StringComparer.Ordinal)
    {
        ["sgd"] = OptimiserChoice.Sgd,
        ["momentum"] = OptimiserChoice.Momentum,
        ["adam"] = OptimiserChoice.Adam,
    };

    private static readonly Dictionary<string, SumProtection> Protections = new(StringComparer.Ordinal)
    {
        ["none"] = SumProtection.None,
        ["bonawitz"] = SumProtection.Bonawitz,
    };

    private static readonly Dictionary<string, ScalingChoice> Scalings = new(StringComparer.Ordinal)
    {
        ["none"] = ScalingChoice.None,
        ["federated"] = ScalingChoice.Federated,
    };

    private static readonly Dictionary<string, PrivacyLevel> Levels = new(StringComparer.Ordinal)
    {
        ["client"] = PrivacyLevel.Client,
        ["record"] = PrivacyLevel.Record,
        ["distributed"] = PrivacyLevel.Distributed,
    };

    private static readonly Dictionary<string, SelectionChoice> Selections = new(StringComparer.Ordinal)
    {
        ["uniform"] = SelectionChoice.Uniform,
        ["by-size"] = SelectionChoice.BySize,
        ["by-availability"] = SelectionChoice.ByAvailability,
    };

    /// <summary>Reads the fields; their ranges are checked with the rest of the spec.</summary>
    public static HorizontalSpec Read(YamlFields map)
    {
        YamlFields? privacy = map.Map("privacy");
        string strategy = map.Text("strategy") ?? "fedavg";
        bool isBuffered = strategy.StartsWith("fedbuff", StringComparison.Ordinal);
        HorizontalSpec spec = new()
        {
            Model = map.Text("model") ?? throw map.Wrong("model", "is missing"),
            Strategy = strategy,
            Rounds = map.Count("rounds", 20),
            Epochs = map.Count("epochs", 1),
            Batch = map.Count("batch", 32),
            Rate = map.Number("rate", 0.1),
            Optimiser = map.Word("optimiser", OptimiserChoice.Sgd, Optimisers),
            L2 = map.Number("l2", 0),
            ClientsPerRound = map.Count("clients_per_round", 0),
            OverSelection = map.Number("over_selection", isBuffered ? 1 : 1.5),
            MinimumClients = map.Count("minimum_clients", 0),
            RoundDeadlineSeconds = map.Count("round_deadline_seconds", 60),
            Tolerance = map.Number("tolerance", 0),
            SecureAggregation = map.Word("secure_aggregation", SumProtection.None, Protections),
            Compression = map.Text("compression") ?? "none",
            Scaling = map.Word("scaling", ScalingChoice.Federated, Scalings),
            ReportBy = map.Text("report_by") ?? "",
            Selection = map.Word("selection", SelectionChoice.Uniform, Selections),
            Personal = map.Text("personal") is { } personal and not "none" ? personal : "",
            Staleness = map.Count("staleness", isBuffered ? 10u : 0),
            PublicRows = ReadPublicRows(map.Map("public_rows")),
            Privacy = privacy is null ? null : new PrivacySpec
            {
                Level = privacy.Has("level") ? privacy.Word("level", PrivacyLevel.Record, Levels) : throw privacy.Wrong("level", "is missing"),
                Clip = privacy.Number("clip", 1),
                Noise = privacy.Number("noise", 1),
                Delta = privacy.Number("delta", 1e-5),
                Budget = privacy.Has("budget") ? privacy.Number("budget", 0) : throw privacy.Wrong("budget", "is missing"),
                ClipQuantile = privacy.Number("clip_quantile", 0),
            },
        };
        privacy?.Done();
        return spec;
    }

    private static PublicRowsSpec? ReadPublicRows(YamlFields? map)
    {
        if (map is null)
        {
            return null;
        }

        string hash = map.Required("sha256");
        PublicRowsSpec rows = new()
        {
            Name = map.Required("name"),
            Rows = map.Has("rows") ? map.Count("rows", 0) : throw map.Wrong("rows", "is missing"),
            Sha256 = hash.Length == 64 && hash.All(char.IsAsciiHexDigit) ? ByteString.CopyFrom(Convert.FromHexString(hash)) : throw map.Wrong("sha256", "is not 64 hexadecimal digits"),
        };
        map.Done();
        return rows;
    }
}
