using Grpc.Core;

namespace VertFed.Load;

/// <summary>How long calls took, and what became of those that failed. Thread-safe.</summary>
internal sealed class Latencies
{
    private readonly Lock _gate = new();
    private readonly List<double> _milliseconds = [];
    private readonly SortedDictionary<string, int> _failures = new(StringComparer.Ordinal);

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _milliseconds.Count;
            }
        }
    }

    /// <summary>Failures by status.</summary>
    public IReadOnlyDictionary<string, int> Failures
    {
        get
        {
            lock (_gate)
            {
                return new Dictionary<string, int>(_failures, StringComparer.Ordinal);
            }
        }
    }

    public void Add(TimeSpan taken)
    {
        lock (_gate)
        {
            _milliseconds.Add(taken.TotalMilliseconds);
        }
    }

    /// <summary>Counts a failure by its status, and by the limit that its text names, if it names one.</summary>
    public void AddFailure(RpcException failure)
    {
        string detail = failure.Status.Detail;
        int limit = detail.IndexOf("max_", StringComparison.Ordinal);
        string name = failure.StatusCode.ToString();
        if (limit >= 0)
        {
            name += $" ({new string([.. detail[limit..].TakeWhile(c => char.IsAsciiLetter(c) || c == '_')])})";
        }

        lock (_gate)
        {
            _failures[name] = _failures.GetValueOrDefault(name) + 1;
        }
    }

    /// <summary>The smallest latency that this share of the calls did not exceed, in milliseconds (nearest rank); 0 without calls.</summary>
    /// <param name="share">0 to 1.</param>
    public double Percentile(double share)
    {
        lock (_gate)
        {
            if (_milliseconds.Count == 0)
            {
                return 0;
            }

            double[] sorted = [.. _milliseconds.Order()];
            return sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
        }
    }
}
