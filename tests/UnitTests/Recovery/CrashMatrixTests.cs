using VertFed.Storage.Sql;
using Xunit;
using Xunit.Abstractions;

namespace VertFed.UnitTests.Recovery;

/// <summary>
/// Any of the three processes, killed before or after any durable write, and two at once: the job completes, and cores, payloads,
/// coefficients and reports are those of an undisturbed run with the same keys and seeds.
/// </summary>
public sealed class CrashMatrixTests(UndisturbedLinear undisturbed, ITestOutputHelper output)
    : CrashMatrix(undisturbed, output), IClassFixture<UndisturbedLinear>
{
    [Fact]
    public async Task A_run_that_nobody_disturbs_is_the_same_again()
    {
        await using RecoveryRun run = await RecoveryRun.StartAsync(Undisturbed.Job);
        Assert.Equal(Undisturbed.Trace, await run.CompleteAsync());
        Assert.Equal(0, run.Revived);
    }

    [Theory]
    [InlineData("Label")]
    [InlineData("Feature")]
    [InlineData("Coordinator")]
    public async Task A_process_killed_at_some_writes_changes_nothing(string actor)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        int writes = Undisturbed.Writes[victim];
        foreach (int write in new[] { 2, writes / 2 })
        {
            await SameAsync(new Kill(victim, new KillPoint(write, write == 2 ? CommitStage.Before : CommitStage.After)));
        }
    }

    [Fact]
    public async Task Each_of_the_three_killed_in_one_run_changes_nothing() => await SameAsync(
        new Kill(Actor.Label, new KillPoint(Undisturbed.Writes[Actor.Label] / 4, CommitStage.After)),
        new Kill(Actor.Feature, new KillPoint(Undisturbed.Writes[Actor.Feature] / 2, CommitStage.Before)),
        new Kill(Actor.Coordinator, new KillPoint(Undisturbed.Writes[Actor.Coordinator] / 2, CommitStage.After)));

    [Fact]
    public async Task Two_processes_killed_at_once_change_nothing() =>
        await SameAsync(new Kill(Actor.Label, new KillPoint(Undisturbed.Writes[Actor.Label] / 3, CommitStage.Before), Actor.Coordinator));

    [Theory]
    [Trait("Speed", "slow")]
    [InlineData("Label", "Before")]
    [InlineData("Label", "After")]
    [InlineData("Feature", "Before")]
    [InlineData("Feature", "After")]
    [InlineData("Coordinator", "Before")]
    [InlineData("Coordinator", "After")]
    public async Task A_process_killed_at_any_write_changes_nothing(string actor, string stage)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        for (int write = 1; write <= Undisturbed.Reachable(victim); write++)
        {
            await SameAsync(new Kill(victim, new KillPoint(write, Enum.Parse<CommitStage>(stage))));
        }
    }

    [Theory]
    [Trait("Speed", "slow")]
    [InlineData("Label", "Feature")]
    [InlineData("Feature", "Coordinator")]
    [InlineData("Coordinator", "Label")]
    public async Task Any_two_processes_killed_at_once_change_nothing(string actor, string other)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        for (int write = 1; write <= Undisturbed.Reachable(victim); write += 5)
        {
            await SameAsync(new Kill(victim, new KillPoint(write, write % 2 == 0 ? CommitStage.Before : CommitStage.After), Enum.Parse<Actor>(other)));
        }
    }
}

/// <summary>The same for a job with a link: every kind of step of a round.</summary>
public sealed class LogisticCrashTests(UndisturbedLogistic undisturbed, ITestOutputHelper output)
    : CrashMatrix(undisturbed, output), IClassFixture<UndisturbedLogistic>
{
    [Theory]
    [InlineData("Label", 5)]
    [InlineData("Feature", 6)]
    public async Task A_party_killed_late_in_a_logistic_job_changes_nothing(string actor, int eighths)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        await SameAsync(new Kill(victim, new KillPoint(Undisturbed.Writes[victim] * eighths / 8, CommitStage.After)));
    }

    [Theory]
    [Trait("Speed", "slow")]
    [InlineData("Label")]
    [InlineData("Feature")]
    [InlineData("Coordinator")]
    public async Task A_process_killed_at_every_fifth_write_of_a_logistic_job_changes_nothing(string actor)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        for (int write = 2; write <= Undisturbed.Reachable(victim); write += 5)
        {
            await SameAsync(new Kill(victim, new KillPoint(write, write % 2 == 0 ? CommitStage.Before : CommitStage.After)));
        }
    }
}
