using VertFed.Storage.Sql;
using VertFed.Testing;
using Xunit;
using Xunit.Abstractions;

namespace VertFed.UnitTests.Recovery;

/// <summary>
/// The matrix where all three keep their stores in PostgreSQL. A process that dies loses its connections, its open transaction and its lock;
/// a server that dies takes those of all three with it.
/// </summary>
public sealed class PostgresCrashMatrixTests(UndisturbedPostgres undisturbed, ITestOutputHelper output)
    : CrashMatrix(undisturbed, output), IClassFixture<UndisturbedPostgres>
{
    [SkippableFact]
    public async Task A_job_comes_to_the_same_on_either_database()
    {
        await PostgresServer.GetAsync();
        undisturbed.RequireSame(undisturbed.OnSqlite, "SQLite");
    }

    [SkippableTheory]
    [InlineData("Label", "Before")]
    [InlineData("Feature", "After")]
    [InlineData("Coordinator", "Before")]
    public async Task A_process_killed_midway_changes_nothing(string actor, string stage)
    {
        await PostgresServer.GetAsync();
        Actor victim = Enum.Parse<Actor>(actor);
        await SameAsync(new Kill(victim, new KillPoint(Undisturbed.Writes[victim] / 2, Enum.Parse<CommitStage>(stage))));
    }

    [SkippableFact]
    public async Task Each_of_the_three_killed_in_one_run_changes_nothing()
    {
        await PostgresServer.GetAsync();
        await SameAsync(
            new Kill(Actor.Label, new KillPoint(Undisturbed.Writes[Actor.Label] / 4, CommitStage.After)),
            new Kill(Actor.Feature, new KillPoint(Undisturbed.Writes[Actor.Feature] / 2, CommitStage.Before)),
            new Kill(Actor.Coordinator, new KillPoint(Undisturbed.Writes[Actor.Coordinator] / 2, CommitStage.After)));
    }

    [SkippableFact]
    public async Task A_server_killed_while_a_party_and_while_the_coordinator_writes_changes_nothing()
    {
        await PostgresServer.GetAsync();
        await using PostgresServer server = await PostgresServer.StartAsync();
        int kills = 0;
        await using RecoveryRun run = await RecoveryRun.StartAsync(
            Undisturbed.Job,
            new RunPlan { Stores = new PostgresStores(server, patience: TimeSpan.FromMinutes(2)) },
            new Kill(Actor.Feature, new KillPoint(Undisturbed.Writes[Actor.Feature] / 4, CommitStage.Before)),
            new Kill(Actor.Coordinator, new KillPoint(Undisturbed.Writes[Actor.Coordinator] / 2, CommitStage.Before)));
        run.InsteadOfDeath = () =>
        {
            kills++;
            return server.KillAndStartAgainAsync();
        };
        Undisturbed.RequireSame(await run.CompleteAsync(), "server killed\n" + run.Logs());
        Assert.Equal(2, kills);
        Assert.Equal(0, run.Revived);
        Assert.Empty(run.Faults);
    }
}
