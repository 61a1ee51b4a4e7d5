using System.Diagnostics;
using VertFed.Load.Callers;
using VertFed.Load.Programs;

namespace VertFed.Load.Measures;

/// <summary>What a coordinator uses while nothing happens, with more and more registered parties connected.</summary>
internal static class IdleMeasure
{
    public static async Task TakeAsync(Run run)
    {
        int[] counts = run.Of([2, 20, 100], new[] { 2, 4 });
        TimeSpan window = run.Of(TimeSpan.FromSeconds(15), TimeSpan.FromMilliseconds(300));
        // The runtime compiles anew what a hundred handshakes have made hot.
        TimeSpan settling = run.Of(TimeSpan.FromSeconds(6), TimeSpan.Zero);
        await using LoadCoordinator coordinator = await LoadCoordinator.StartAsync(counts[^1], analysts: 1, run.Ended);
        ResultTable table = run.Table(
            "idle",
            FormattableString.Invariant($"A coordinator to which parties are connected and registered, and that nobody asks anything ({window.TotalSeconds:0.#} s each):"),
            "parties", "processor s a minute", "memory MiB");
        List<RelayParty> parties = [];
        try
        {
            foreach (int count in counts)
            {
                while (parties.Count < count)
                {
                    parties.Add(await RelayParty.ConnectAsync(coordinator, coordinator.Parties[parties.Count], new JobShape(0, 1), watcher: null, run.Ended));
                }

                await Task.Delay(settling, run.Ended);
                Usage before = coordinator.Usage;
                long start = Stopwatch.GetTimestamp();
                await Task.Delay(window, run.Ended);
                Usage after = coordinator.Usage;
                MeasureException.Require(parties.TrueForAll(party => !party.Running.IsCompleted), "an idle party's stream ended");
                table.Add(count, (after.Processor - before.Processor) / Stopwatch.GetElapsedTime(start) * 60, after.Resident / Usage.MiB);
            }
        }
        finally
        {
            foreach (RelayParty party in parties)
            {
                await party.DisposeAsync();
            }
        }
    }
}
