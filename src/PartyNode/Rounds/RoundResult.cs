using System.Text.Json;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Service;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Rounds;

/// <summary>What a horizontal job left at this party.</summary>
/// <param name="Model">As the coordinator said it.</param>
/// <param name="Encoder">What made the model's columns of this party's, in the model's order.</param>
/// <param name="TrainRows">Own training rows.</param>
/// <param name="Measured">On the own test rows, or on the training rows where there are none.</param>
/// <param name="OnTestRows">Which of the two.</param>
/// <param name="ScoreName">auc, accuracy or rmse.</param>
/// <param name="Epsilon">What the rounds that this party answered came to, for what the job's level protects; 0 without privacy.</param>
internal sealed record RoundResult(
    FinalModel Model, ColumnEncoder Encoder, int TrainRows, Evaluation Measured, bool OnTestRows, string ScoreName, double Epsilon)
{
    /// <summary>The model that this party uses: of several the one that fits its training rows best.</summary>
    public required double[] Parameters { get; init; }

    /// <summary>Its place among them, from 0; null where the job has one model.</summary>
    public int? Cluster { get; init; }

    /// <summary>The same by the levels of the job's report_by; empty where it names none.</summary>
    public IReadOnlyList<LevelMeasure> Groups { get; init; } = [];

    /// <summary>Root of the job's record, 32 bytes: of the checkpoint that closes it. Null before that came.</summary>
    public byte[]? TranscriptRoot { get; init; }

    /// <summary>The party's own model; null where the job has none.</summary>
    public PersonalResult? Personal { get; init; }
}

/// <summary>This party's part of a horizontal job's report, and its copy of the model (JSON, UTF-8; docs/horizontal-service.md).</summary>
internal static class RoundPart
{
    private const int SchemaVersion = 1;

    /// <summary>The report. Counts and measures; of columns the declared levels of the job's report_by alone, and no value of a row.</summary>
    public static byte[] Report(JobSpecification job, string party, JobState state, JobError? error, RoundResult? result) => Write(json =>
    {
        json.WriteNumber("schema", SchemaVersion);
        json.WriteString("job", job.Job);
        json.WriteString("kind", "horizontal");
        json.WriteString("party", party);
        json.WriteString("status", state.ToString().ToLowerInvariant());
        if (error is not null)
        {
            json.WriteStartObject("error");
            json.WriteString("code", error.Code);
            json.WriteString("message", error.Message);
            json.WriteEndObject();
        }

        if (result is null)
        {
            return;
        }

        json.WriteNumber("rounds", result.Model.Rounds);
        json.WriteBoolean("converged", result.Model.Converged);
        json.WriteNumber("train_rows", result.TrainRows);
        json.WriteString("measured_on", result.OnTestRows ? "test" : "train");
        json.WriteNumber("rows", result.Measured.Rows);
        json.WriteString("score_name", result.ScoreName);
        Measures(json, result.Measured);
        json.WriteNumber("epsilon", result.Epsilon);
        if (job.Horizontal!.Privacy is { } privacy)
        {
            json.WriteNumber("delta", privacy.Delta);
        }

        json.WriteStartArray("groups");
        foreach (LevelMeasure group in result.Groups)
        {
            json.WriteStartObject();
            json.WriteString("level", group.Level);
            json.WriteNumber("rows", group.Measured.Rows);
            Measures(json, group.Measured);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        Root(json, result);
        if (result.Cluster is { } cluster)
        {
            json.WriteNumber("cluster", cluster);
        }

        if (result.Personal is { } personal)
        {
            json.WriteStartObject("personal");
            json.WriteString("method", personal.Name);
            Measures(json, personal.Measured);
            json.WriteEndObject();
        }
    });

    /// <summary>The model that this party uses (alike at all parties but under ifca and fedmd), with this party's names of its columns and its way to encode them: all that scoring needs.</summary>
    public static byte[] Model(JobSpecification job, RoundResult result) => Model(job, result, result.Parameters, personal: null);

    /// <summary>The party's own model, in the same form; null where the job has none.</summary>
    public static byte[]? PersonalModel(JobSpecification job, RoundResult result) =>
        result.Personal is { } personal ? Model(job, result, personal.Parameters, personal.Name) : null;

    private static byte[] Model(JobSpecification job, RoundResult result, IEnumerable<double> parameters, string? personal) => Write(json =>
    {
        FederatedModel model = JobPlan.ModelOf(job.Horizontal!.Model, result.Encoder.Names.Count);
        json.WriteNumber("schema", RoundModelFile.Format);
        json.WriteString("job", job.Job);
        json.WriteString("kind", RoundModelFile.Kind);
        Root(json, result);
        json.WriteString("model", job.Horizontal.Model);
        json.WriteString("family", model.Head.Name);
        json.WriteString("link", RoundModelFile.LinkOf(model.Head));
        json.WriteNumber("outputs", model.Head.Outputs);
        json.WriteStartArray("hidden");
        foreach (int width in model.Hidden)
        {
            json.WriteNumberValue(width);
        }

        json.WriteEndArray();
        if (personal is not null)
        {
            json.WriteString("personal", personal);
        }

        json.WriteStartArray("columns");
        foreach (string column in result.Encoder.Names)
        {
            json.WriteStringValue(column);
        }

        json.WriteEndArray();
        json.WriteString("scaling", RoundModelFile.WordOf(job.Horizontal.Scaling));
        Numbers(json, "means", result.Model.Means);
        Numbers(json, "deviations", result.Model.Deviations);
        Numbers(json, "parameters", parameters);
        json.WritePropertyName("encoding");
        EncodingJson.Write(json, result.Encoder);
    });

    private static byte[] Write(Action<Utf8JsonWriter> content)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            content(json);
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void Root(Utf8JsonWriter json, RoundResult result) =>
        json.WriteString("transcript_root", Convert.ToHexStringLower(result.TranscriptRoot ?? throw new InvalidOperationException("a job that is done has a closed record")));

    private static void Measures(Utf8JsonWriter json, Evaluation measured)
    {
        Number(json, "score", measured.Score);
        Number(json, "loss", measured.Loss);
        Number(json, "accuracy", measured.Accuracy);
    }

    private static void Number(Utf8JsonWriter json, string name, double value)
    {
        if (double.IsFinite(value))
        {
            json.WriteNumber(name, value);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static void Numbers(Utf8JsonWriter json, string name, IEnumerable<double> values)
    {
        json.WriteStartArray(name);
        foreach (double value in values)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}
