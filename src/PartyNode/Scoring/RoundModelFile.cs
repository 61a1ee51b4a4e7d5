using System.Text.Json;
using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Service;
using VertFed.PartyNode.Data;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Scoring;

/// <summary>A model.json or personal.json of a horizontal job as read: whatever scoring needs, checked, and what binds it to the job that trained it.</summary>
/// <param name="Encoder">Turns a source's columns into those that the model is of.</param>
/// <param name="Means">[column], finite; empty where the job scales nothing.</param>
/// <param name="Deviations">[column], above 0; empty as the means are.</param>
/// <param name="Parameters">As <see cref="FederatedModel.Layout"/> has them, finite.</param>
/// <param name="TranscriptRoot">Of the job's record, 32 bytes.</param>
/// <param name="Personal">The method that made it the party's own; null for the common model.</param>
internal sealed record RoundModelFile(
    string Job, FederatedModel Model, ColumnEncoder Encoder, double[] Means, double[] Deviations, double[] Parameters, byte[] TranscriptRoot, string? Personal)
{
    /// <summary>The version that this software writes and scores with; version 1 had no encoding.</summary>
    public const int Format = 2;

    /// <summary>What the field <c>kind</c> holds.</summary>
    public const string Kind = "horizontal";

    /// <summary>Largest file, in bytes.</summary>
    public const int MaxBytes = 64 * 1024 * 1024;

    /// <summary>The link between a family's mean and the model's output.</summary>
    public static string LinkOf(LossHead head) => head.Name switch
    {
        "logistic" => "logit",
        "poisson" => "log",
        "softmax" => "softmax",
        _ => "identity",
    };

    /// <summary>The word of a spec's scaling.</summary>
    public static string WordOf(ScalingChoice scaling) => scaling == ScalingChoice.None ? "none" : "federated";

    /// <summary>Whether a model file is of a horizontal job; false also where it is no model file.</summary>
    public static bool IsOne(ReadOnlyMemory<byte> json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("kind", out JsonElement kind)
                && kind.ValueKind == JsonValueKind.String && kind.ValueEquals(Kind);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <param name="name">The file's, for errors.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: not a model file of a horizontal job, or of another format.</exception>
    public static RoundModelFile Parse(ReadOnlyMemory<byte> json, string name)
    {
        if (json.Length > MaxBytes)
        {
            throw Wrong(name, $"it has more than {MaxBytes} bytes");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            JsonElement root = document.RootElement;
            int format = root.GetProperty("schema").GetInt32();
            return format == Format
                ? Read(root, name)
                : throw Wrong(name, $"its format is {format}, this software scores with {Format}: train the model again");
        }
        catch (HorizontalException error)
        {
            throw Wrong(name, "its 'model' names none that this software knows", error);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or OverflowException)
        {
            // The message of the inner exception could quote a number of the model.
            throw Wrong(name, $"it is not a whole model file ({error.GetType().Name})", error);
        }
    }

    private static RoundModelFile Read(JsonElement root, string name)
    {
        Require(Text(root, "kind") == Kind, name, "it is not of a horizontal job");
        ColumnEncoder encoder = EncodingJson.Read(root.GetProperty("encoding"));
        string[] columns = [.. root.GetProperty("columns").EnumerateArray().Select(column => column.GetString() ?? "")];
        Require(encoder.Names.SequenceEqual(columns, StringComparer.Ordinal), name, "its encoding and its columns are not the same");
        FederatedModel model = JobPlan.ModelOf(Text(root, "model"), columns.Length);
        bool isNamed = Text(root, "family") == model.Head.Name && Text(root, "link") == LinkOf(model.Head) && root.GetProperty("outputs").GetInt32() == model.Head.Outputs
            && root.GetProperty("hidden").EnumerateArray().Select(width => width.GetInt32()).SequenceEqual(model.Hidden);
        Require(isNamed, name, "its family, link, outputs or hidden layers are not those of its 'model'");
        double[] means = Numbers(root, "means", name);
        double[] deviations = Numbers(root, "deviations", name);
        double[] parameters = Numbers(root, "parameters", name);
        Require(parameters.Length == model.Layout.Length, name, $"it has {parameters.Length} parameters where its 'model' has {model.Layout.Length}");
        string scaling = Text(root, "scaling");
        Require(scaling is "none" or "federated", name, "its 'scaling' is neither none nor federated");
        if (scaling == "none")
        {
            (means, deviations) = ([], []);
        }
        else
        {
            Require(means.Length == columns.Length && deviations.Length == columns.Length, name, "it has not one mean and one deviation for each column");
            Require(deviations.All(deviation => deviation > 0), name, "a deviation is not above 0");
        }

        byte[] hash = Convert.FromHexString(Text(root, "transcript_root"));
        Require(hash.Length == EnvelopeCodec.HashBytes, name, $"its 'transcript_root' is not {EnvelopeCodec.HashBytes} bytes");
        string? personal = root.TryGetProperty("personal", out JsonElement method) ? method.GetString() : null;
        return new RoundModelFile(Text(root, "job"), model, encoder, means, deviations, parameters, hash, personal);
    }

    private static string Text(JsonElement json, string field) => json.GetProperty(field).GetString() ?? throw new FormatException("A text is expected.");

    private static double[] Numbers(JsonElement json, string field, string name)
    {
        double[] numbers = [.. json.GetProperty(field).EnumerateArray().Select(number => number.GetDouble())];
        Require(numbers.All(double.IsFinite), name, $"a number of its '{field}' is not finite");
        return numbers;
    }

    private static void Require(bool holds, string name, string wrong)
    {
        if (!holds)
        {
            throw Wrong(name, wrong);
        }
    }

    private static VertFedException Wrong(string name, string what, Exception? inner = null) => new(ErrorCode.BadInput, $"{name}: {what}", inner);
}
