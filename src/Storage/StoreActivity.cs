using System.Diagnostics;
using System.Diagnostics.Metrics;
using VertFed.Protocol;

namespace VertFed.Storage;

/// <summary>
/// How a store's writes go: how long each waits and takes until it is durable, how many wait, and the last failure. The instruments are
/// those of the meter "VertFed.Storage"; their one label is the component.
/// </summary>
public sealed class StoreActivity(string component, TimeProvider time)
{
    /// <summary>How long a failed write is held against the store even if others succeed meanwhile: one that changes nothing succeeds on a full disk.</summary>
    public static readonly TimeSpan FailureHeld = TimeSpan.FromSeconds(10);

    /// <summary>Name of the meter.</summary>
    public const string MeterName = "VertFed.Storage";

    private static readonly Meter Meter = new(MeterName);
    private static readonly Histogram<double> Seconds =
        Meter.CreateHistogram<double>("vertfed.store.write.duration", "s", "Seconds from a write's request until it is durable, its waiting included.");

    private static readonly Counter<long> Failures = Meter.CreateCounter<long>("vertfed.store.write.failures", "{write}", "Writes that the store could not do.");
    private static readonly UpDownCounter<long> Waiting = Meter.CreateUpDownCounter<long>("vertfed.store.writes.waiting", "{write}", "Writes that wait or are being done.");

    private readonly KeyValuePair<string, object?> _component = new("component", component);
    private readonly Lock _gate = new();
    private string? _failure;
    private DateTimeOffset _failedAt;
    private bool _hasWrittenSince;

    /// <summary>Why the store counts as failing: a write failed, and no other has succeeded since or the failure is fresh; else null.</summary>
    public string? Failure
    {
        get
        {
            lock (_gate)
            {
                bool isOver = _hasWrittenSince && time.GetUtcNow() - _failedAt >= FailureHeld;
                return isOver ? null : _failure;
            }
        }
    }

    /// <summary>Runs a write and takes note of how it went.</summary>
    internal async Task<T> WatchAsync<T>(Func<Task<T>> write)
    {
        long start = Stopwatch.GetTimestamp();
        Waiting.Add(1, _component);
        try
        {
            T result = await write();
            lock (_gate)
                _hasWrittenSince = true;
            return result;
        }
        catch (VertFedException exception) when (exception.Code == ErrorCode.Storage)
        {
            Failures.Add(1, _component);
            lock (_gate)
                (_failure, _failedAt, _hasWrittenSince) = (exception.Message, time.GetUtcNow(), false);
            throw;
        }
        finally
        {
            Waiting.Add(-1, _component);
            Seconds.Record(Stopwatch.GetElapsedTime(start).TotalSeconds, _component);
        }
    }
}
