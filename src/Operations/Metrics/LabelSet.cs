using System.Globalization;
using System.Text;

namespace VertFed.Operations.Metrics;

/// <summary>The labels of one series, written as the text format has them: <c>a="1",b="2"</c>, sorted by name, values escaped.</summary>
internal static class LabelSet
{
    /// <summary>Longest value of a label, in characters; the rest is cut.</summary>
    public const int MaxValueLength = 128;

    /// <summary>Empty for no labels. An empty value is the same as no label and is left out; keys that become one name share it, joined by ';'.</summary>
    public static string Write(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (tags.Length == 0)
            return "";
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach ((string key, object? tag) in tags)
        {
            string value = Text(tag);
            if (value.Length == 0)
                continue;
            string name = MetricNames.Label(key);
            labels[name] = labels.TryGetValue(name, out string? before) ? $"{before};{value}" : value;
        }

        var text = new StringBuilder();
        foreach ((string name, string value) in labels)
        {
            text.Append(text.Length == 0 ? "" : ",").Append(name).Append("=\"");
            Escape(text, value.Length > MaxValueLength ? value[..MaxValueLength] : value);
            text.Append('"');
        }

        return text.ToString();
    }

    private static string Text(object? value) => value switch
    {
        null => "",
        bool flag => flag ? "true" : "false",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    private static void Escape(StringBuilder text, string value)
    {
        foreach (char c in value)
        {
            _ = c switch
            {
                '\\' => text.Append(@"\\"),
                '"' => text.Append("\\\""),
                '\n' => text.Append(@"\n"),
                _ => text.Append(c),
            };
        }
    }
}
