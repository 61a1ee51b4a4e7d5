using System.Collections.Concurrent;
using System.Globalization;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Services;
using VertFed.Protocol;

namespace VertFed.Coordinator.Security;

/// <summary>
/// How many calls each principal may still make, allowed or not: a bucket that holds a minute's worth and fills at that pace, so that one
/// who floods the coordinator is turned away while others are served. Calls that keep something or read whole jobs have a smaller
/// one besides. All keys that nobody knows share one.
/// </summary>
internal sealed class CallBudget(CoordinatorConfig config, TimeProvider time)
{
    // Names come from the configuration, so there are never more buckets than entries in it.
    private readonly ConcurrentDictionary<(string Name, bool IsHeavy), Bucket> _buckets = new();

    /// <summary>Takes one call; the error to answer with where there is none left, with the time after which there is.</summary>
    /// <param name="principal">Null: a key that nobody pinned.</param>
    public RpcException? Refuse(Principal? principal, string method) =>
        Take(principal, isHeavy: false) ?? (CallRules.IsHeavy(method) ? Take(principal, isHeavy: true) : null);

    private RpcException? Take(Principal? principal, bool isHeavy)
    {
        (int perMinute, string limit, string what) = isHeavy
            ? (config.Limits.MaxHeavyCallsPerMinute, "max_heavy_calls_per_minute", " that keep something or read whole jobs")
            : (config.Limits.MaxCallsPerMinute, "max_calls_per_minute", "");
        TimeSpan wait = _buckets.GetOrAdd((principal?.Name ?? "", isHeavy), _ => new Bucket(perMinute, time)).Take();
        string who = principal is null ? "who is not known here" : $"'{principal.Name}'";
        return wait == TimeSpan.Zero
            ? null
            : GrpcErrors.Make(
                StatusCode.ResourceExhausted, ErrorCode.Refused,
                string.Create(CultureInfo.InvariantCulture, $"{who} makes more than {perMinute} calls a minute{what} ({limit})"),
                new ErrorHint { Limit = limit, RetryAfter = wait });
    }

    private sealed class Bucket(int perMinute, TimeProvider time)
    {
        private readonly Lock _gate = new();
        private double _left = perMinute;
        private long _at = time.GetTimestamp();

        /// <summary>Takes one; zero, or how long until there is one.</summary>
        public TimeSpan Take()
        {
            lock (_gate)
            {
                long now = time.GetTimestamp();
                _left = Math.Min(perMinute, _left + (time.GetElapsedTime(_at, now).TotalMinutes * perMinute));
                _at = now;
                if (_left < 1)
                    return TimeSpan.FromMinutes((1 - _left) / perMinute);
                _left--;
                return TimeSpan.Zero;
            }
        }
    }
}
