namespace VertFed.Operations.Metrics;

/// <summary>One series of a family. Guarded by the family's lock.</summary>
/// <param name="bounds">Upper bounds of a histogram's buckets, ascending; empty for other kinds.</param>
internal sealed class MetricSeries(double[] bounds)
{
    private readonly long[] _buckets = new long[bounds.Length];

    /// <summary>The sum of a counter or a histogram, the last value of a gauge.</summary>
    public double Value { get; private set; }

    /// <summary>How often a histogram was observed.</summary>
    public long Count { get; private set; }

    /// <summary>Whether an observable instrument reported it in the last collection.</summary>
    public bool IsSeen { get; set; }

    public void Add(double value) => Value += value;

    public void Set(double value) => Value = value;

    public void Observe(double value)
    {
        // A bucket counts what is at or below its bound; what no bound holds counts in +Inf alone, which is the count.
        int index = Array.BinarySearch(bounds, value);
        index = index < 0 ? ~index : index;
        if (index < _buckets.Length && !double.IsNaN(value))
            _buckets[index]++;
        Value += value;
        Count++;
    }

    /// <summary>How many observations were at or below each bound.</summary>
    public IEnumerable<(double Bound, long Count)> Cumulative()
    {
        long below = 0;
        for (int i = 0; i < bounds.Length; i++)
        {
            below += _buckets[i];
            yield return (bounds[i], below);
        }
    }
}
