using System.Text;

namespace VertFed.Operations.Metrics;

/// <summary>
/// Names in the text format, from those of instruments: characters outside [a-zA-Z0-9_:] become '_', a unit becomes a suffix
/// (s: _seconds, By: _bytes), and a counter ends in _total, as the OpenTelemetry specification maps them
/// (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/).
/// </summary>
internal static class MetricNames
{
    /// <summary>The family's name for an instrument such as <c>vertfed.step.duration</c> with unit <c>s</c>.</summary>
    public static string Family(string instrument, string? unit, MetricKind kind)
    {
        var name = new StringBuilder(Clean(instrument, colons: true));
        string suffix = unit switch
        {
            "s" => "_seconds",
            "ms" => "_milliseconds",
            "By" => "_bytes",
            "1" when kind == MetricKind.Gauge => "_ratio",
            _ => "",
        };
        if (!EndsWith(name, suffix))
            name.Append(suffix);
        if (kind == MetricKind.Counter && !EndsWith(name, "_total"))
            name.Append("_total");
        return name.ToString();
    }

    /// <summary>The name of a label. <c>le</c> belongs to histograms, and a leading double underscore is reserved.</summary>
    public static string Label(string key)
    {
        string name = Clean(key, colons: false);
        return name == "le" ? "exported_le" : name.StartsWith("__", StringComparison.Ordinal) ? "key" + name : name;
    }

    private static string Clean(string text, bool colons)
    {
        var name = new StringBuilder(text.Length + 1);
        foreach (char c in text)
            name.Append(char.IsAsciiLetterOrDigit(c) || c == '_' || (colons && c == ':') ? c : '_');
        if (name.Length == 0 || char.IsAsciiDigit(name[0]))
            name.Insert(0, '_');
        return name.ToString();
    }

    private static bool EndsWith(StringBuilder name, string suffix) =>
        name.Length >= suffix.Length && name.ToString(name.Length - suffix.Length, suffix.Length) == suffix;
}
