using System.Diagnostics;
using VertFed.Load.Callers;
using VertFed.Load.Programs;
using VertFed.Protocol.V1;

namespace VertFed.Load.Measures;

/// <summary>Many jobs of three analysts between many parties, four at a time: how fast they pass, and how long each analyst waits.</summary>
internal static class QueueMeasure
{
    private const int AtOnce = 4;

    public static async Task TakeAsync(Run run)
    {
        int parties = run.Of(20, 4), jobs = run.Of(50, 10);
        JobShape shape = run.Of(new JobShape(8, 512 * 1024), new JobShape(2, 1000));
        await using LoadCoordinator coordinator = await LoadCoordinator.StartAsync(parties, analysts: 3, run.Ended);
        Watcher watcher = new(jobs);
        List<RelayParty> connected = [];
        try
        {
            foreach (Person party in coordinator.Parties)
            {
                connected.Add(await RelayParty.ConnectAsync(coordinator, party, shape, watcher, run.Ended));
            }

            // The first analyst comes with three fifths of all, at once, and then the others with a fifth each.
            JobService.JobServiceClient[] clients = [.. coordinator.Analysts.Select(coordinator.Jobs)];
            Dictionary<string, int> submitters = new(StringComparer.Ordinal);
            Usage before = coordinator.Usage;
            long start = Stopwatch.GetTimestamp();
            for (int i = 0; i < jobs; i++)
            {
                int analyst = i < jobs * 3 / 5 ? 0 : i < jobs * 4 / 5 ? 1 : 2;
                int label = i % (parties / 2), feature = (parties / 2) + (i / 2 % (parties / 2));
                JobStatus status = await clients[analyst].SubmitAsync(
                    new SubmitRequest { Job = coordinator.NewJob(coordinator.Analysts[analyst], label, feature).Message }, cancellationToken: run.Ended);
                submitters.Add(status.Job, analyst);
            }

            Task first = await Task.WhenAny(connected.Select(party => party.Running).Append(watcher.AllEnded)).WaitAsync(run.Ended);
            MeasureException.Require(first == watcher.AllEnded, $"a party's stream ended: {first.Exception?.GetBaseException().Message}");
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            Usage after = coordinator.Usage;
            MeasureException.Require(watcher.Failed == 0, $"{watcher.Failed} jobs did not end well");
            MeasureException.Require(watcher.Most <= AtOnce, $"{watcher.Most} jobs ran at once");

            ResultTable table = run.Table(
                "queue",
                FormattableString.Invariant($"{parties} parties, {jobs} jobs of three analysts, {AtOnce} at a time; in each job both sides send {shape.Envelopes} envelopes of {shape.PayloadBytes / 1024.0:0.#} KiB:"),
                "seconds", "jobs a minute", "relayed MiB/s", "most at once", "processor s", "memory before MiB", "peak MiB");
            double relayed = 2.0 * jobs * shape.Envelopes * shape.PayloadBytes / Usage.MiB;
            table.Add(seconds, jobs / seconds * 60, relayed / seconds, watcher.Most, (after.Processor - before.Processor).TotalSeconds, before.Resident / Usage.MiB, after.Peak / Usage.MiB);
            await WaitsAsync(run, clients, submitters);
        }
        finally
        {
            foreach (RelayParty party in connected)
            {
                await party.DisposeAsync();
            }
        }
    }

    /// <summary>How long the jobs of each analyst waited, by the coordinator's clock.</summary>
    private static async Task WaitsAsync(Run run, JobService.JobServiceClient[] clients, Dictionary<string, int> submitters)
    {
        ResultTable table = run.Table("queue-waits", "How long jobs waited from their submission until both parties had accepted, by analyst:", "analyst", "jobs", "shortest s", "median s", "longest s");
        for (int analyst = 0; analyst < clients.Length; analyst++)
        {
            List<double> waits = [];
            foreach (string job in submitters.Where(pair => pair.Value == analyst).Select(pair => pair.Key))
            {
                JobStatus status = await clients[analyst].GetAsync(new GetJobRequest { Job = job }, cancellationToken: run.Ended);
                MeasureException.Require(status.State == JobState.Done, $"a job is {status.State}");
                waits.Add((status.StartedUnixMs - status.SubmittedUnixMs) / 1000.0);
            }

            waits.Sort();
            table.Add(analyst == 0 ? "the first, with three fifths" : analyst == 1 ? "the second" : "the third", waits.Count, waits[0], waits[waits.Count / 2], waits[^1]);
        }
    }

    private sealed class Watcher(int jobs) : IJobWatcher
    {
        private readonly Lock _gate = new();
        private readonly HashSet<string> _offered = new(StringComparer.Ordinal);
        private readonly HashSet<string> _oneIsDone = new(StringComparer.Ordinal);
        private readonly HashSet<string> _ended = new(StringComparer.Ordinal);
        private readonly TaskCompletionSource _allEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _active;

        public Task AllEnded => _allEnded.Task;

        public int Most { get; private set; }

        public int Failed { get; private set; }

        public void Offered(string job)
        {
            lock (_gate)
            {
                if (_offered.Add(job))
                {
                    _active++;
                    Most = Math.Max(Most, _active);
                }
            }
        }

        public void Finishing(string job)
        {
            lock (_gate)
            {
                // The second party's word frees the job's place; counted as free from just before.
                if (!_oneIsDone.Add(job))
                {
                    _active--;
                }
            }
        }

        public void Ended(string job, JobState state)
        {
            lock (_gate)
            {
                if (!_ended.Add(job))
                {
                    return;
                }

                Failed += state == JobState.Done ? 0 : 1;
                if (_ended.Count == jobs)
                {
                    _allEnded.TrySetResult();
                }
            }
        }
    }
}
