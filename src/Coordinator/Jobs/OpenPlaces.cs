using System.Globalization;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Services;
using VertFed.Protocol;

namespace VertFed.Coordinator.Jobs;

/// <summary>Bounds the open jobs, of all submitters and of each. A place is taken before a job is kept and given back when it has ended.</summary>
internal sealed class OpenPlaces(CoordinatorLimits limits)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _taken = new(StringComparer.Ordinal);
    private int _total;

    /// <exception cref="RpcException">ResourceExhausted, naming the limit.</exception>
    public void Take(string submitter)
    {
        lock (_gate)
        {
            if (_total >= limits.MaxOpenJobs)
                throw Full("max_open_jobs", limits.MaxOpenJobs, "jobs are open");
            if (_taken.GetValueOrDefault(submitter) >= limits.MaxOpenJobsPerSubmitter)
                throw Full("max_open_jobs_per_submitter", limits.MaxOpenJobsPerSubmitter, "jobs of this submitter are open");
            TakeRegardless(submitter);
        }
    }

    /// <summary>For a job that was kept before this process began: it has its place, whatever the limits are now.</summary>
    public void TakeRegardless(string submitter)
    {
        lock (_gate)
        {
            _total++;
            _taken[submitter] = _taken.GetValueOrDefault(submitter) + 1;
        }
    }

    public void GiveBack(string submitter)
    {
        lock (_gate)
        {
            _total--;
            if (--_taken[submitter] == 0)
                _taken.Remove(submitter);
        }
    }

    private static RpcException Full(string limit, int most, string what) => GrpcErrors.Make(
        StatusCode.ResourceExhausted, ErrorCode.Refused,
        string.Create(CultureInfo.InvariantCulture, $"{most} {what}, more are not accepted ({limit})"),
        new ErrorHint { Limit = limit, RetryAfter = TimeSpan.FromSeconds(30) });
}
