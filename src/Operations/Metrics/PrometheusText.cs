using System.Globalization;
using System.Text;

namespace VertFed.Operations.Metrics;

/// <summary>
/// Writes metrics in the text format of Prometheus, version 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/): a HELP and a TYPE line a family, then its samples, lines ended by '\n'.
/// </summary>
public static class PrometheusText
{
    /// <summary>The Content-Type of the text.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private const string LostName = "vertfed_metrics_lost_total";
    private const string ConflictName = "vertfed_metrics_conflicts_total";

    /// <summary>Everything the collector knows, families in the order of their names; at the end the exporter's own two counters.</summary>
    public static string Write(MetricCollector collector)
    {
        IReadOnlyList<MetricFamily> families = collector.Collect();
        var text = new StringBuilder(16 * 1024);
        foreach (MetricFamily family in families)
            Write(text, family);
        Head(text, LostName, "Measurements that made no new series because their family has its most.", MetricKind.Counter);
        foreach (MetricFamily family in families.Where(family => family.Lost > 0))
            Sample(text, LostName, "", $"metric=\"{family.Name}\"", family.Lost);
        Head(text, ConflictName, "Instruments left out: their name is another kind's, or there are too many.", MetricKind.Counter);
        Sample(text, ConflictName, "", "", collector.Conflicts);
        return text.ToString();
    }

    private static void Write(StringBuilder text, MetricFamily family)
    {
        bool isHeadWritten = false;
        family.Visit((labels, series) =>
        {
            if (!isHeadWritten)
                Head(text, family.Name, family.Help, family.Kind);
            isHeadWritten = true;
            if (family.Kind == MetricKind.Histogram)
                Histogram(text, family.Name, labels, series);
            else
                Sample(text, family.Name, "", labels, series.Value);
        });
    }

    private static void Histogram(StringBuilder text, string name, string labels, MetricSeries series)
    {
        string comma = labels.Length == 0 ? "" : ",";
        foreach ((double bound, long count) in series.Cumulative())
            Sample(text, name, "_bucket", $"{labels}{comma}le=\"{Number(bound)}\"", count);
        Sample(text, name, "_bucket", $"{labels}{comma}le=\"+Inf\"", series.Count);
        Sample(text, name, "_sum", labels, series.Value);
        Sample(text, name, "_count", labels, series.Count);
    }

    private static void Head(StringBuilder text, string name, string help, MetricKind kind)
    {
        if (help.Length > 0)
        {
            string escaped = help.Replace(@"\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal);
            text.Append("# HELP ").Append(name).Append(' ').Append(escaped).Append('\n');
        }

        text.Append("# TYPE ").Append(name).Append(' ').Append(Name(kind)).Append('\n');
    }

    private static void Sample(StringBuilder text, string name, string suffix, string labels, double value)
    {
        text.Append(name).Append(suffix);
        if (labels.Length > 0)
            text.Append('{').Append(labels).Append('}');
        text.Append(' ').Append(Number(value)).Append('\n');
    }

    private static string Name(MetricKind kind) => kind switch
    {
        MetricKind.Counter => "counter",
        MetricKind.Gauge => "gauge",
        _ => "histogram",
    };

    private static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        double.NaN => "NaN",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };
}
