using System.Diagnostics;
using Grpc.Core;
using VertFed.Protocol.V1;

namespace VertFed.Load.Callers;

/// <summary>
/// An analyst who goes on with ordinary work while others load the coordinator: reads a job's state, lists jobs, and watches the job until its first
/// message, in turn, a few dozen times a second, over a connection of their own.
/// </summary>
internal sealed class Bystander(JobService.JobServiceClient jobs, string job)
{
    // Three calls in each, below the 6,000 a minute that one principal has.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public Latencies Get { get; } = new();

    public Latencies List { get; } = new();

    public Latencies Watch { get; } = new();

    public int Calls => Get.Count + List.Count + Watch.Count;

    /// <summary>Calls that failed, of all three kinds.</summary>
    public int Failed => new[] { Get, List, Watch }.Sum(kind => kind.Failures.Values.Sum());

    /// <summary>What failed, in words.</summary>
    public string Failures => string.Join(", ", new[] { Get, List, Watch }.SelectMany(kind => kind.Failures).Select(failure => $"{failure.Value} × {failure.Key}"));

    /// <summary>Works until the token is cancelled, one round at least.</summary>
    public async Task WorkAsync(CancellationToken until)
    {
        do
        {
            await TimeAsync(Get, () => jobs.GetAsync(new GetJobRequest { Job = job }, Options()).ResponseAsync);
            await TimeAsync(List, () => jobs.ListAsync(new ListJobsRequest { PageSize = 20 }, Options()).ResponseAsync);
            await TimeAsync(Watch, async () =>
            {
                using AsyncServerStreamingCall<JobStatus> watch = jobs.Watch(new GetJobRequest { Job = job }, Options());
                MeasureException.Require(await watch.ResponseStream.MoveNext(CancellationToken.None), "a watch ended without a message");
            });
            await Task.Delay(Pause, until).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
        while (!until.IsCancellationRequested);
    }

    private static CallOptions Options() => new(deadline: TimeProvider.System.GetUtcNow().UtcDateTime + Patience);

    private static async Task TimeAsync(Latencies into, Func<Task> call)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            await call();
            into.Add(Stopwatch.GetElapsedTime(start));
        }
        catch (RpcException failure)
        {
            into.AddFailure(failure);
        }
    }
}
