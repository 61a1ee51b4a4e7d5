using System.Text.Json;
using System.Text.Json.Serialization;
using VertFed.Cli.Reports;
using VertFed.Protocol;

namespace VertFed.Cli.Demo.Horizontal;

/// <summary>What `demo horizontal` writes to report.json. A number that does not exist (an AUC of one class) is null.</summary>
internal sealed record HorizontalDemoReport
{
    /// <summary>How far below the centralised fit's AUC the joint model of `fedavg` may stay.</summary>
    public const double Tolerance = 0.002;

    public int Schema { get; init; } = 1;

    public string Kind { get; init; } = "horizontal";

    public string Job { get; init; } = "";

    /// <summary>done, failed, refused, cancelled.</summary>
    public string Status { get; init; } = "";

    public ReportError? Error { get; init; }

    public string Version { get; init; } = "";

    public double SecondsTotal { get; init; }

    public string Partition { get; init; } = "";

    public string Strategy { get; init; } = "";

    /// <summary>bonawitz or none.</summary>
    public string SecureAggregation { get; init; } = "";

    public ulong Seed { get; init; }

    public int TrainRows { get; init; }

    public IReadOnlyList<DemoRound> Rounds { get; init; } = [];

    public ulong BytesUp { get; init; }

    public ulong BytesDown { get; init; }

    /// <summary>Null before there is a model.</summary>
    public HoldoutComparison? Test { get; init; }

    public IReadOnlyList<NodePart> Parties { get; init; } = [];

    /// <summary>Over the parties that have an AUC; null where none has.</summary>
    public PartySpread? Spread { get; init; }

    public IReadOnlyList<Learned> Disclosures { get; init; } = [];

    public IReadOnlyDictionary<string, string> Files { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    public string Serialise() => JsonSerializer.Serialize(this, HorizontalDemoJson.Default.HorizontalDemoReport) + "\n";
}

/// <summary>One round, of the coordinator's own table; round 0 is the scaling.</summary>
/// <param name="Loss">Mean over rows of the loss of the model that the round began with.</param>
internal sealed record DemoRound(
    int Round, int Attempts, IReadOnlyList<string> Invited, IReadOnlyList<string> Counted, double? Loss, double Movement, ulong BytesUp, ulong BytesDown,
    IReadOnlyList<DemoRoundNote> Refusals, IReadOnlyList<DemoRoundNote> Outliers);

internal sealed record DemoRoundNote(string Party, string Reason);

/// <summary>The coordinator's part of the report, as far as the demo shows it.</summary>
internal sealed record CoordinatorPart(IReadOnlyList<DemoRound> Rounds);

/// <summary>A party's copy of the model.</summary>
internal sealed record NodeModel(IReadOnlyList<string> Columns, double[] Means, double[] Deviations, double[] Parameters);

/// <summary>The joint model and the centralised fit on rows that no node had.</summary>
/// <param name="Difference">Joint minus centralised AUC.</param>
/// <param name="Tolerance">How far below zero the difference may be; null where the strategy is not held to any.</param>
internal sealed record HoldoutComparison(
    int Rows, double? Auc, double LogLoss, double? AucCentralised, double LogLossCentralised, double? Difference, double? Tolerance);

/// <summary>What a party's sealed report says: the joint model on its own training rows.</summary>
internal sealed record NodePart(string Party, string Status, int TrainRows, string ScoreName, double? Score, double? Loss, double? Accuracy);

/// <summary>The parties' AUC, worst and best, with the deviation (of all, not of a sample).</summary>
internal sealed record PartySpread(string WorstParty, double Worst, double Best, double Mean, double Deviation)
{
    /// <summary>Null where no party has a score.</summary>
    public static PartySpread? Of(IReadOnlyList<NodePart> parties)
    {
        (string Party, double Score)[] scored = [.. parties.Where(part => part.Score is not null).Select(part => (part.Party, part.Score!.Value))];
        if (scored.Length == 0)
        {
            return null;
        }

        double mean = scored.Average(part => part.Score);
        (string party, double worst) = scored.MinBy(part => part.Score);
        return new PartySpread(
            party, worst, scored.Max(part => part.Score), mean, Math.Sqrt(scored.Average(part => (part.Score - mean) * (part.Score - mean))));
    }
}

/// <summary>What somebody learned beyond own data.</summary>
internal sealed record Learned(string Party, string What);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, AllowDuplicateProperties = false)]
[JsonSerializable(typeof(HorizontalDemoReport))]
[JsonSerializable(typeof(CoordinatorPart))]
[JsonSerializable(typeof(NodePart))]
[JsonSerializable(typeof(NodeModel))]
internal sealed partial class HorizontalDemoJson : JsonSerializerContext
{
    /// <summary>Reads what a node or the coordinator wrote.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: it cannot be read.</exception>
    public static T Read<T>(ReadOnlySpan<byte> utf8, string origin, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(utf8, type) ?? throw VertFed.Cli.Error.ReportUnreadable(origin, "it is null");
        }
        catch (JsonException e)
        {
            throw VertFed.Cli.Error.ReportUnreadable(origin, $"not valid JSON near line {(e.LineNumber ?? 0) + 1}, {e.Path}", e);
        }
    }
}
