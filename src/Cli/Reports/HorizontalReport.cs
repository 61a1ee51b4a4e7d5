using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using VertFed.Protocol;

namespace VertFed.Cli.Reports;

/// <summary>
/// The report of a horizontal job, as `job report` and `demo horizontal` write it; docs/horizontal-report.schema.json describes it field by field. The
/// coordinator's part is its table of rounds; each party's part is sealed to the submitter. A number that does not exist (an AUC of one class) is null.
/// </summary>
internal sealed record HorizontalReport
{
    public const int CurrentSchema = 1;

    // Levels and names may hold any script; the text is UTF-8 JSON and never embedded in HTML.
    private static readonly HorizontalJson s_json = new(new JsonSerializerOptions(HorizontalJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    public int Schema { get; init; } = CurrentSchema;

    /// <summary>Empty where the run ended before a job was made.</summary>
    public string Job { get; init; } = "";

    public string Kind { get; init; } = "horizontal";

    /// <summary>done, failed, refused or cancelled.</summary>
    public string Status { get; init; } = ReportStatus.Failed;

    public ReportError? Error { get; init; }

    /// <summary>Parties that have not co-signed the record of a job that is done; empty otherwise.</summary>
    public IReadOnlyList<string> NotCoSigned { get; init; } = [];

    /// <summary>Of the program that wrote the report.</summary>
    public string Version { get; init; } = "";

    public double SecondsTotal { get; init; }

    /// <summary>Null where the coordinator's part did not come.</summary>
    public TrainingPart? Training { get; init; }

    /// <summary>In the order of the job's places.</summary>
    public IReadOnlyList<PartyPart> Parties { get; init; } = [];

    /// <summary>Parties whose part is not there, by name.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];

    /// <summary>Null where no party has measured.</summary>
    public PartySpread? Spread { get; init; }

    /// <summary>By the column that the job's report_by names; null where it names none.</summary>
    public GroupReport? Groups { get; init; }

    /// <summary>What somebody learned beyond own data.</summary>
    public IReadOnlyList<Learned> Disclosures { get; init; } = [];

    /// <summary>What the demo alone knows, who has all rows; null else.</summary>
    public DemoPart? Demo { get; init; }

    /// <summary>What the files of the run are, by what they hold.</summary>
    public IReadOnlyDictionary<string, string> Files { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    public string Serialise() => JsonSerializer.Serialize(this, s_json.HorizontalReport) + "\n";
}

/// <summary>The coordinator's part: how the job trained.</summary>
/// <param name="SecureAggregation">bonawitz or none.</param>
/// <param name="RoundsMost">What the job spec allows.</param>
/// <param name="Converged">Whether the spec's tolerance was met before the last round.</param>
internal sealed record TrainingPart(
    string Model, string Strategy, string SecureAggregation, string Compression, int Columns, int Parameters, int RoundsDone, int RoundsMost, bool Converged,
    IReadOnlyList<TrainingRound> Rounds)
{
    /// <summary>Over all rounds, in bytes.</summary>
    public ulong BytesUp => Rounds.Aggregate(0UL, (sum, round) => sum + round.BytesUp);

    /// <summary>Over all rounds and recipients, in bytes.</summary>
    public ulong BytesDown => Rounds.Aggregate(0UL, (sum, round) => sum + round.BytesDown);
}

/// <summary>One round; round 0 is the scaling.</summary>
/// <param name="Attempts">How often it was begun: more than once after a crash.</param>
/// <param name="Loss">Mean over rows of the loss of the model that the round began with; null where parties tell none.</param>
/// <param name="Movement">The largest change of a parameter.</param>
/// <param name="BytesUp">Of the envelopes from parties.</param>
/// <param name="BytesDown">Of the envelopes to parties, each recipient counted.</param>
/// <param name="Epsilon">Spent up to and with this round under client-level privacy; else 0.</param>
internal sealed record TrainingRound(
    int Round, int Attempts, IReadOnlyList<string> Invited, IReadOnlyList<string> Counted, double? Loss, double Movement, ulong BytesUp, ulong BytesDown,
    double Epsilon, IReadOnlyList<RoundRemark> Refusals, IReadOnlyList<RoundRemark> Outliers);

internal sealed record RoundRemark(string Party, string Reason);

/// <summary>
/// A party's part: the final model on its own rows. A part without a result has no measures; properties have setters, for those that are
/// only initialised get null, not their initial value, where the text has nothing for them.
/// </summary>
internal sealed record PartyPart
{
    public int Schema { get; set; } = HorizontalReport.CurrentSchema;

    public string Job { get; set; } = "";

    public string Party { get; set; } = "";

    /// <summary>How the job ended there.</summary>
    public string Status { get; set; } = "";

    public PartyError? Error { get; set; }

    public int TrainRows { get; set; }

    /// <summary>test or train: which of its rows it measured on; empty where it did not.</summary>
    public string MeasuredOn { get; set; } = "";

    public int Rows { get; set; }

    /// <summary>auc, accuracy or rmse.</summary>
    public string ScoreName { get; set; } = "";

    public double? Score { get; set; }

    public double? Loss { get; set; }

    public double? Accuracy { get; set; }

    /// <summary>What its rows have spent under record-level privacy; else 0.</summary>
    public double Epsilon { get; set; }

    /// <summary>By the levels of the column that the job's report_by names.</summary>
    public IReadOnlyList<LevelScore> Groups { get; set; } = [];

    /// <summary>Root of the job's record as the party saw it closed, 64 hexadecimal digits; null where it did not.</summary>
    public string? TranscriptRoot { get; set; }

    /// <summary>The party's own model on the same rows; null where the job has none.</summary>
    public PersonalScore? Personal { get; set; }
}

/// <param name="Method">As the job's personal names it.</param>
internal sealed record PersonalScore(string Method, double? Score, double? Loss, double? Accuracy);

internal sealed record PartyError(string Code, string Message);

/// <summary>The model on a party's rows of one level of a column.</summary>
internal sealed record LevelScore(string Level, int Rows, double? Score, double? Loss, double? Accuracy);

/// <summary>Over parties, each alike whatever its size: on accuracy where all have one, else on the loss.</summary>
/// <param name="Deviation">Of all parties, not of a sample of them.</param>
/// <param name="WorstDecile">Mean over the tenth of the parties that fare worst, at least one.</param>
internal sealed record PartySpread(string Measure, double Mean, double Deviation, double WorstDecile, double Worst, string WorstParty, double Best);

/// <summary>The model by the levels of a declared column, over all parties.</summary>
/// <param name="Column">As the job's report_by names it.</param>
internal sealed record GroupReport(string Column, IReadOnlyList<GroupLine> Levels);

/// <param name="Parties">How many have enough rows of the level to say how the model does on them.</param>
/// <param name="Score">Mean of the parties' scores, weighted by rows: ranks of several parties cannot be put together.</param>
internal sealed record GroupLine(string Level, int Parties, long Rows, double? Score, double? Loss, double? Accuracy);

internal sealed record Learned(string Party, string What);

/// <param name="Partition">How rows were dealt.</param>
/// <param name="TrainRows">Rows of all parties together.</param>
/// <param name="Test">Null before there is a model.</param>
internal sealed record DemoPart(string Partition, ulong Seed, int TrainRows, HoldoutComparison? Test);

/// <summary>The joint model and the fit of all rows in one place, on rows that no party had.</summary>
/// <param name="Difference">Joint minus centralised AUC.</param>
/// <param name="Tolerance">How far below zero the difference may be; null where the strategy is not held to any.</param>
internal sealed record HoldoutComparison(
    int Rows, double? Auc, double LogLoss, double? AucCentralised, double LogLossCentralised, double? Difference, double? Tolerance);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, AllowDuplicateProperties = false, RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(HorizontalReport))]
[JsonSerializable(typeof(TrainingPart))]
[JsonSerializable(typeof(PartyPart))]
internal sealed partial class HorizontalJson : JsonSerializerContext
{
    /// <summary>Reads what a party or the coordinator wrote.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: it cannot be read.</exception>
    public static T Read<T>(ReadOnlySpan<byte> utf8, string origin, JsonTypeInfo<T> type)
    {
        if (utf8.Length > ReportFile.MaxBytes)
        {
            throw Error.ReportUnreadable(origin, $"it has {utf8.Length} bytes, more than {ReportFile.MaxBytes}");
        }

        try
        {
            return JsonSerializer.Deserialize(utf8, type) ?? throw Error.ReportUnreadable(origin, "it is null");
        }
        catch (JsonException e)
        {
            throw Error.ReportUnreadable(origin, $"not valid JSON near line {(e.LineNumber ?? 0) + 1}, {e.Path}", e);
        }
    }
}
