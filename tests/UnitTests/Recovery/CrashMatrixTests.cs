using VertFed.Protocol.V1;
using VertFed.Storage.Sqlite;
using Xunit;
using Xunit.Abstractions;

namespace VertFed.UnitTests.Recovery;

/// <summary>
/// Any of the three processes, killed before or after any durable write, and two at once: the job completes, and cores, payloads,
/// coefficients and reports are those of an undisturbed run with the same keys and seeds.
/// </summary>
public sealed class CrashMatrixTests(CrashMatrixTests.Undisturbed undisturbed, ITestOutputHelper output) : IClassFixture<CrashMatrixTests.Undisturbed>
{
    [Fact]
    public async Task A_run_that_nobody_disturbs_is_the_same_again()
    {
        await using RecoveryRun run = await RecoveryRun.StartAsync(undisturbed.Job);
        Assert.Equal(undisturbed.Trace, await run.CompleteAsync());
        Assert.Equal(0, run.Revived);
    }

    [Theory]
    [InlineData("Label")]
    [InlineData("Feature")]
    [InlineData("Coordinator")]
    public async Task A_process_killed_at_some_writes_changes_nothing(string actor)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        int writes = undisturbed.Writes[victim];
        foreach (int write in new[] { 2, writes / 2 })
        {
            await SameAsync(new Kill(victim, new KillPoint(write, write == 2 ? CommitStage.Before : CommitStage.After)));
        }
    }

    [Fact]
    public async Task Two_processes_killed_at_once_change_nothing() =>
        await SameAsync(new Kill(Actor.Label, new KillPoint(undisturbed.Writes[Actor.Label] / 3, CommitStage.Before), Actor.Coordinator));

    private async Task SameAsync(Kill kill)
    {
        long start = TimeProvider.System.GetTimestamp();
        await using RecoveryRun run = await RecoveryRun.StartAsync(undisturbed.Job, kill);
        JobTrace trace = await run.CompleteAsync();
        output.WriteLine($"{kill}: {TimeProvider.System.GetElapsedTime(start).TotalSeconds:F2} s");
        Assert.True(run.Revived == 1 + kill.Together.Length, $"{kill}: {run.Revived} lives more");
        Assert.True(trace == undisturbed.Trace, $"{kill}\n{trace}\n--- undisturbed\n{undisturbed.Trace}\n{run.Logs()}");
    }

    /// <summary>The first run, whose seeds the others take over.</summary>
    public sealed class Undisturbed : IAsyncLifetime
    {
        internal RecoveryCase Job { get; } = new(Family.Linear, maxIterations: 1);

        internal JobTrace Trace { get; private set; } = null!;

        internal Dictionary<Actor, int> Writes { get; } = [];

        public async Task InitializeAsync()
        {
            await using RecoveryRun run = await RecoveryRun.StartAsync(Job);
            Trace = await run.CompleteAsync();
            Job.Attempts[Role.LabelParty] = (await run.StoreOf(Actor.Label).LoadAttemptAsync(Job.JobId, 1, default))!;
            Job.Attempts[Role.FeatureParty] = (await run.StoreOf(Actor.Feature).LoadAttemptAsync(Job.JobId, 1, default))!;
            foreach (Actor actor in Enum.GetValues<Actor>())
            {
                Writes[actor] = run.WritesOf(actor);
            }
        }

        public Task DisposeAsync()
        {
            Job.Dispose();
            return Task.CompletedTask;
        }
    }
}
