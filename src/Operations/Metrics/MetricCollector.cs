using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Numerics;

namespace VertFed.Operations.Metrics;

/// <summary>
/// Listens to the meters that it is told of and keeps their current values, for <see cref="PrometheusText"/>. Instruments whose names
/// become one family's are that family's series; one of another kind under a name that is taken is left out and counted.
/// </summary>
public sealed class MetricCollector : IDisposable
{
    /// <summary>Most series of a family, and most families.</summary>
    public const int DefaultMaxSeries = 200;
    private const int MaxFamilies = 500;

    // .NET declares it as a counter, and it falls: as a counter each fall would count as a restart of the process.
    private static readonly string[] FallingCounters = ["dotnet.thread_pool.queue.length"];

    // Seconds from a fast write to a long phase; an instrument may advise others.
    private static readonly double[] DefaultBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

    private readonly Func<Meter, bool> _isWanted;
    private readonly int _maxSeries;
    private readonly MeterListener _listener = new();
    private readonly Lock _collecting = new();
    private readonly ConcurrentDictionary<string, MetricFamily> _families = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<MetricFamily, bool> _observed = new();
    private long _conflicts;

    /// <param name="isWanted">Which meters are listened to.</param>
    public MetricCollector(Func<Meter, bool> isWanted, int maxSeries = DefaultMaxSeries)
    {
        _isWanted = isWanted;
        _maxSeries = maxSeries;
        _listener.InstrumentPublished = Publish;
        Listen<byte>();
        Listen<short>();
        Listen<int>();
        Listen<long>();
        Listen<float>();
        Listen<double>();
        Listen<decimal>();
        _listener.Start();
    }

    /// <summary>Instruments that were left out, because their name is another kind's or there are too many.</summary>
    public long Conflicts => Interlocked.Read(ref _conflicts);

    public void Dispose() => _listener.Dispose();

    /// <summary>Asks the observable instruments, and returns all families by name.</summary>
    internal IReadOnlyList<MetricFamily> Collect()
    {
        lock (_collecting)
        {
            foreach (MetricFamily family in _observed.Keys)
                family.BeginObservation();
            _listener.RecordObservableInstruments();
            foreach (MetricFamily family in _observed.Keys)
                family.EndObservation();
        }

        return [.. _families.Values.OrderBy(family => family.Name, StringComparer.Ordinal)];
    }

    private static (MetricKind Kind, bool IsObserved, bool IsSum)? KindOf(Instrument instrument)
    {
        if (FallingCounters.Contains(instrument.Name, StringComparer.Ordinal))
            return (MetricKind.Gauge, instrument.IsObservable, true);
        for (Type? type = instrument.GetType(); type is not null; type = type.BaseType)
        {
            Type generic = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
            if (generic == typeof(Counter<>))
                return (MetricKind.Counter, false, true);
            if (generic == typeof(UpDownCounter<>))
                return (MetricKind.Gauge, false, true);
            if (generic == typeof(Histogram<>))
                return (MetricKind.Histogram, false, false);
            if (generic == typeof(Gauge<>))
                return (MetricKind.Gauge, false, false);
            if (generic == typeof(ObservableCounter<>))
                return (MetricKind.Counter, true, false);
            if (generic == typeof(ObservableUpDownCounter<>) || generic == typeof(ObservableGauge<>))
                return (MetricKind.Gauge, true, false);
        }

        return null;
    }

    private static double[] BoundsOf(Instrument instrument) => instrument switch
    {
        Histogram<double> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds],
        Histogram<long> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds.Select(bound => (double)bound)],
        Histogram<int> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds.Select(bound => (double)bound)],
        _ => DefaultBounds,
    };

    private void Publish(Instrument instrument, MeterListener listener)
    {
        if (!_isWanted(instrument.Meter) || KindOf(instrument) is not { } kind)
            return;
        string name = MetricNames.Family(instrument.Name, instrument.Unit, kind.Kind);
        if (_families.Count >= MaxFamilies && !_families.ContainsKey(name))
        {
            Interlocked.Increment(ref _conflicts);
            return;
        }

        double[] bounds = kind.Kind == MetricKind.Histogram ? BoundsOf(instrument) : [];
        MetricFamily family = _families.GetOrAdd(name, _ => new MetricFamily(name, instrument.Description ?? "", kind.Kind, bounds, _maxSeries));
        if (family.Kind != kind.Kind || _observed.ContainsKey(family) != kind.IsObserved && family.HasBegun)
        {
            Interlocked.Increment(ref _conflicts);
            return;
        }

        family.HasBegun = true;
        if (kind.IsObserved)
            _observed[family] = true;
        listener.EnableMeasurementEvents(instrument, new Target(family, kind.Kind, kind.IsSum));
    }

    private void Listen<T>()
        where T : struct, INumber<T> =>
        _listener.SetMeasurementEventCallback<T>(static (_, measurement, tags, state) => ((Target)state!).Take(double.CreateChecked(measurement), tags));

    private sealed record Target(MetricFamily Family, MetricKind Kind, bool IsSum)
    {
        public void Take(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            string labels = LabelSet.Write(tags);
            if (Kind == MetricKind.Histogram)
                Family.Observe(labels, value);
            else if (!IsSum)
                Family.Set(labels, value);
            else if (Kind == MetricKind.Gauge || value >= 0)
                Family.Add(labels, value);
        }
    }
}
