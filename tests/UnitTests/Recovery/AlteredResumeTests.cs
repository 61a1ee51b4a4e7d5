using Dapper;
using Microsoft.Data.Sqlite;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sql;
using Xunit;

namespace VertFed.UnitTests.Recovery;

/// <summary>A party that is killed and comes back to another file, spec or record ends the attempt, and nothing new leaves it.</summary>
public sealed class AlteredResumeTests : IAsyncLifetime
{
    private const int KilledAt = 14;
    private readonly RecoveryCase _job = new(Family.Linear, maxIterations: 1);

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _job.DisposeAsync();

    [Fact]
    public Task Another_input_file_ends_the_attempt() => RequireDivergesAsync(
        "input data", _ => _job.Change("bank.csv", text => text.Replace("K7,", "K007,", StringComparison.Ordinal)));

    [Fact]
    public Task Another_spec_under_the_same_job_ends_the_attempt() => RequireDivergesAsync(
        "job spec", folder => Execute(folder, "UPDATE jobs SET signed_spec = @spec", new { spec = _job.SignAgain("another title") }));

    [Fact]
    public Task An_altered_inbound_payload_ends_the_attempt() => RequireDivergesAsync(
        "Inbound envelope 3", folder => Execute(folder, $"UPDATE messages SET payload = {Flipped("payload")} WHERE inbound = 1 AND sequence = 3"));

    [Fact]
    public Task An_altered_inbound_core_ends_the_attempt() => RequireCoreRefusedAsync(
        "Inbound envelope 2", folder => Execute(folder, $"UPDATE messages SET core = {Flipped("core")} WHERE inbound = 1 AND sequence = 2"));

    [Fact]
    public Task A_recorded_envelope_of_its_own_that_comes_out_otherwise_ends_the_attempt() => RequireCoreRefusedAsync(
        "envelope 0", folder => Execute(folder, $"UPDATE messages SET core = {Flipped("core")} WHERE inbound = 0 AND sequence = 0"));

    [Fact]
    public Task Another_root_seed_ends_the_attempt() => RequireDivergesAsync("envelope 0", folder =>
    {
        using SecretsKey secrets = SecretsKey.LoadOrCreate(Path.Combine(folder, "secrets.key"));
        Execute(folder, "UPDATE attempts SET sealed_seed = @seed", new { seed = secrets.Seal(_job.JobId, 1, new byte[32]) });
    });

    /// <summary>An SQL expression: the last byte of a blob becomes 1, or 2 if it is 1.</summary>
    private static string Flipped(string column) =>
        $"CAST(substr({column}, 1, length({column}) - 1) || CASE WHEN substr({column}, -1) = x'01' THEN x'02' ELSE x'01' END AS BLOB)";

    private static void Execute(string folder, string sql, object? parameters = null)
    {
        using SqliteConnection connection = new($"Data Source={Path.Combine(folder, "party.db")};Pooling=False");
        Assert.True(connection.Execute(sql, parameters) > 0, "nothing was altered");
    }

    private Task RequireDivergesAsync(string what, Action<string> alter) => RequireEndAsync(alter, [(ErrorCode.Diverges, "bank", what)]);

    // The party replays its record and compares it with the coordinator's checkpoint at the same time; either one meets the altered core first.
    private Task RequireCoreRefusedAsync(string what, Action<string> alter) =>
        RequireEndAsync(alter, [(ErrorCode.Diverges, "bank", what), (ErrorCode.ProtocolViolation, "coordinator", "one of the two was altered")]);

    private async Task RequireEndAsync(Action<string> alter, (ErrorCode Code, string Party, string What)[] ends)
    {
        await using RecoveryRun run = await RecoveryRun.StartAsync(_job, new Kill(Actor.Label, new KillPoint(KilledAt, CommitStage.After)));
        int recorded = 0;
        run.BetweenLives = (_, folder) =>
        {
            recorded = Recorded(folder);
            alter(folder);
        };
        JobRecord record = await run.RunToEndAsync();
        Assert.Equal(JobState.Failed, record.State);
        Assert.Contains(ends, end => record.Error!.Code == end.Code.ToString() && record.Error.Party == end.Party && record.Error.Message.Contains(end.What, StringComparison.OrdinalIgnoreCase));
        Assert.InRange(recorded, 3, 100);
        Assert.InRange(await run.RelayedAsync(Role.LabelParty), 0, recorded);
    }

    private static int Recorded(string folder)
    {
        using SqliteConnection connection = new($"Data Source={Path.Combine(folder, "party.db")};Pooling=False");
        return connection.QuerySingle<int>("SELECT COUNT(*) FROM messages WHERE inbound = 0");
    }
}
