using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Google.Protobuf;
using Microsoft.Data.Sqlite;
using Npgsql;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Postgres;
using VertFed.Storage.Sql;
using VertFed.Storage.Sqlite;
using Xunit;

namespace VertFed.UnitTests.Storage;

/// <summary>Stores of the version before come up to date with what is in them.</summary>
public sealed class MigrationTests : IDisposable
{
    private const string Done = "00000000000000000000000000000001";
    private const string Refused = "00000000000000000000000000000002";
    private const string CoordinatorRows = """
        INSERT INTO jobs (job, attempt, state, signed_spec, spec_hash, submitter, title, label_party, feature_party, deadline_seconds, submitted_ms, ended_ms, payloads)
            VALUES ('00000000000000000000000000000001', 1, 3, CAST('a' AS BLOB), CAST('b' AS BLOB), 'c', 'old', 'bank', 'retailer', 60, 100, 200, 1);
        """;

    private const string PartyRows = """
        INSERT INTO jobs (job, attempt, role, signed_spec, state, received_ms, ended_ms) VALUES ('00000000000000000000000000000001', 1, 1, CAST('a' AS BLOB), 3, 100, 200);
        INSERT INTO jobs (job, attempt, role, signed_spec, state, received_ms, ended_ms) VALUES ('00000000000000000000000000000002', 1, 1, CAST('a' AS BLOB), 5, 100, 200);
        INSERT INTO results (job, attempt, state, report, model, outcome, ended_ms) VALUES ('00000000000000000000000000000001', 1, 3, CAST('r' AS BLOB), CAST('m' AS BLOB), CAST('o' AS BLOB), 200);
        INSERT INTO checkpoints (job, attempt, phase, tree_size, root_hash, note, co_signature, recorded_ms) VALUES ('00000000000000000000000000000001', 1, 5, 9, CAST('root' AS BLOB), CAST('n' AS BLOB), CAST('s' AS BLOB), 200);
        """;

