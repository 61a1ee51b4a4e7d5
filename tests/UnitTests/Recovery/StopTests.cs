using VertFed.Protocol.V1;
using VertFed.Storage.Sql;
using VertFed.Storage.Sqlite;
using Xunit;

namespace VertFed.UnitTests.Recovery;

/// <summary>A party that is told to stop leaves its jobs to its next run, or lets them end if it has the patience.</summary>
public sealed class StopTests(UndisturbedLinear undisturbed) : IClassFixture<UndisturbedLinear>
{
    [Theory]
    [InlineData(nameof(Actor.Label))]
    [InlineData(nameof(Actor.Feature))]
    public async Task A_party_that_stops_midway_goes_on_at_its_next_start_to_the_same_result(string actor)
    {
        Actor party = Enum.Parse<Actor>(actor);
        Actor peer = party == Actor.Label ? Actor.Feature : Actor.Label;
        RecoveryRun? cut = null;

        // Its peer is away from there on, so that the job cannot end before the party has stopped.
        (RecoveryRun started, Task midway) = await StartAsync(party, () => cut!.LinkOf(peer).Cut());
        await using RecoveryRun run = cut = started;
        Task<JobTrace> job = run.CompleteAsync();
        await midway;

        // What SIGTERM does, with a grace period that is over before the job is.
        await run.HostOf(party).DrainAsync(TimeSpan.Zero, CancellationToken.None);
        string logs = run.LogOf(party);
        await run.RestartAsync(party);
        run.LinkOf(peer).Join(run.CoordinatorPort);

        Assert.Contains("told to stop", logs, StringComparison.Ordinal);
        undisturbed.RequireSame(await job, $"{party} stopped\n{run.Logs()}");
        Assert.Contains("resuming attempt 1", run.LogOf(party), StringComparison.Ordinal);
        Assert.Equal(JobState.Done, (await run.StoreOf(party).FindJobAsync(undisturbed.Job.JobId, default))!.State);
    }

    [Fact]
    public async Task A_party_with_patience_stops_once_its_running_job_has_ended()
    {
        (RecoveryRun started, Task midway) = await StartAsync(Actor.Label, () => { });
        await using RecoveryRun run = started;
        Task<JobTrace> job = run.CompleteAsync();
        await midway;

        await run.HostOf(Actor.Label).DrainAsync(TimeSpan.FromMinutes(2), CancellationToken.None);

        Assert.Equal(JobState.Done, (await run.StoreOf(Actor.Label).FindJobAsync(undisturbed.Job.JobId, default))!.State);
        undisturbed.RequireSame(await job, "drained\n" + run.Logs());
    }

    /// <summary>Starts a run; the task completes when a party has made half its durable writes.</summary>
    /// <param name="there">Called there, before the party goes on.</param>
    private async Task<(RecoveryRun Run, Task Midway)> StartAsync(Actor party, Action there)
    {
        TaskCompletionSource midway = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int writes = 0;
        SqliteOptions watching = new()
        {
            CommitHook = stage =>
            {
                if (stage == CommitStage.Before && ++writes == undisturbed.Writes[party] / 2)
                {
                    there();
                    midway.SetResult();
                }
            },
        };
        return (await RecoveryRun.StartAsync(undisturbed.Job, party, watching), midway.Task);
    }
}
