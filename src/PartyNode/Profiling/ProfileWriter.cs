using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace VertFed.PartyNode.Profiling;

/// <summary>A profile as text for a terminal, or as JSON.</summary>
internal static class ProfileWriter
{
    private static readonly string[] QuantileNames = ["p1", "p5", "p25", "p50", "p75", "p95", "p99"];

    private static readonly JsonWriterOptions Options = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Text(SourceProfile profile)
    {
        StringBuilder text = new();
        text.AppendLine("For the eyes of this party's operator: it shows values of the data. Nothing was sent.");
        text.AppendLine(CultureInfo.InvariantCulture, $"dataset {profile.Dataset}: {Shown(profile.Source)} ({profile.Format})");
        text.AppendLine(CultureInfo.InvariantCulture, $"rows {profile.Rows:N0}, empty ids {profile.EmptyIds:N0}, rows that repeat an id {(profile.DuplicateIds is { } count ? count.ToString("N0", CultureInfo.InvariantCulture) : "not counted")}");
        foreach (ColumnProfile column in profile.Columns)
        {
            text.AppendLine();
            text.AppendLine(CultureInfo.InvariantCulture, $"{Shown(column.Name)} ({column.Use}, {column.Kind}): missing {column.Missing:N0}, distinct {Distinct(column)}");
            if (column.NotNumbers is { } wrong)
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"  NOT A NUMBER in {wrong.Count:N0} rows, the first at {wrong.First:N0}: a job would be refused (declare the column categorical, or leave it out)");
            }

            if (column.Numbers is { } numbers)
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"  min {numbers.Minimum:R}, max {numbers.Maximum:R}, mean {numbers.Mean:G6}");
                text.AppendLine(CultureInfo.InvariantCulture, $"  {string.Join(", ", QuantileNames.Zip(numbers.Quantiles, (name, value) => string.Create(CultureInfo.InvariantCulture, $"{name} {value:R}")))}{(numbers.Sampled ? " (of a sample)" : "")}");
            }

            if (column.Levels is { } levels)
            {
                WriteLevels(text, levels);
            }
        }

        return text.ToString();
    }

    public static string Json(SourceProfile profile)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream, Options))
        {
            json.WriteStartObject();
            json.WriteString("dataset", profile.Dataset);
            json.WriteString("source", profile.Source);
            json.WriteString("format", profile.Format);
            json.WriteNumber("rows", profile.Rows);
            json.WriteNumber("empty_ids", profile.EmptyIds);
            WriteOptional(json, "duplicate_ids", profile.DuplicateIds);
            json.WriteStartArray("columns");
            foreach (ColumnProfile column in profile.Columns)
            {
                Write(json, column);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static void WriteLevels(StringBuilder text, LevelSummary levels)
    {
        foreach ((string level, long rows) in levels.Top)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  {rows,12:N0}  {Shown(level)}");
        }

        if (levels.UnshownLevels > 0)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  and {levels.UnshownLevels:N0} levels more");
        }

        if (levels.RareLevels > 0)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"  {levels.RareRows,12:N0}  rare: {levels.RareLevels:N0} levels of fewer than {Profiler.FewestRowsToName} rows each (--show-rare names them)");
        }
    }

    private static void Write(Utf8JsonWriter json, ColumnProfile column)
    {
        json.WriteStartObject();
        json.WriteString("name", column.Name);
        json.WriteString("use", column.Use);
        json.WriteString("kind", column.Kind);
        json.WriteNumber("count", column.Rows - column.Missing);
        json.WriteNumber("missing", column.Missing);
        WriteOptional(json, "distinct", column.Distinct);
        json.WriteNumber("not_numbers", column.NotNumbers?.Count ?? 0);
        WriteOptional(json, "first_not_number", column.NotNumbers?.First);
        if (column.Numbers is { } numbers)
        {
            json.WriteNumber("minimum", numbers.Minimum);
            json.WriteNumber("maximum", numbers.Maximum);
            json.WriteNumber("mean", numbers.Mean);
            json.WriteStartObject("quantiles");
            foreach ((string name, double value) in QuantileNames.Zip(numbers.Quantiles))
            {
                json.WriteNumber(name, value);
            }

            json.WriteEndObject();
            json.WriteBoolean("quantiles_sampled", numbers.Sampled);
        }

        if (column.Levels is { } levels)
        {
            json.WriteStartArray("levels");
            foreach ((string level, long rows) in levels.Top)
            {
                json.WriteStartObject();
                json.WriteString("level", level);
                json.WriteNumber("rows", rows);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNumber("unshown_levels", levels.UnshownLevels);
            json.WriteNumber("rare_levels", levels.RareLevels);
            json.WriteNumber("rare_rows", levels.RareRows);
        }

        json.WriteEndObject();
    }

    private static void WriteOptional(Utf8JsonWriter json, string name, long? value)
    {
        if (value is { } known)
        {
            json.WriteNumber(name, known);
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static string Distinct(ColumnProfile column) => column.Distinct is { } count
        ? count.ToString("N0", CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"more than {ColumnProfiler.DistinctLimit:N0}");

    /// <summary>Text from the data must not steer a terminal.</summary>
    private static string Shown(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '\uFFFD' : c));
}
