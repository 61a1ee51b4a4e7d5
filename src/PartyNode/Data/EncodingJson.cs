using System.Text;
using System.Text.Json;
using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>
/// An encoder as a JSON object, as model files hold it under "encoding" (docs/party.md): what each source column becomes, in the order of
/// the coefficients.
/// </summary>
public static class EncodingJson
{
    private const int MaxDropped = 1_000_000;

    /// <summary>Writes the object's value.</summary>
    public static void Write(Utf8JsonWriter json, ColumnEncoder encoder)
    {
        json.WriteStartObject();
        json.WriteStartArray("columns");
        foreach (FittedColumn column in encoder.Sources)
        {
            json.WriteStartObject();
            json.WriteString("source", column.Source);
            if (column is FittedNumeric numeric)
            {
                Write(json, numeric);
            }
            else
            {
                Write(json, (FittedCategorical)column);
            }

            Write(json, "dropped", column.Dropped);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Reads an encoder that <see cref="Write(Utf8JsonWriter, ColumnEncoder)"/> wrote.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: it is none.</exception>
    public static ColumnEncoder Read(JsonElement element)
    {
        try
        {
            FittedColumn[] columns = [.. element.GetProperty("columns").EnumerateArray().Select(ReadColumn)];
            Require(columns.Length is > 0 and <= Limits.MaxColumns, "the number of columns");
            ColumnEncoder encoder = new(columns);
            Require(encoder.Names.Count is > 0 and <= Limits.MaxColumns, "the number of encoded columns");
            Require(encoder.Names.Distinct(StringComparer.Ordinal).Count() == encoder.Names.Count, "a name that stands twice");
            Require(columns.Select(column => column.Source).Distinct(StringComparer.Ordinal).Count() == columns.Length, "a source that stands twice");
            return encoder;
        }
        catch (Exception error) when (error is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new VertFedException(ErrorCode.BadInput, "the model's encoding is incomplete or malformed", error);
        }
    }

    private static void Write(Utf8JsonWriter json, FittedNumeric column)
    {
        json.WriteString("kind", "numeric");
        json.WriteString("missing", Word(column.Missing));
        if (column.Missing == MissingRule.Refuse)
        {
            return;
        }

        json.WriteNumber(column.Missing == MissingRule.Mean ? "mean" : "constant", column.Fill);
        json.WriteBoolean("indicator", column.HasIndicator);
    }

    private static void Write(Utf8JsonWriter json, FittedCategorical column)
    {
        json.WriteString("kind", "categorical");
        json.WriteString("missing", Word(column.Missing));
        json.WriteString("reference", column.Reference);
        Write(json, "levels", column.Levels);
        json.WriteBoolean("other", column.HasOther);
        json.WriteBoolean("missing_column", column.HasMissing);
    }

    private static void Write(Utf8JsonWriter json, string name, IReadOnlyList<string> texts)
    {
        json.WriteStartArray(name);
        foreach (string text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }

    private static FittedColumn ReadColumn(JsonElement element)
    {
        string source = Text(element.GetProperty("source"));
        MissingRule missing = Rule(Text(element.GetProperty("missing")));
        string kind = Text(element.GetProperty("kind"));
        Require(kind is "numeric" or "categorical", "a column's kind");
        FittedColumn column = kind == "numeric" ? ReadNumeric(source, missing, element) : ReadCategorical(source, missing, element);
        return column with { Dropped = Texts(element.GetProperty("dropped"), MaxDropped) };
    }

    private static FittedNumeric ReadNumeric(string source, MissingRule missing, JsonElement element)
    {
        Require(missing != MissingRule.Level, "a numeric column's rule for missing values");
        if (missing == MissingRule.Refuse)
        {
            return new FittedNumeric(source, missing, Fill: 0, HasIndicator: false);
        }

        double fill = element.GetProperty(missing == MissingRule.Mean ? "mean" : "constant").GetDouble();
        bool indicator = element.GetProperty("indicator").GetBoolean();
        Require(double.IsFinite(fill) && (!indicator || missing == MissingRule.Mean), "what stands for missing numbers");
        return new FittedNumeric(source, missing, fill, indicator);
    }

    private static FittedCategorical ReadCategorical(string source, MissingRule missing, JsonElement element)
    {
        Require(missing is MissingRule.Level or MissingRule.Refuse, "a categorical column's rule for missing values");
        IReadOnlyList<string> levels = Texts(element.GetProperty("levels"), ColumnEncoder.MaxLevels);
        JsonElement named = element.GetProperty("reference");
        string? reference = named.ValueKind == JsonValueKind.Null ? null : Text(named);
        foreach (string level in levels.Concat(reference is null ? [] : [reference]))
        {
            Require(
                level.Length > 0 && ColumnEncoder.ObjectionToLevel(level) is null && Encoding.UTF8.GetByteCount(level) <= ColumnEncoder.LongestLevelBytes,
                "a level");
        }

        Require(reference is null || !levels.Contains(reference, StringComparer.Ordinal), "the reference level");
        return new FittedCategorical(
            source, missing, reference, levels, element.GetProperty("other").GetBoolean(), element.GetProperty("missing_column").GetBoolean());
    }

    private static string Text(JsonElement element) => element.GetString() ?? throw new FormatException("A text is expected.");

    private static string[] Texts(JsonElement element, int most)
    {
        Require(element.GetArrayLength() <= most, "the length of a list");
        return [.. element.EnumerateArray().Select(Text)];
    }

    private static string Word(MissingRule rule) => rule switch
    {
        MissingRule.Mean => "mean",
        MissingRule.Constant => "constant",
        MissingRule.Level => "level",
        _ => "refuse",
    };

    private static MissingRule Rule(string word) => word switch
    {
        "mean" => MissingRule.Mean,
        "constant" => MissingRule.Constant,
        "level" => MissingRule.Level,
        "refuse" => MissingRule.Refuse,
        _ => throw new FormatException("Unknown rule."),
    };

    private static void Require(bool holds, string what)
    {
        if (!holds)
        {
            throw new VertFedException(ErrorCode.BadInput, $"the model's encoding is not valid: {what}");
        }
    }
}
