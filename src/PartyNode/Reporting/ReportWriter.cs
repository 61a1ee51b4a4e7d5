using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Google.Protobuf;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.PartyNode.Reporting;

/// <summary>Serialises a report part and a model as JSON (UTF-8); the fields of the report are those of report.json.</summary>
public static class ReportWriter
{
    private const int SchemaVersion = 1;

    internal static readonly JsonWriterOptions Options =
        new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The report part.</summary>
    /// <param name="withCoefficients">Whether the coefficients stand in it.</param>
    /// <param name="withQuantiles">Whether the quantiles of a score job's scores stand in it.</param>
    public static byte[] Serialise(ReportPart part, bool withCoefficients, bool withQuantiles = true)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, Options))
        {
            json.WriteStartObject();
            WriteFrame(json, part);
            WriteAlign(json, part);
            WriteTrain(json, part);
            WriteTest(json, part.Result);
            WriteScore(json, part.Score, withQuantiles);
            WriteCoefficients(json, part, withCoefficients);
            if (withCoefficients)
            {
                WriteEncoding(json, part);
            }

            WriteGuards(json, part);
            WriteDisclosures(json, part);
            json.WriteStartObject("files");
            json.WriteEndObject();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    /// <summary>The own half of the model: what is needed to score new rows, and the salt that shows it to be the one committed to.</summary>
    public static byte[] SerialiseModel(ReportPart part)
    {
        VerticalResult result = part.Result ?? throw new ArgumentException("There is no model without a result.", nameof(part));
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, Options))
        {
            json.WriteStartObject();
            json.WriteNumber("schema", ModelFile.Format);
            json.WriteString("job", part.Specification.Job);
            json.WriteString("family", FamilyName(part.Specification.Family));
            json.WriteString("party", part.Party);
            json.WriteBoolean("converged", result.Converged);
            json.WriteNumber("label_scale", result.LabelScale);
            json.WriteString("transcript_root", part.TranscriptRoot is { } root ? Convert.ToHexStringLower(root) : null);
            json.WriteString("commitment", Hash(part.Close?.Own.Coefficients));
            json.WriteString("peer_commitment", Hash(part.Close?.Peer.Coefficients));
            json.WriteString("commitment_salt", part.Close is { } close ? Convert.ToHexStringLower(close.Salts.Coefficients) : null);
            int scaled = 0;
            json.WriteStartArray("coefficients");
            foreach ((string name, double value) in result.Coefficients)
            {
                json.WriteStartObject();
                json.WriteString("name", name);
                json.WriteNumber("value", value);
                if (name != VerticalResult.InterceptName)
                {
                    (double mean, double deviation) = result.Scaling[scaled++];
                    json.WriteNumber("mean", mean);
                    json.WriteNumber("standard_deviation", deviation);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            if (part.Encoder is { } encoder)
            {
                json.WritePropertyName("encoding");
                EncodingJson.Write(json, encoder);
            }

            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    /// <summary>The word that reports use for a job's end.</summary>
    public static string StatusName(JobState state) => state switch
    {
        JobState.Done => "done",
        JobState.Refused => "refused",
        JobState.Cancelled => "cancelled",
        _ => "failed",
    };

    private static string FamilyName(Family family) => family switch
    {
        Family.Logistic => "logistic",
        Family.Linear => "linear",
        Family.Poisson => "poisson",
        _ => "",
    };

    private static void WriteFrame(Utf8JsonWriter json, ReportPart part)
    {
        json.WriteNumber("schema", SchemaVersion);
        json.WriteString("job", part.Specification.Job);
        json.WriteString("kind", part.Specification.Kind == JobKind.Score ? "score" : "train");
        json.WriteString("status", StatusName(part.State));
        if (part.Error is { } error)
        {
            json.WriteStartObject("error");
            json.WriteString("code", error.Code);
            json.WriteString("party", error.Party);
            json.WriteString("step", error.Step);
            json.WriteString("message", error.Message);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("error");
        }

        json.WriteString("family", FamilyName(part.Score?.Family ?? part.Specification.Family));
        json.WriteNumber("l2", part.Specification.L2);
        json.WriteNumber("holdout", part.Specification.Holdout);
        json.WriteString("version", SoftwareVersion.Current);
        json.WriteNumber("seconds_total", Seconds(part.SecondsTotal));
    }

    private static void WriteAlign(Utf8JsonWriter json, ReportPart part)
    {
        if (part.Align is not { } align)
        {
            json.WriteNull("align");
            return;
        }

        bool isLabel = part.Role == Role.LabelParty;
        json.WriteStartObject("align");
        json.WriteString("protocol", "dh-psi-ristretto255");
        json.WriteNumber("bank_rows", isLabel ? align.OwnRows : align.PeerRows);
        json.WriteNumber("retailer_rows", isLabel ? align.PeerRows : align.OwnRows);
        json.WriteNumber("intersection", align.Intersection);
        json.WriteString("intersection_sha256", align.IntersectionSha256);
        json.WriteNumber("seconds", Seconds(align.Seconds));
        json.WriteNumber("bytes", align.Bytes);
        json.WriteEndObject();
    }

    private static void WriteTrain(Utf8JsonWriter json, ReportPart part)
    {
        if (part.Result is not { } result)
        {
            json.WriteNull("train");
            return;
        }

        bool linear = part.Specification.Family == Family.Linear;
        json.WriteStartObject("train");
        json.WriteNumber("rows", result.TrainRows);
        json.WriteNumber("iterations", result.Iterations);
        json.WriteBoolean("converged", result.Converged);
        json.WriteNumber("seconds", Seconds(part.TrainSeconds));
        json.WriteNumber("bytes", part.TrainBytes);
        WriteOptional(json, "gradient_norm", result.GradientNorm);
        WriteOptional(json, "log_loss", linear ? null : result.TrainLoss);
        WriteOptional(json, "loss", linear ? result.TrainLoss : null);
        json.WriteNumber("clipped_rows", result.ClippedRows);
        json.WriteEndObject();
    }

    private static void WriteTest(Utf8JsonWriter json, VerticalResult? result)
    {
        if (result is null)
        {
            json.WriteNull("test");
            return;
        }

        json.WriteStartObject("test");
        json.WriteNumber("rows", result.TestRows);
        WriteOptional(json, "auc", result.Test.Auc);
        WriteOptional(json, "ks", result.Test.Ks);
        WriteOptional(json, "auc_label_party_only", result.Test.AucLabelPartyOnly);
        WriteOptional(json, "ks_label_party_only", result.Test.KsLabelPartyOnly);
        WriteOptional(json, "rmse", result.Test.Rmse);
        WriteOptional(json, "rmse_label_party_only", result.Test.RmseLabelPartyOnly);
        json.WriteEndObject();
    }

    private static void WriteScore(Utf8JsonWriter json, ScorePart? score, bool withQuantiles)
    {
        if (score is null)
        {
            json.WriteNull("score");
            return;
        }

        json.WriteStartObject("score");
        json.WriteString("model", score.Model.Job);
        json.WriteString("transcript_root", Convert.ToHexStringLower(score.Model.TranscriptRoot));
        json.WriteNumber("scored", score.Counts.Scored);
        json.WriteNumber("not_shared", score.Counts.NotShared);
        json.WriteNumber("left_out", score.Counts.LeftOut);
        if (withQuantiles && score.Quantiles is { } quantiles)
        {
            json.WriteStartObject("quantiles");
            foreach ((int share, double value) in ScorePart.Shares.Zip(quantiles))
            {
                json.WriteNumber(string.Create(CultureInfo.InvariantCulture, $"p{share:00}"), value);
            }

            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("quantiles");
        }

        json.WriteNumber("seconds", Seconds(score.Seconds));
        json.WriteNumber("bytes", score.Bytes);
        json.WriteEndObject();
    }

    private static void WriteCoefficients(Utf8JsonWriter json, ReportPart part, bool withCoefficients)
    {
        if (part.Result is not { } result || !withCoefficients)
        {
            json.WriteNull("coefficients");
            return;
        }

        bool isLabel = part.Role == Role.LabelParty;
        json.WriteStartObject("coefficients");
        if (!isLabel)
        {
            json.WriteNull("bank");
        }

        json.WriteStartObject(isLabel ? "bank" : "retailer");
        foreach ((string name, double value) in result.Coefficients)
        {
            json.WriteNumber(name, value);
        }

        json.WriteEndObject();
        if (isLabel)
        {
            json.WriteNull("retailer");
        }

        json.WriteEndObject();
    }

    /// <summary>What the encoding left out. It names levels, so it stands where coefficients, which name them too, may stand.</summary>
    private static void WriteEncoding(Utf8JsonWriter json, ReportPart part)
    {
        IReadOnlyList<string> dropped = part.Encoder?.Dropped ?? [];
        IReadOnlyDictionary<string, int> unseen = part.Unseen ?? new Dictionary<string, int>(StringComparer.Ordinal);
        if (dropped.Count + unseen.Count == 0)
        {
            return;
        }

        json.WriteStartObject("encoding");
        json.WriteStartArray("dropped");
        foreach (string name in dropped)
        {
            json.WriteStringValue(name);
        }

        json.WriteEndArray();
        json.WriteStartObject("unseen_rows");
        foreach ((string column, int rows) in unseen.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            json.WriteNumber(column, rows);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteGuards(Utf8JsonWriter json, ReportPart part)
    {
        json.WriteStartArray("guards");
        foreach (Guard guard in part.AllGuards)
        {
            json.WriteStartObject();
            json.WriteString("name", guard.Name);
            json.WriteNumber("limit", guard.Limit);
            json.WriteNumber("value", guard.Value);
            json.WriteString("verdict", guard.Verdict);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteDisclosures(Utf8JsonWriter json, ReportPart part)
    {
        json.WriteStartArray("disclosures");
        foreach (Disclosure disclosure in part.Ledger)
        {
            json.WriteStartObject();
            json.WriteString("party", disclosure.Party);
            json.WriteString("what", disclosure.What);
            json.WriteNumber("scalars", disclosure.Scalars);
            json.WriteString("step", disclosure.Step);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>JSON has no NaN: a value that is not finite is one that is not known.</summary>
    private static void WriteOptional(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } known && double.IsFinite(known))
        {
            json.WriteNumber(name, known);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static string? Hash(ByteString? hash) => hash is null ? null : Convert.ToHexStringLower(hash.Span);

    private static double Seconds(double value) => Math.Round(value, 3);
}
