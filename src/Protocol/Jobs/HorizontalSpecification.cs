using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>What a horizontal job trains and how, validated and immutable; part of a <see cref="JobSpecification"/>.</summary>
public sealed class HorizontalSpecification
{
    /// <summary>Fewest and most parties of a horizontal job.</summary>
    public const int FewestParties = 2;
    public const int MostParties = 100;

    /// <summary>Most parameters of a model that the service trains: an update with a control variate fits an envelope of 1 MiB.</summary>
    public const int MostParameters = 60_000;

    /// <summary>Bytes of a SHA-256.</summary>
    private const int HashBytes = 32;

    private const int LongestName = 64;
    private const int LongestColumn = 200;

    private readonly HorizontalSpec _spec;

    internal HorizontalSpecification(HorizontalSpec spec, int parties)
    {
        _spec = spec.Clone();
        ClientsPerRound = spec.ClientsPerRound == 0 ? parties : (int)spec.ClientsPerRound;
        MinimumClients = spec.MinimumClients == 0 ? ClientsPerRound : (int)spec.MinimumClients;
    }

    /// <summary>As the spec has it; what it means is the Horizontal project's.</summary>
    public string Model => _spec.Model;

    /// <summary>As the spec has it; what it means is the Horizontal project's.</summary>
    public string Strategy => _spec.Strategy;

    /// <summary>1 to 1000.</summary>
    public int Rounds => (int)_spec.Rounds;

    /// <summary>1 to 100.</summary>
    public int Epochs => (int)_spec.Epochs;

    /// <summary>0 to 65536; 0 takes all rows at once.</summary>
    public int Batch => (int)_spec.Batch;

    /// <summary>In (0, 1e3].</summary>
    public double Rate => _spec.Rate;

    public OptimiserChoice Optimiser => _spec.Optimiser;

    /// <summary>In [0, 1e3].</summary>
    public double L2 => _spec.L2;

    /// <summary>Parties that a round needs, 1 to all.</summary>
    public int ClientsPerRound { get; }

    /// <summary>In [1, 10].</summary>
    public double OverSelection => _spec.OverSelection;

    /// <summary>Fewest answers that make a round, 1 to <see cref="ClientsPerRound"/>.</summary>
    public int MinimumClients { get; }

    /// <summary>1 s to 1 day.</summary>
    public TimeSpan RoundDeadline => TimeSpan.FromSeconds(_spec.RoundDeadlineSeconds);

    /// <summary>From 0; 0 does all rounds.</summary>
    public double Tolerance => _spec.Tolerance;

    /// <summary>Whether the coordinator learns sums alone.</summary>
    public bool IsSecure => _spec.SecureAggregation == SumProtection.Bonawitz;

    /// <summary>As the spec has it; what it means is the Horizontal project's.</summary>
    public string Compression => _spec.Compression;

    public ScalingChoice Scaling => _spec.Scaling;

    /// <summary>Whom a round invites.</summary>
    public SelectionChoice Selection => _spec.Selection;

    /// <summary>As the spec has it; what it means is the Horizontal project's. Empty without personal models.</summary>
    public string Personal => _spec.Personal;

    /// <summary>How many versions an update may be behind under an asynchronous strategy, 0 to 1000.</summary>
    public int Staleness => (int)_spec.Staleness;

    /// <summary>Null without noise.</summary>
    public PrivacySpec? Privacy => _spec.Privacy?.Clone();

    /// <summary>The column by whose levels parties also measure the model; null: none.</summary>
    public string? ReportBy => _spec.ReportBy.Length == 0 ? null : _spec.ReportBy;

    /// <summary>The rows without labels that every party holds; null where the job has none.</summary>
    public PublicRowsSpec? PublicRows => _spec.PublicRows?.Clone();

    /// <summary>The message of this part.</summary>
    public HorizontalSpec ToMessage() => _spec.Clone();

