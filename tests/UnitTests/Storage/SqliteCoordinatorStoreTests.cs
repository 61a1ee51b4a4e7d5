using Dapper;
using Microsoft.Data.Sqlite;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sql;
using VertFed.Storage.Sqlite;
using Xunit;

namespace VertFed.UnitTests.Storage;

public sealed class SqliteCoordinatorStoreTests : CoordinatorStoreContract, IDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly TemporaryFolder _folder = new();

    private string File => _folder.File("store/coordinator.db");

    public void Dispose() => _folder.Dispose();

    protected override Task<ICoordinatorStore> OpenAsync() => Task.FromResult<ICoordinatorStore>(SqliteCoordinatorStore.Open(File));

    [Fact]
    public void Files_are_readable_by_their_owner_alone()
    {
        if (OperatingSystem.IsWindows())
            return;
        foreach (string file in Directory.GetFiles(Path.GetDirectoryName(File)!))
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(file));
        Assert.True(Directory.GetFiles(Path.GetDirectoryName(File)!).Length >= 3);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, System.IO.File.GetUnixFileMode(Path.GetDirectoryName(File)!));
    }

    [Fact]
    public void A_store_that_is_open_is_refused_to_others()
    {
        VertFedException exception = Assert.Throws<VertFedException>(() => SqliteCoordinatorStore.Open(File));
        Assert.Equal(ErrorCode.Storage, exception.Code);
        Assert.Contains("another process has it open", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_newer_schema_is_refused_with_both_versions()
    {
        await Store.DisposeAsync();
        await ExecuteAsync("INSERT INTO schema_version (component, version, applied_ms) VALUES ('coordinator', 7, 0)");
        VertFedException exception = Assert.Throws<VertFedException>(() => SqliteCoordinatorStore.Open(File));
        Assert.Equal(ErrorCode.Storage, exception.Code);
        Assert.Contains($"schema version 7 is newer than this software knows ({CoordinatorSchema.Migrations.Steps.Count})", exception.Message, StringComparison.Ordinal);
        await ExecuteAsync("DELETE FROM schema_version WHERE version = 7");
        await InitializeAsync();
    }

    [Fact]
    public void A_partys_store_is_refused() =>
        Assert.Contains(
            "the store of a coordinator, not of a party",
            AfterClosing(() => Assert.Throws<VertFedException>(() => SqlitePartyStore.Open(File, TestSecrets.Key()))).Message,
            StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_no_store_is_refused_and_left_alone()
    {
        string file = _folder.File("notes.txt");
        System.IO.File.WriteAllText(file, new string('x', 5000));
        Assert.Equal(ErrorCode.Storage, Assert.Throws<VertFedException>(() => SqliteCoordinatorStore.Open(file)).Code);
        Assert.Equal(new string('x', 5000), System.IO.File.ReadAllText(file));
    }

    [Fact]
    public async Task A_full_disk_is_a_typed_error_and_keeps_nothing_of_the_write()
    {
        await Store.DisposeAsync();
        await using (SqliteCoordinatorStore small = SqliteCoordinatorStore.Open(File, new SqliteOptions { MaxPages = 64 }))
        {
            await small.AddJobAsync(Job(1), None);
            await small.RecordAnswerAsync(Id(1), 1, Role.LabelParty, null, 1, None);
            await small.RecordAnswerAsync(Id(1), 1, Role.FeatureParty, null, 1, None);
            EnvelopeDeposit large = Deposit(1, Role.LabelParty, 0, new byte[32], new byte[300_000], new byte[300_000]);
            VertFedException exception = await Assert.ThrowsAsync<VertFedException>(() => small.DepositAsync(large, 1, None));
            Assert.Equal(ErrorCode.Storage, exception.Code);
            Assert.Contains("full", exception.Message, StringComparison.Ordinal);
            Assert.Equal(0, (await small.FindJobAsync(Id(1), None))!.Envelopes);
            Assert.Empty(await small.ReadEnvelopesAsync(Id(1), 1, Role.LabelParty, 0, 10, None));

            // A large write that fails takes no small one with it, though they may share a transaction.
            EnvelopeDeposit smallOne = Deposit(1, Role.FeatureParty, 0, new byte[32], [1]);
            Task<DepositResult> failing = small.DepositAsync(large, 1, None);
            Task<DepositResult> fitting = small.DepositAsync(smallOne, 1, None);
            await Assert.ThrowsAsync<VertFedException>(() => failing);
            Assert.Equal(DepositOutcome.Stored, (await fitting).Outcome);
        }

        await InitializeAsync();
        Assert.Equal(1, (await Store.FindJobAsync(Id(1), None))!.Envelopes);
        Assert.Equal(0, await ScalarAsync("SELECT COUNT(*) FROM payload_parts WHERE sender = 1"));
    }

    [Fact]
    public async Task A_probe_for_room_fails_where_there_is_none_and_takes_none_itself()
    {
        await Store.DisposeAsync();
        await using (SqliteCoordinatorStore small = SqliteCoordinatorStore.Open(File, new SqliteOptions { MaxPages = 100 }))
        {
            await small.ProbeAsync(0, 1, None);
            Assert.Contains("full", (await Assert.ThrowsAsync<VertFedException>(() => small.ProbeAsync(Limits.MaxChunkBytes, 1, None))).Message, StringComparison.Ordinal);
            for (int i = 0; i < 5; i++)
                await small.ProbeAsync(200_000, 1, None);
        }

        await InitializeAsync();
    }

    [Fact]
    public async Task A_commit_that_fails_keeps_nothing_and_the_next_one_works()
    {
        await Store.DisposeAsync();
        int failures = 1;
        await using (SqliteCoordinatorStore store = SqliteCoordinatorStore.Open(File, Failing(CommitStage.Before)))
        {
            Assert.Equal(ErrorCode.Storage, (await Assert.ThrowsAsync<VertFedException>(() => store.AddJobAsync(Job(1), None))).Code);
            Assert.Null(await store.FindJobAsync(Id(1), None));
            Assert.Equal(AddJobOutcome.Added, (await store.AddJobAsync(Job(1), None)).Outcome);
        }

        await InitializeAsync();

        SqliteOptions Failing(CommitStage where) => new()
        {
            CommitHook = stage =>
            {
                if (stage == where && failures-- > 0)
                    throw new IOException("injected");
            },
        };
    }

    [Fact]
    public async Task A_write_that_was_kept_but_reported_as_failed_can_be_repeated()
    {
        await RunningAsync(1);
        await Store.DisposeAsync();
        EnvelopeDeposit envelope = Deposit(1, Role.LabelParty, 0, new byte[32], [1, 2]);
        int failures = 1;
        var options = new SqliteOptions
        {
            CommitHook = stage =>
            {
                if (stage == CommitStage.After && failures-- > 0)
                    throw new IOException("injected");
            },
        };
        await using (SqliteCoordinatorStore store = SqliteCoordinatorStore.Open(File, options))
        {
            await Assert.ThrowsAsync<VertFedException>(() => store.DepositAsync(envelope, 1, None));
            Assert.Equal(DepositOutcome.Duplicate, (await store.DepositAsync(envelope, 1, None)).Outcome);
            Assert.Equal(1, (await store.FindJobAsync(Id(1), None))!.Envelopes);
        }

        await InitializeAsync();
    }

    [Fact]
    public async Task A_closed_store_says_so()
    {
        await Store.DisposeAsync();
        Assert.Contains("closed", (await Assert.ThrowsAsync<VertFedException>(() => Store.AddJobAsync(Job(1), None))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Store.FindJobAsync(Id(1), None));
    }

    private T AfterClosing<T>(Func<T> action)
    {
        Task.Run(() => Store.DisposeAsync().AsTask()).GetAwaiter().GetResult();
        return action();
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = new SqliteConnection($"Data Source={File};Pooling=False");
        await connection.ExecuteAsync(sql);
    }

    private async Task<long> ScalarAsync(string sql)
    {
        await using var connection = new SqliteConnection($"Data Source={File};Pooling=False");
        return await connection.ExecuteScalarAsync<long>(sql);
    }
}
