using VertFed.Storage.Sql;
using Xunit;
using Xunit.Abstractions;

namespace VertFed.UnitTests.Recovery;

/// <summary>
/// Any of the three processes of a score job, killed before or after a durable write: cores, payloads, reports and the file of scores are
/// those of an undisturbed run.
/// </summary>
public sealed class ScoreCrashTests(UndisturbedScore undisturbed, ITestOutputHelper output)
    : CrashMatrix(undisturbed, output), IClassFixture<UndisturbedScore>
{
    [Fact]
    public void The_undisturbed_job_scores_whom_both_know_and_nobody_else()
    {
        string[] lines = Undisturbed.Trace.Scores.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(241, lines.Length);
        Assert.Equal(20, lines.Count(line => line.EndsWith(",,not_shared", StringComparison.Ordinal)));
        Assert.Equal(220, lines.Count(line => line.EndsWith(",scored", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Each_of_the_three_killed_in_one_run_changes_no_score() => await SameAsync(
        new Kill(Actor.Label, new KillPoint(Undisturbed.Writes[Actor.Label] / 2, CommitStage.Before)),
        new Kill(Actor.Feature, new KillPoint(Undisturbed.Writes[Actor.Feature] / 2, CommitStage.After)),
        new Kill(Actor.Coordinator, new KillPoint(Undisturbed.Writes[Actor.Coordinator] / 3, CommitStage.After)));

    // Where the file of scores is made, and the result that says so.
    [Fact]
    public async Task A_label_party_killed_around_its_last_writes_changes_no_score()
    {
        for (int write = Undisturbed.Reachable(Actor.Label) - 1; write <= Undisturbed.Reachable(Actor.Label); write++)
        {
            await SameAsync(new Kill(Actor.Label, new KillPoint(write, CommitStage.Before)));
        }
    }

    [Theory]
    [Trait("Speed", "slow")]
    [InlineData("Label")]
    [InlineData("Feature")]
    [InlineData("Coordinator")]
    public async Task A_process_killed_at_every_third_write_changes_no_score(string actor)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        for (int write = 1; write <= Undisturbed.Reachable(victim); write += 3)
        {
            await SameAsync(new Kill(victim, new KillPoint(write, write % 2 == 0 ? CommitStage.Before : CommitStage.After)));
        }
    }
}
