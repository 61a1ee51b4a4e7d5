using System.Diagnostics;
using Grpc.Core;
using VertFed.Load.Callers;
using VertFed.Load.Programs;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Load.Measures;

/// <summary>One analyst submits jobs as fast as the coordinator answers; another goes on with ordinary work.</summary>
internal static class FloodMeasure
{
    private const int InFlight = 16;

    public static async Task TakeAsync(Run run)
    {
        TimeSpan window = run.Of(TimeSpan.FromSeconds(20), TimeSpan.FromMilliseconds(800));
        await using LoadCoordinator coordinator = await LoadCoordinator.StartAsync(2, analysts: 2, run.Ended, run.Of("", "max_open_jobs_per_submitter: 4"));
        Person flooding = coordinator.Analysts[0], other = coordinator.Analysts[1];
        JobService.JobServiceClient others = coordinator.Jobs(other);
        SignedJob own = coordinator.NewJob(other, 0, 1);
        await others.SubmitAsync(new SubmitRequest { Job = own.Message }, cancellationToken: run.Ended);

        Bystander quiet = new(others, own.Specification.Job), during = new(others, own.Specification.Job);
        Usage start = coordinator.Usage;
        await ForAsync(window / 2, run.Ended, quiet.WorkAsync);
        Usage before = coordinator.Usage;
        Latencies flood = new();
        long from = Stopwatch.GetTimestamp();
        await ForAsync(window, run.Ended, [during.WorkAsync, .. Enumerable.Range(0, InFlight).Select<int, Func<CancellationToken, Task>>(_ => until => SubmitAsync(coordinator.Jobs(flooding), until))]);
        double seconds = Stopwatch.GetElapsedTime(from).TotalSeconds;
        Usage after = coordinator.Usage;

        MeasureException.Require(quiet.Failed + during.Failed == 0, $"the other analyst was not served: {quiet.Failures} {during.Failures}");
        int refused = flood.Failures.Values.Sum();
        MeasureException.Require(refused > 0, "the flood was not held to a limit");
        ResultTable latency = run.Table(
            "flood-other", FormattableString.Invariant($"Latency of the other analyst's calls, before and while one submits over {InFlight} connections without a pause ({window.TotalSeconds:0.#} s):"),
            "call", "calls before", "p50 ms", "p99 ms", "calls during", "p50 ms during", "p99 ms during", "failed");
        foreach ((string name, Latencies one, Latencies two) in new[] { ("Get", quiet.Get, during.Get), ("List (20)", quiet.List, during.List), ("Watch, first message", quiet.Watch, during.Watch) })
        {
            latency.Add(name, one.Count, one.Percentile(0.5), one.Percentile(0.99), two.Count, two.Percentile(0.5), two.Percentile(0.99), one.Failures.Values.Sum() + two.Failures.Values.Sum());
        }

        ResultTable answers = run.Table("flood-answers", "What the flood was answered:", "answer", "submits", "a second");
        answers.Add("taken", flood.Count, flood.Count / seconds);
        foreach ((string status, int count) in flood.Failures)
        {
            answers.Add(status, count, count / seconds);
        }

        ResultTable server = run.Table("flood-server", "The coordinator meanwhile:", "", "processor s a second", "memory MiB", "peak MiB");
        server.Add("the other analyst alone", (before.Processor - start.Processor).TotalSeconds / (window / 2).TotalSeconds, before.Resident / Usage.MiB, before.Peak / Usage.MiB);
        server.Add("with the flood", (after.Processor - before.Processor).TotalSeconds / seconds, after.Resident / Usage.MiB, after.Peak / Usage.MiB);

        async Task SubmitAsync(JobService.JobServiceClient client, CancellationToken until)
        {
            do
            {
                // Another job each time: one that is known already would only be looked up.
                SubmitRequest request = new() { Job = coordinator.NewJob(flooding, 0, 1).Message };
                long began = Stopwatch.GetTimestamp();
                try
                {
                    await client.SubmitAsync(request, deadline: TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(20), cancellationToken: CancellationToken.None);
                    flood.Add(Stopwatch.GetElapsedTime(began));
                }
                catch (RpcException refusal)
                {
                    flood.AddFailure(refusal);
                }
            }
            while (!until.IsCancellationRequested);
        }
    }

    /// <summary>Runs all of them for a time, and waits for their ends.</summary>
    internal static async Task ForAsync(TimeSpan time, CancellationToken ended, params Func<CancellationToken, Task>[] work)
    {
        using CancellationTokenSource until = CancellationTokenSource.CreateLinkedTokenSource(ended);
        until.CancelAfter(time);
        await Task.WhenAll(work.Select(one => Task.Run(() => one(until.Token), CancellationToken.None)));
        ended.ThrowIfCancellationRequested();
    }
}
