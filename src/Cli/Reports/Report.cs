using System.Text.Json.Serialization;

namespace VertFed.Cli.Reports;

/// <summary>
/// What report.json holds; docs/report.schema.json describes it field by field. A party's own report part has the same
/// shape, restricted to what that party knows, so every section can be absent.
/// </summary>
internal sealed record Report
{
    public const int CurrentSchema = 1;

    [JsonPropertyOrder(-30)] public int Schema { get; init; } = CurrentSchema;

    [JsonPropertyOrder(-29)] public string Job { get; init; } = "";

    [JsonPropertyOrder(-28)] public string Kind { get; init; } = "train";

    /// <summary>done, failed, refused or cancelled.</summary>
    [JsonPropertyOrder(-27)] public string Status { get; init; } = ReportStatus.Failed;

    [JsonPropertyOrder(-26)] public ReportError? Error { get; init; }

    /// <summary>Parties, by name, that have not co-signed the record of a job that is done; empty otherwise. A party's own part does not
    /// know.</summary>
    [JsonPropertyOrder(-25)] public IReadOnlyList<string> NotCoSigned { get; init; } = [];

    /// <summary>logistic or linear.</summary>
    [JsonPropertyOrder(-25)] public string Family { get; init; } = "";

    [JsonPropertyOrder(-24)] public double L2 { get; init; }

    [JsonPropertyOrder(-23)] public double Holdout { get; init; }

    [JsonPropertyOrder(-22)] public string Version { get; init; } = "";

    [JsonPropertyOrder(-21)] public double SecondsTotal { get; init; }

    public AlignSection? Align { get; init; }

    public TrainSection? Train { get; init; }

    public TestSection? Test { get; init; }

    public ScoreSection? Score { get; init; }

    public CoefficientSection? Coefficients { get; init; }

    public IReadOnlyList<GuardEntry> Guards { get; init; } = [];

    public IReadOnlyList<DisclosureEntry> Disclosures { get; init; } = [];

    /// <summary>What the files of the run are, by what they hold.</summary>
    public IReadOnlyDictionary<string, string> Files { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);
}

internal static class ReportStatus
{
    public const string Done = "done";
    public const string Failed = "failed";
    public const string Refused = "refused";
    public const string Cancelled = "cancelled";
}

/// <param name="Code">The name of an <see cref="VertFed.Protocol.ErrorCode"/>.</param>
/// <param name="Party">Who raised it: a party's name, "coordinator", or "demo".</param>
internal sealed record ReportError(string Code, string Party, string Step, string Message);

internal sealed record AlignSection
{
    public string Protocol { get; init; } = "";

    public long? BankRows { get; init; }

    public long? RetailerRows { get; init; }

    public long? Intersection { get; init; }

    /// <summary>SHA-256 of the sorted common ids joined by line feeds, lower-case hexadecimal; where one person owns both sides.</summary>
    [JsonPropertyName("intersection_sha256")]
    public string? IntersectionSha256 { get; init; }

    public double Seconds { get; init; }

    /// <summary>Sealed payload sent by both parties.</summary>
    public long Bytes { get; init; }
}

internal sealed record TrainSection
{
    public long Rows { get; init; }

    public int Iterations { get; init; }

    public bool Converged { get; init; }

    public double Seconds { get; init; }

    public long Bytes { get; init; }

    public double? GradientNorm { get; init; }

    /// <summary>Mean loss over the training rows, without the penalty.</summary>
    public double? LogLoss { get; init; }

    /// <summary>The linear family's mean of (y - eta)^2 / 2, without the penalty.</summary>
    public double? Loss { get; init; }

    public long ClippedRows { get; init; }
}

internal sealed record TestSection
{
    public long Rows { get; init; }

    public double? Auc { get; init; }

    public double? Ks { get; init; }

    public double? AucLabelPartyOnly { get; init; }

    public double? KsLabelPartyOnly { get; init; }

    public double? Rmse { get; init; }

    public double? RmseLabelPartyOnly { get; init; }
}

/// <summary>What a score job came to.</summary>
internal sealed record ScoreSection
{
    /// <summary>The job that trained the model.</summary>
    public string Model { get; init; } = "";

    /// <summary>Root of that job's transcript, lower-case hexadecimal.</summary>
    public string TranscriptRoot { get; init; } = "";

    public long Scored { get; init; }

    /// <summary>Customers of the label party that the feature party does not have; they have no score.</summary>
    public long NotShared { get; init; }

    /// <summary>Rows that repeat an earlier id or have none, where the job keeps the first.</summary>
    public long LeftOut { get; init; }

    /// <summary>By "p05" to "p95"; null where the label party keeps them to itself.</summary>
    public IReadOnlyDictionary<string, double>? Quantiles { get; init; }

    public double Seconds { get; init; }

    public long Bytes { get; init; }
}

/// <summary>Coefficients on the standardised scale by feature; the bank's side has "(intercept)" besides.</summary>
internal sealed record CoefficientSection
{
    public IReadOnlyDictionary<string, double>? Bank { get; init; }

    public IReadOnlyDictionary<string, double>? Retailer { get; init; }
}

internal sealed record GuardEntry(string Name, double Limit, double Value, string Verdict);

internal sealed record DisclosureEntry(string Party, string What, long Scalars, string Step);

/// <summary>snake_case, indented, no reflection. Sections that a run did not reach are null.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    WriteIndented = true,
    AllowDuplicateProperties = false,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip)]
[JsonSerializable(typeof(Report))]
internal sealed partial class ReportJson : JsonSerializerContext;
