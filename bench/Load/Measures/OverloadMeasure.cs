using System.Diagnostics;
using VertFed.Load.Callers;
using VertFed.Load.Programs;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Load.Measures;

/// <summary>
/// More connections than the limits, connections and calls that begin and do not go on, messages far above the limit: each kind in turn, while an analyst
/// works and two parties stay connected. frame_seconds is low, so that the run is.
/// </summary>
internal static class OverloadMeasure
{
    private const int TooBig = 64 << 20;

    // Low, and still more than those who keep to the rules take on a busy machine.
    private const int FrameSeconds = 3;

    // The handshake's own limit is 10 s.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(20);

    public static async Task TakeAsync(Run run)
    {
        int many = run.Of(600, 20), some = run.Of(128, 12), few = run.Of(32, 4);
        await using LoadCoordinator coordinator = await LoadCoordinator.StartAsync(
            2, analysts: 2, run.Ended, FormattableString.Invariant($"frame_seconds: {FrameSeconds}{run.Of("", ", max_connections_per_key: 8, max_unregistered: 8")}"));
        Person hostile = coordinator.Analysts[0], other = coordinator.Analysts[1];
        await using RelayParty first = await RelayParty.ConnectAsync(coordinator, coordinator.Parties[0], new JobShape(0, 1), watcher: null, run.Ended);
        await using RelayParty second = await RelayParty.ConnectAsync(coordinator, coordinator.Parties[1], new JobShape(0, 1), watcher: null, run.Ended);
        JobService.JobServiceClient others = coordinator.Jobs(other);
        SignedJob own = coordinator.NewJob(other, 0, 1);
        await others.SubmitAsync(new SubmitRequest { Job = own.Message }, cancellationToken: run.Ended);
        Attacker attacker = new(coordinator);
        Person[] strangers = Person.Several("stranger", some);
        ResultTable table = run.Table(
            "overload",
            FormattableString.Invariant($"Overload, with frame_seconds {FrameSeconds}: what was tried at once, what came of it, and an analyst's calls meanwhile:"),
            "tried", "count", "let in", "ended how", "all over after s", "other's calls", "p50 ms", "p99 ms", "failed", "memory MiB", "peak MiB");

        // Those who were let in leave when all have knocked.
        await StepAsync("connections of one analyst's key", some, gate => _ => attacker.OccupyingAsync(hostile, gate, run.Ended));
        await StepAsync("connections of keys that nobody knows", some, gate => i => attacker.OccupyingAsync(strangers[i], gate, run.Ended));
        if (!run.IsShort)
        {
            // Ten seconds of waiting for the handshake's limit: not in a smoke test.
            await StepAsync("TCP connections that say nothing", many, _ => _ => attacker.SilentAsync(Longest, run.Ended), mustEnd: true);
        }

        await StepAsync("headers that never end", few, _ => _ => attacker.HalfHeadersAsync(hostile, Longest, run.Ended), mustEnd: true);
        await StepAsync("messages that never end", few, _ => _ => attacker.MessageAsync(hostile, 100, 10, Longest, run.Ended), mustEnd: true);
        await StepAsync("messages of 64 MiB", few, _ => _ => attacker.MessageAsync(hostile, TooBig, TooBig, Longest, run.Ended), mustEnd: true);
        MeasureException.Require(!first.Running.IsCompleted && !second.Running.IsCompleted, "a party's stream ended under the overload");
        foreach (Person stranger in strangers)
        {
            stranger.Dispose();
        }

        async Task StepAsync(string what, int count, Func<Gate, Func<int, Task<AttackEnd>>> attack, bool mustEnd = false)
        {
            Bystander bystander = new(others, own.Specification.Job);
            using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(run.Ended);
            Task working = Task.Run(() => bystander.WorkAsync(over.Token), run.Ended);
            Gate gate = new(count);
            Func<int, Task<AttackEnd>> one = attack(gate);
            long start = Stopwatch.GetTimestamp();
            AttackEnd[] ends = await Task.WhenAll(Enumerable.Range(0, count).Select(i => Task.Run(() => KnockAsync(i), run.Ended)));
            TimeSpan taken = Stopwatch.GetElapsedTime(start);
            await over.CancelAsync();
            await working;
            run.Ended.ThrowIfCancellationRequested();
            Usage usage = coordinator.Usage;
            MeasureException.Require(bystander.Failed == 0 && bystander.Calls > 0, $"{what}: the other analyst was not served: {bystander.Failures}");
            MeasureException.Require(!mustEnd || !ends.Any(end => end.HasEntered && end.Outcome == "left open"), $"{what}: some were left open");
            string outcomes = string.Join(", ", ends.GroupBy(end => end.Outcome, StringComparer.Ordinal).OrderByDescending(group => group.Count()).Select(group => $"{group.Count()} {group.Key}"));
            Latencies calls = bystander.Get;
            table.Add(
                what, count, ends.Count(end => end.HasEntered), outcomes, taken.TotalSeconds, bystander.Calls, calls.Percentile(0.5), calls.Percentile(0.99), bystander.Failed,
                usage.Resident / Usage.MiB, usage.Peak / Usage.MiB);

            async Task<AttackEnd> KnockAsync(int i)
            {
                AttackEnd end = default;
                try
                {
                    return end = await one(i);
                }
                finally
                {
                    if (!end.HasEntered)
                    {
                        gate.Decide();
                    }
                }
            }
        }
    }
}