    private static readonly CancellationToken None = CancellationToken.None;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("coordinator", 0, "3e9ac2ed7a09fc77a3f75201326263f2224af691b6ae7b6ff296d13ea1a0b2d5")]
    [InlineData("coordinator", 1, "0f8ac03ceb89295029dee89a83f79b92db0ffbb4203e735c12d0e486a76a9e2e")]
    [InlineData("coordinator", 2, "3c20f3770d8abb6769b3a0eb5929362405a3a21941266b2f3e79bf4835e482d2")]
    [InlineData("coordinator", 3, "34caeaaa82fed57ef8f5b8159d0509846cf5684cfe078bfa6f1a7f91b8ff086f")]
    [InlineData("coordinator", 4, "0c896a290dce2be791055c0a95eb0492416e00a51cb7c213118d947562a6a40d")]
    [InlineData("coordinator", 5, "aba4767dae16c20d9a07fbd4943336d458f80ed4adb34bcccb41267590e5e5d5")]
    [InlineData("party", 0, "5040162c83dd09887e848b21360eca5d68b428397922e3dec6159edd75650876")]
    [InlineData("party", 1, "7949c010c69609f7f285a3b980869526ef5bf7b9b72e4b014a819993dba93e6c")]
    [InlineData("party", 2, "a0ea4e331e30a3ce16113545e78907df968f38783fb0c2b93942a8646550c2c1")]
    [InlineData("party", 3, "b7bc907944b4f2285bae7418dfd729ef1e96f52666c490cae4ffa24962e7a0e6")]
    public void A_published_step_is_never_edited(string component, int step, string hash)
    {
        MigrationSet set = component == "party" ? PartySchema.Migrations : CoordinatorSchema.Migrations;
        Assert.Equal(hash, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(set.Steps[step].ReplaceLineEndings("\n")))));
    }

    [Fact]
    public async Task A_coordinators_file_of_version_2_is_brought_up_to_date()
    {
        await MakeOldAsync(new SqliteConnection($"Data Source={_folder.File("c.db")};Pooling=False"), SqlDialect.Sqlite, CoordinatorSchema.Migrations, CoordinatorRows);
        await CheckAsync(SqliteCoordinatorStore.Open(_folder.File("c.db")));
    }

    [Fact]
    public async Task A_partys_file_of_version_2_is_brought_up_to_date()
    {
        await MakeOldAsync(new SqliteConnection($"Data Source={_folder.File("p.db")};Pooling=False"), SqlDialect.Sqlite, PartySchema.Migrations, PartyRows);
        await CheckAsync(SqlitePartyStore.Open(_folder.File("p.db"), TestSecrets.Key()));
    }

    [SkippableFact]
    public async Task Schemas_of_version_2_are_brought_up_to_date()
    {
        PostgresPlace coordinator = await PostgresPlace.MakeAsync(), party = await PostgresPlace.MakeAsync();
        await coordinator.Server.ExecuteAsync($"CREATE SCHEMA {coordinator.Schema}; CREATE SCHEMA {party.Schema}");
        await MakeOldAsync(new NpgsqlConnection(coordinator.Server.ConnectionString(coordinator.Schema)), SqlDialect.Postgres, CoordinatorSchema.Migrations, CoordinatorRows);
        await MakeOldAsync(new NpgsqlConnection(party.Server.ConnectionString(party.Schema)), SqlDialect.Postgres, PartySchema.Migrations, PartyRows);
        await CheckAsync(PostgresCoordinatorStore.Open(coordinator.Address));
        await CheckAsync(PostgresPartyStore.Open(party.Address, TestSecrets.Key()));
    }

    [Fact]
    public async Task Rounds_that_an_older_coordinator_kept_are_read_and_moved_with_the_next()
    {
        SqliteConnection older = new($"Data Source={_folder.File("c.db")};Pooling=False");
        await MakeOldAsync(older, SqlDialect.Sqlite, CoordinatorSchema.Migrations, "", steps: 5, AddOldRoundsAsync);
        await CheckRoundsAsync(SqliteCoordinatorStore.Open(_folder.File("c.db")));
    }

    [SkippableFact]
    public async Task So_they_are_in_a_schema()
    {
        PostgresPlace place = await PostgresPlace.MakeAsync();
        await place.Server.ExecuteAsync($"CREATE SCHEMA {place.Schema}");
        NpgsqlConnection older = new(place.Server.ConnectionString(place.Schema));
        await MakeOldAsync(older, SqlDialect.Postgres, CoordinatorSchema.Migrations, "", steps: 5, AddOldRoundsAsync);
        await CheckRoundsAsync(PostgresCoordinatorStore.Open(place.Address));
    }

    [Fact]
    public async Task A_reader_refuses_an_older_schema_and_leaves_it_as_it_is()
    {
        await MakeOldAsync(new SqliteConnection($"Data Source={_folder.File("p.db")};Pooling=False"), SqlDialect.Sqlite, PartySchema.Migrations, PartyRows);
        for (int i = 0; i < 2; i++)
        {
            Assert.Contains(
                "has version 2, this software needs 4",
                Assert.Throws<VertFed.Protocol.VertFedException>(() => SqlitePartyStore.OpenReadOnly(_folder.File("p.db"), TestSecrets.Key())).Message,
                StringComparison.Ordinal);
        }
    }

    private static Task AddOldRoundsAsync(DbConnection connection) => connection.ExecuteAsync(
        """
        INSERT INTO round_jobs (job, state, signed_spec, spec_hash, submitter, submitted_ms, round_checkpoint) VALUES (@Done, 2, @bytes, @bytes, 'c', 100, @checkpoint);
        INSERT INTO round_parties (job, place, name) VALUES (@Done, 1, 'north');
        """,
        new { Done, bytes = new byte[] { 1 }, checkpoint = new RoundCheckpoint { Rounds = 1, Parameters = { 0.5 }, Summaries = { OfRound(0), OfRound(1) } }.ToByteArray() });

    private static RoundSummary OfRound(uint round) => new() { Round = round, Counted = { "north" }, BytesUp = 10 + round, BytesDown = 100 };

    private static async Task CheckRoundsAsync(CoordinatorStore store)
    {
        await using (store)
        {
            RoundJobRecord listed = Assert.Single(await store.ListRoundJobsAsync(10, null, None));
            Assert.Equal((1u, 221UL, null), (listed.Rounds, listed.Bytes, listed.Checkpoint));
            Assert.Equal([OfRound(0), OfRound(1)], await store.ReadRoundSummariesAsync(Done, None));

            RoundCheckpoint carried = (await store.FindRoundJobAsync(Done, None))!.Checkpoint!;
            carried.Rounds = 2;
            carried.Summaries.Add(OfRound(2));
            await store.SaveRoundCheckpointAsync(Done, carried, None);

            Assert.Equal([OfRound(0), OfRound(1), OfRound(2)], await store.ReadRoundSummariesAsync(Done, None));
            RoundJobRecord found = (await store.FindRoundJobAsync(Done, None))!;
            Assert.Equal((2u, 333UL), (found.Rounds, found.Bytes));
            Assert.Equal([0.5], found.Checkpoint!.Parameters);
            Assert.Empty(found.Checkpoint.Summaries);
        }
    }

    private static async Task MakeOldAsync(
        DbConnection connection, SqlDialect dialect, MigrationSet newest, string rows, int steps = 2, Func<DbConnection, Task>? fill = null)
    {
        await using (connection)
        {
            await connection.OpenAsync();
            (newest with { Steps = [.. newest.Steps.Take(steps)] }).Apply(connection, dialect, "old", 1);
            if (rows.Length > 0)
                await connection.ExecuteAsync(dialect.Schema(rows));
            if (fill is not null)
                await fill(connection);
        }
    }

    private static async Task CheckAsync(CoordinatorStore store)
    {
        await using (store)
        {
            JobRecord job = (await store.FindJobAsync(Done, None))!;
            Assert.Equal((JobKind.Train, "", null, 100L, JobState.Done), (job.Kind, job.Purpose, job.ClientToken, job.OfferedUnixMs, job.State));
            ModelRecord model = Assert.Single((await store.ListModelsAsync(10, null, null, None)).Models);
            Assert.Equal((Done, "old", ModelState.Active, ModelState.Active), (model.Job, model.Title, model.LabelState, model.FeatureState));
            Assert.Empty(await store.ReadAccessAsync(0, 10, None));
        }
    }

    private static async Task CheckAsync(PartyStore store)
    {
        await using (store)
        {
            Assert.Equal(100, (await store.FindJobAsync(Done, None))!.AcceptedUnixMs);
            Assert.Equal(0, (await store.FindJobAsync(Refused, None))!.AcceptedUnixMs);
            Assert.Equal(1, await store.CountJobsSinceAsync(0, None));
            StoredModel model = Assert.Single(await store.ListModelsAsync(10, null, None));
            Assert.Equal((Done, ModelState.Active, 200L), (model.Job, model.State, model.TrainedUnixMs));
            Assert.Equal("m"u8.ToArray(), model.Model);
            Assert.Equal("root"u8.ToArray(), model.TranscriptRoot);
        }
    }
}
