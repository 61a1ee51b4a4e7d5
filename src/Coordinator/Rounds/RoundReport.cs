using System.Text.Json;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Rounds;

/// <summary>The coordinator's part of a horizontal job's report (JSON, UTF-8; docs/horizontal-service.md). No number of a single party's rows or update.</summary>
internal static class RoundReport
{
    private const int SchemaVersion = 1;

    /// <param name="summaries">Of the rounds that are done.</param>
    public static byte[] Of(RoundJobRecord record, JobSpecification job, IEnumerable<RoundSummary> summaries)
    {
        HorizontalSpecification spec = job.Horizontal!;
        RoundCheckpoint checkpoint = record.Checkpoint ?? new RoundCheckpoint();
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteNumber("schema", SchemaVersion);
            json.WriteString("job", record.Job);
            json.WriteString("model", spec.Model);
            json.WriteString("strategy", spec.Strategy);
            json.WriteString("secure_aggregation", spec.IsSecure ? "bonawitz" : "none");
            json.WriteString("compression", spec.Compression);
            json.WriteNumber("columns", checkpoint.Columns);
            json.WriteNumber("parameters", checkpoint.Parameters.Count);
            json.WriteNumber("rounds_done", checkpoint.Rounds);
            json.WriteNumber("rounds_most", spec.Rounds);
            json.WriteBoolean("converged", checkpoint.Converged);
            json.WriteStartArray("rounds");
            foreach (RoundSummary round in summaries)
                Write(json, spec, round);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void Write(Utf8JsonWriter json, HorizontalSpecification spec, RoundSummary round)
    {
        json.WriteStartObject();
        json.WriteNumber("round", round.Round);
        json.WriteNumber("attempts", round.Attempts);
        Names(json, "invited", round.Invited);
        Names(json, "counted", round.Counted);
        if (round.HasLoss)
            json.WriteNumber("loss", round.Loss);
        else
            json.WriteNull("loss");
        json.WriteNumber("movement", round.Movement);
        if (spec.Strategy.StartsWith("fedbuff", StringComparison.Ordinal))
            json.WriteNumber("staleness", round.Staleness);
        if (round.Clusters.Count > 0)
        {
            json.WriteStartArray("clusters");
            foreach (uint size in round.Clusters)
                json.WriteNumberValue(size);
            json.WriteEndArray();
        }

        json.WriteNumber("bytes_up", round.BytesUp);
        json.WriteNumber("bytes_down", round.BytesDown);
        json.WriteNumber("epsilon", round.Epsilon);
        Notes(json, "refusals", round.Refusals);
        Notes(json, "outliers", round.Outliers);
        json.WriteEndObject();
    }

    private static void Names(Utf8JsonWriter json, string field, IEnumerable<string> names)
    {
        json.WriteStartArray(field);
        foreach (string name in names)
            json.WriteStringValue(name);
        json.WriteEndArray();
    }

    private static void Notes(Utf8JsonWriter json, string field, IEnumerable<RoundNote> notes)
    {
        json.WriteStartArray(field);
        foreach (RoundNote note in notes)
        {
            json.WriteStartObject();
            json.WriteString("party", note.Party);
            json.WriteString("reason", note.Reason);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
