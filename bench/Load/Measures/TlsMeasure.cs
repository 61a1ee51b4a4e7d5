using System.Diagnostics;
using VertFed.Load.Callers;
using VertFed.Load.Programs;
using VertFed.Protocol.V1;

namespace VertFed.Load.Measures;

/// <summary>
/// What mutual TLS costs. The service has no transport without it to compare with, so the same bytes go with and without it over streams and over HTTP/2 in
/// this process; the difference, which is what encrypting and decrypting a byte once costs, is then held against the coordinator's and a whole job's processor time.
/// </summary>
internal static class TlsMeasure
{
    private const int Repeats = 3;

    public static async Task TakeAsync(Run run)
    {
        int[] sizes = run.Of([4 << 10, 64 << 10, 1 << 20], new[] { 64 << 10 });
        long bytes = run.Of(256L << 20, 2L << 20);
        using Wire wire = new();
        await HandshakesAsync(run, wire);
        await CompareAsync(
            run, "tls-stream", "A stream over loopback without and with mutual TLS, both ends in one process, by the size of a write", sizes, bytes, wire.StreamAsync);
        Dictionary<int, double> costs = await CompareAsync(
            run, "tls-http2", "The same as one HTTP/2 request to Kestrel", sizes, bytes, wire.Http2Async);
        await RelayAsync(run, sizes, costs);
        await JobAsync(run, costs[sizes[^1]]);
    }

    private static async Task HandshakesAsync(Run run, Wire wire)
    {
        int count = run.Of(200, 3);
        await wire.ConnectAsync(isTls: true, Math.Min(count, 20), run.Ended);
        ResultTable table = run.Table(
            "tls-handshake", FormattableString.Invariant($"{count} connections over loopback, one after the other, each to its first byte; processor time of both ends:"),
            "connection", "median ms", "processor ms, both ends");
        foreach (bool isTls in new[] { false, true })
        {
            (Transfer sum, double median) = await wire.ConnectAsync(isTls, count, run.Ended);
            table.Add(isTls ? "mutual TLS" : "TCP", median, sum.Processor / count * 1000);
        }
    }

    /// <returns>Processor seconds a MiB that TLS costs at both ends together, by size.</returns>
    private static async Task<Dictionary<int, double>> CompareAsync(
        Run run, string name, string title, int[] sizes, long bytes, Func<bool, long, int, CancellationToken, Task<Transfer>> transfer)
    {
        double mib = bytes / Usage.MiB;
        ResultTable table = run.Table(
            name, FormattableString.Invariant($"{title}, {mib:0} MiB, best of {Repeats}:"),
            "size KiB", "without MiB/s", "with TLS MiB/s", "with / without", "processor ms a MiB without", "with", "of which TLS");
        Dictionary<int, double> costs = [];
        _ = await transfer(true, bytes / 8, sizes[^1], run.Ended);
        foreach (int size in sizes)
        {
            // In turn, so that what else the machine does meets both alike.
            Transfer[] plain = new Transfer[Repeats], tls = new Transfer[Repeats];
            for (int i = 0; i < Repeats; i++)
            {
                plain[i] = await transfer(false, bytes, size, run.Ended);
                tls[i] = await transfer(true, bytes, size, run.Ended);
            }

            (double fastPlain, double fastTls) = (mib / plain.Min(one => one.Seconds), mib / tls.Min(one => one.Seconds));
            (double costPlain, double costTls) = (plain.Min(one => one.Processor) / mib, tls.Min(one => one.Processor) / mib);
            costs[size] = Math.Max(0, costTls - costPlain);
            table.Add(size >> 10, fastPlain, fastTls, fastTls / fastPlain, costPlain * 1000, costTls * 1000, costs[size] * 1000);
        }

        return costs;
    }

    /// <summary>Payload from one party through the coordinator to another. The coordinator decrypts each byte once and encrypts it once, as the two ends of the comparison do.</summary>
    private static async Task RelayAsync(Run run, int[] sizes, Dictionary<int, double> costs)
    {
        ResultTable table = run.Table(
            "tls-relay", "Envelopes of two parties through a coordinator in a process of its own, over mutual TLS, kept durably, both ways at once; the share of TLS by the comparison above:",
            "payload KiB", "envelopes", "MiB/s", "coordinator's processor ms an envelope", "a MiB", "of which TLS", "share");
        foreach (int size in sizes)
        {
            int count = (int)Math.Clamp(run.Of(64L << 20, 1L << 20) / size, 4, 1000);
            await using LoadCoordinator coordinator = await LoadCoordinator.StartAsync(2, analysts: 1, run.Ended);
            Watcher watcher = new();
            JobShape shape = new(count, size);
            await using RelayParty first = await RelayParty.ConnectAsync(coordinator, coordinator.Parties[0], shape, watcher, run.Ended);
            await using RelayParty second = await RelayParty.ConnectAsync(coordinator, coordinator.Parties[1], shape, watcher, run.Ended);
            JobService.JobServiceClient jobs = coordinator.Jobs(coordinator.Analysts[0]);
            Usage before = coordinator.Usage;
            long start = Stopwatch.GetTimestamp();
            await jobs.SubmitAsync(new SubmitRequest { Job = coordinator.NewJob(coordinator.Analysts[0], 0, 1).Message }, cancellationToken: run.Ended);
            Task ended = await Task.WhenAny(watcher.Ended, first.Running, second.Running).WaitAsync(run.Ended);
            MeasureException.Require(ended == watcher.Ended && await watcher.Ended == JobState.Done, "the relayed job did not end well");
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            double mib = 2.0 * count * size / Usage.MiB;
            double cost = (coordinator.Usage.Processor - before.Processor).TotalSeconds / mib;
            table.Add(size >> 10, 2 * count, mib / seconds, cost * mib / (2 * count) * 1000, cost * 1000, costs[size] * 1000, Share(costs[size] / cost));
        }
    }

    /// <summary>A whole training job by three processes: its payload crosses two links, each with two ends.</summary>
    private static async Task JobAsync(Run run, double costPerMiB)
    {
        int rows = run.Of(10_000, 800), columns = run.Of(10, 2);
        await using LoadDeployment deployment = await LoadDeployment.StartAsync(rows, columns, [], run.Ended);
        JobCost cost = await deployment.RunAsync(change: null, run.Ended);
        double mib = cost.Status.Bytes / Usage.MiB;
        double tls = 2 * mib * costPerMiB;
        ResultTable table = run.Table(
            "tls-job", FormattableString.Invariant($"A training job, {rows:N0} rows and {columns} columns a party, by three processes; TLS by the comparison above, over two links:"),
            "seconds", "sealed payload MiB", "processor s, all three", "of which TLS", "share");
        table.Add(cost.Seconds, mib, cost.Processor, tls, Share(tls / cost.Processor));
    }

    private static string Share(double share) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{share * 100:0.0} %");

    private sealed class Watcher : IJobWatcher
    {
        private readonly TaskCompletionSource<JobState> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<JobState> Ended => _ended.Task;

        public void Offered(string job)
        {
            // One job, and no queue.
        }

        public void Finishing(string job)
        {
            // Its end counts.
        }

        void IJobWatcher.Ended(string job, JobState state) => _ended.TrySetResult(state);
    }
}
