using System.Collections.Concurrent;
using System.Globalization;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Services;
using VertFed.Protocol;

namespace VertFed.Coordinator.Security;

/// <summary>
/// How many calls each principal may still make: a bucket that holds a minute's worth and fills at that pace, so that one who floods the
/// coordinator is turned away while others are served.
/// </summary>
internal sealed class CallBudget(CoordinatorConfig config, TimeProvider time)
{
    // Names come from the configuration, so there are never more buckets than entries in it.
    private readonly ConcurrentDictionary<string, Bucket> _buckets = new(StringComparer.Ordinal);

    /// <exception cref="RpcException">ResourceExhausted, with the time after which a call has room again.</exception>
    public void Spend(Principal principal)
    {
        int perMinute = config.Limits.MaxCallsPerMinute;
        TimeSpan wait = _buckets.GetOrAdd(principal.Name, _ => new Bucket(perMinute, time)).Take();
        if (wait > TimeSpan.Zero)
        {
            throw GrpcErrors.Make(
                StatusCode.ResourceExhausted, ErrorCode.Refused,
                string.Create(CultureInfo.InvariantCulture, $"'{principal.Name}' makes more than {perMinute} calls a minute (max_calls_per_minute)"),
                new ErrorHint { Limit = "max_calls_per_minute", RetryAfter = wait });
        }
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