    /// <summary>The rules of a horizontal job, in the form of <see cref="JobSpecification"/>'s.</summary>
    internal static IEnumerable<(bool Holds, string Field, string Wrong)> Rules(JobSpec spec)
    {
        HorizontalSpec part = spec.Horizontal ?? new HorizontalSpec();
        int parties = spec.Parties.Count;
        return
        [
            (spec.Horizontal is not null, "horizontal", "is missing"),
            (spec.LabelParty is null, "label_party", "does not belong in a horizontal job"),
            (spec.FeatureParty is null, "feature_party", "does not belong in a horizontal job"),
            (spec.Align is null, "align", "does not belong in a horizontal job"),
            (spec.Train is null, "train", "does not belong in a horizontal job"),
            (spec.Score is null, "score", "does not belong in a horizontal job"),
            (parties is >= FewestParties and <= MostParties, "parties", $"are not {FewestParties} to {MostParties}"),
            .. spec.Parties.SelectMany((party, place) => JobSpecification.PartyRules(party, $"parties[{place + 1}]")),
            (spec.Parties.DistinctBy(party => party.Name).Count() == parties, "parties", "name a party twice"),
            (spec.Parties.DistinctBy(party => party.Fingerprint).Count() == parties, "parties", "have a fingerprint twice"),
            (!spec.AcceptDisclosureRisk, "accept_disclosure_risk", "does not belong in a horizontal job"),
            (IsWord(part.Model), "horizontal.model", "is not the name of a model"),
            (IsWord(part.Strategy), "horizontal.strategy", "is not the name of a strategy"),
            (IsWord(part.Compression), "horizontal.compression", "is not the name of a compression"),
            (part.Rounds is >= 1 and <= 1000, "horizontal.rounds", "is not between 1 and 1000"),
            (part.Epochs is >= 1 and <= 100, "horizontal.epochs", "is not between 1 and 100"),
            (part.Batch <= 65536, "horizontal.batch", "is not between 0 and 65536"),
            (part.Rate is > 0 and <= 1e3, "horizontal.rate", "is not above 0 and at most 1e3"),
            (part.Optimiser is not OptimiserChoice.Unspecified && Enum.IsDefined(part.Optimiser), "horizontal.optimiser", "is none of sgd, momentum, adam"),
            (part.L2 is >= 0 and <= 1e3, "horizontal.l2", "is not between 0 and 1e3"),
            (part.ClientsPerRound <= parties, "horizontal.clients_per_round", "is more than there are parties"),
            (part.OverSelection is >= 1 and <= 10, "horizontal.over_selection", "is not between 1 and 10"),
            (part.MinimumClients <= (part.ClientsPerRound == 0 ? (uint)parties : part.ClientsPerRound), "horizontal.minimum_clients", "is more than a round needs"),
            (part.RoundDeadlineSeconds is >= 1 and <= 86400, "horizontal.round_deadline_seconds", "is not between 1 and 86400"),
            (part.Tolerance is >= 0 and <= 1e3, "horizontal.tolerance", "is not between 0 and 1e3"),
            (part.SecureAggregation is SumProtection.None or SumProtection.Bonawitz, "horizontal.secure_aggregation", "is neither none nor bonawitz"),
            (part.Scaling is ScalingChoice.None or ScalingChoice.Federated, "horizontal.scaling", "is neither none nor federated"),
            (part.ReportBy.Length <= LongestColumn && !part.ReportBy.Any(char.IsControl), "horizontal.report_by", $"is not the name of a column, of up to {LongestColumn} characters"),
            (Enum.IsDefined(part.Selection), "horizontal.selection", "is none of uniform, by-size, by-availability"),
            (part.Personal.Length == 0 || IsWord(part.Personal), "horizontal.personal", "is not the name of a personal model"),
            (part.Personal.Length == 0 || spec.Holdout > 0, "holdout", "is 0: personal models are measured on rows that each party keeps for its test"),
            (part.Personal.Length == 0 || part.Privacy is null, "horizontal.personal", "does not go with privacy: its measures are of a model without noise"),
            (part.Staleness <= 1000, "horizontal.staleness", "is not between 0 and 1000"),
            .. PublicRules(part),
            .. SecureRules(part, parties),
            .. PrivacyRules(part),
        ];
    }

    private static IEnumerable<(bool Holds, string Field, string Wrong)> PublicRules(HorizontalSpec part) => part.PublicRows is not { } rows
        ? []
        :
        [
            (PartyReference.IsName(rows.Name), "horizontal.public_rows.name", "is not a name of 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter"),
            (rows.Rows is >= 1 and <= MostParameters, "horizontal.public_rows.rows", $"is not between 1 and {MostParameters}"),
            (rows.Sha256.Length == HashBytes, "horizontal.public_rows.sha256", "is not 64 hexadecimal digits"),
        ];

    private static IEnumerable<(bool Holds, string Field, string Wrong)> SecureRules(HorizontalSpec part, int parties)
    {
        if (part.SecureAggregation != SumProtection.Bonawitz)
        {
            return [];
        }

        uint needed = part.ClientsPerRound == 0 ? (uint)parties : part.ClientsPerRound;
        uint least = part.MinimumClients == 0 ? needed : part.MinimumClients;
        return
        [
            (parties >= 3, "parties", "are fewer than 3: the sum of two tells each of the other"),
            (least >= 3, "horizontal.minimum_clients", "is below 3: a sum of fewer hides too little"),
            (part.Compression == "none", "horizontal.compression", "does not go with secure_aggregation: masked numbers do not compress"),
            (part.Selection != SelectionChoice.BySize, "horizontal.selection", "by-size needs the parties' rows, which secure_aggregation hides"),
        ];
    }

    private static IEnumerable<(bool Holds, string Field, string Wrong)> PrivacyRules(HorizontalSpec part) => part.Privacy is not { } privacy
        ? []
        :
        [
            (privacy.Level is not PrivacyLevel.Unspecified && Enum.IsDefined(privacy.Level), "horizontal.privacy.level", "is none of client, record, distributed"),
            (privacy.Clip is > 0 and <= 1e6, "horizontal.privacy.clip", "is not above 0 and at most 1e6"),
            (privacy.Noise is > 0 and <= 1e3, "horizontal.privacy.noise", "is not above 0 and at most 1e3"),
            (privacy.Delta is > 0 and <= 0.1, "horizontal.privacy.delta", "is not above 0 and at most 0.1"),
            (privacy.Budget is > 0 and <= 1e3, "horizontal.privacy.budget", "is not above 0 and at most 1e3"),
            (privacy.ClipQuantile is >= 0 and < 1, "horizontal.privacy.clip_quantile", "is not from 0 to below 1"),
            (privacy.ClipQuantile == 0 || privacy.Level == PrivacyLevel.Client, "horizontal.privacy.clip_quantile", "goes with level client alone"),
            (privacy.Level == PrivacyLevel.Record || part.Strategy == "fedavg", "horizontal.strategy", "is not fedavg, which privacy at levels client and distributed goes with"),
            (privacy.Level == PrivacyLevel.Record || part.Compression == "none", "horizontal.compression", "does not go with privacy at levels client and distributed"),
            (privacy.Level != PrivacyLevel.Distributed || part.SecureAggregation == SumProtection.Bonawitz, "horizontal.secure_aggregation", "is not bonawitz, which privacy at level distributed goes with"),
            (privacy.Level != PrivacyLevel.Record || part.Batch > 0, "horizontal.batch", "is 0; DP-SGD samples rows"),
        ];

    private static bool IsWord(string text) =>
        text.Length is > 0 and <= LongestName && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or ':' or '.' or '/' or ',');
}
