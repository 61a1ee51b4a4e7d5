namespace VertFed.Operations.Metrics;

/// <summary>The types of a metric family in the text format that this exporter writes.</summary>
public enum MetricKind
{
    /// <summary>Only grows; starts at 0 with the process.</summary>
    Counter,

    /// <summary>Goes up and down.</summary>
    Gauge,

    /// <summary>Counts of observations at or below each bound, with their sum and count.</summary>
    Histogram,
}
