namespace VertFed.Operations.Metrics;

/// <summary>
/// All series of one name. The number of series is bounded: label values that come once the bound is reached make no new series, and
/// their measurements are counted as lost.
/// </summary>
internal sealed class MetricFamily(string name, string help, MetricKind kind, double[] bounds, int maxSeries)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, MetricSeries> _series = new(StringComparer.Ordinal);
    private long _lost;

    public string Name { get; } = name;

    public string Help { get; } = help;

    public MetricKind Kind { get; } = kind;

    /// <summary>Whether an instrument reports to it already.</summary>
    public bool HasBegun { get; set; }

    /// <summary>Measurements whose labels found no room.</summary>
    public long Lost => Interlocked.Read(ref _lost);

    /// <summary>Adds to a counter or an up-down counter.</summary>
    public void Add(string labels, double value) => Change(labels, series => series.Add(value));

    /// <summary>Adds an observation to a histogram.</summary>
    public void Observe(string labels, double value) => Change(labels, series => series.Observe(value));

    /// <summary>Sets what an observable instrument or a gauge reports.</summary>
    public void Set(string labels, double value) => Change(labels, series => series.Set(value));

    /// <summary>Before observable instruments are asked: what none of them reports now is gone afterwards.</summary>
    public void BeginObservation()
    {
        lock (_gate)
        {
            foreach (MetricSeries series in _series.Values)
                series.IsSeen = false;
        }
    }

    /// <summary>Forgets the series that were not reported since <see cref="BeginObservation"/>.</summary>
    public void EndObservation()
    {
        lock (_gate)
        {
            foreach (string labels in _series.Where(pair => !pair.Value.IsSeen).Select(pair => pair.Key).ToArray())
                _series.Remove(labels);
        }
    }

    /// <summary>Visits the series in the order of their labels while nothing changes.</summary>
    public void Visit(Action<string, MetricSeries> visit)
    {
        lock (_gate)
        {
            foreach ((string labels, MetricSeries series) in _series.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                visit(labels, series);
        }
    }

    private void Change(string labels, Action<MetricSeries> change)
    {
        lock (_gate)
        {
            if (!_series.TryGetValue(labels, out MetricSeries? series))
            {
                if (_series.Count >= maxSeries)
                {
                    Interlocked.Increment(ref _lost);
                    return;
                }

                _series[labels] = series = new MetricSeries(bounds);
            }

            series.IsSeen = true;
            change(series);
        }
    }
}
