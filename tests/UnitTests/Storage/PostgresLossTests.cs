using Npgsql;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Postgres;
using VertFed.Testing;
using Xunit;

namespace VertFed.UnitTests.Storage;

/// <summary>A server or a connection that goes away, and servers that are not relied on.</summary>
public sealed class PostgresLossTests
{
    private const string Id = "00000000000000000000000000000001";
    private static readonly CancellationToken None = CancellationToken.None;

    [SkippableFact]
    public async Task A_commit_whose_answer_was_lost_is_found_to_be_kept()
    {
        PostgresServer server = await PostgresServer.GetAsync();
        using CuttingProxy proxy = new(server.Folder);
        await using PostgresCoordinatorStore store = PostgresCoordinatorStore.Open(Through(proxy, server));
        proxy.CutNextCommit(forGood: false);
        // Added, not Same: the store asked what became of its transaction, and did not run it again.
        Assert.Equal(AddJobOutcome.Added, (await store.AddJobAsync(Job(), None)).Outcome);
        Assert.Equal(1, proxy.Cuts);
        Assert.Equal(AddJobOutcome.Same, (await store.AddJobAsync(Job(), None)).Outcome);
    }

    [SkippableFact]
    public async Task A_commit_whose_fate_cannot_be_learnt_is_reported_as_unknown()
    {
        PostgresServer server = await PostgresServer.GetAsync();
        using CuttingProxy proxy = new(server.Folder);
        PostgresAddress address = Through(proxy, server);
        await using (PostgresCoordinatorStore store = PostgresCoordinatorStore.Open(address, new PostgresOptions { ReconnectFor = TimeSpan.FromMilliseconds(100) }))
        {
            proxy.CutNextCommit(forGood: true);
            VertFedException exception = await Assert.ThrowsAsync<VertFedException>(() => store.AddJobAsync(Job(), None));
            Assert.Equal(ErrorCode.Storage, exception.Code);
            Assert.True(exception.Message.Contains("whether it was kept is unknown", StringComparison.Ordinal), exception.ToString());
            Assert.Contains("cannot be reached", (await Assert.ThrowsAsync<VertFedException>(() => store.AddJobAsync(Job(), None))).Message, StringComparison.Ordinal);
        }

        await using PostgresCoordinatorStore direct = PostgresCoordinatorStore.Open(PostgresPlace.Parse(server.ConnectionString(address.Schema)));
        Assert.Equal(AddJobOutcome.Same, (await direct.AddJobAsync(Job(), None)).Outcome);
    }

    [SkippableFact]
    public async Task Reads_and_writes_wait_for_a_server_that_starts_again_and_a_server_without_fsync_is_refused()
    {
        await using PostgresServer server = await PostgresServer.StartAsync();
        PostgresAddress address = PostgresPlace.Parse(server.ConnectionString("kept"));
        await using (PostgresCoordinatorStore store = PostgresCoordinatorStore.Open(address))
        {
            await store.AddJobAsync(Job(), None);
            await server.StopAsync();
            Task<JobRecord?> write = store.OfferJobAsync(Id, 9, None);
            Task<JobRecord?> read = store.FindJobAsync(Id, None);
            await server.StartAgainAsync();
            Assert.Equal(JobState.Offered, (await write)!.State);
            Assert.NotNull(await read);
        }

        await server.ExecuteAsync("ALTER SYSTEM SET fsync = off");
        await server.RestartAsync();
        VertFedException exception = Assert.Throws<VertFedException>(() => PostgresCoordinatorStore.Open(address));
        Assert.Contains("fsync off", exception.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_store_can_be_closed_while_its_server_is_away()
    {
        await using PostgresServer server = await PostgresServer.StartAsync();
        PostgresCoordinatorStore store = PostgresCoordinatorStore.Open(PostgresPlace.Parse(server.ConnectionString("closed")));
        await store.AddJobAsync(Job(), None);
        await server.StopAsync();
        Task<JobRecord?> write = store.OfferJobAsync(Id, 9, None);
        await store.DisposeAsync();
        Assert.Equal(ErrorCode.Storage, (await Assert.ThrowsAsync<VertFedException>(() => write)).Code);
    }

    [SkippableFact]
    public async Task A_password_comes_from_a_file_of_its_owner_and_is_in_no_error()
    {
        const string Password = PostgresServer.GuardedPassword;
        PostgresServer server = await PostgresServer.GetAsync();
        string schema = PostgresServer.NewSchema();
        await server.ExecuteAsync($"CREATE SCHEMA {schema} AUTHORIZATION {PostgresServer.GuardedUser}");
        using TemporaryFolder folder = new();
        string passfile = folder.File("pgpass");
        await File.WriteAllTextAsync(passfile, $"*:*:*:{PostgresServer.GuardedUser}:{Password}\n");
        string address = new NpgsqlConnectionStringBuilder(server.ConnectionString(schema, user: PostgresServer.GuardedUser)) { Passfile = passfile }.ToString();

        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(passfile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        Assert.Null(PostgresAddress.Parse(address, "other", out string? fault));
        Assert.Contains("others than its owner may read", fault, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(passfile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await using (PostgresCoordinatorStore store = PostgresCoordinatorStore.Open(PostgresPlace.Parse(address)))
            Assert.Equal(AddJobOutcome.Added, (await store.AddJobAsync(Job(), None)).Outcome);

        string wrong = new NpgsqlConnectionStringBuilder(server.ConnectionString(schema, user: PostgresServer.GuardedUser)) { Password = Password + "!" }.ToString();
        VertFedException exception = Assert.Throws<VertFedException>(() => PostgresCoordinatorStore.Open(PostgresPlace.Parse(wrong)));
        Assert.Contains("refuses the user or its password", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Password, exception.ToString(), StringComparison.Ordinal);
    }

    private static PostgresAddress Through(CuttingProxy proxy, PostgresServer server) =>
        PostgresPlace.Parse(new NpgsqlConnectionStringBuilder(server.ConnectionString(PostgresServer.NewSchema())) { Host = proxy.Folder }.ToString());

    private static NewJob Job() => new(Id, [1], [2], new string('a', 64), "job", "bank", "retailer", 60, 1, Payloads.Full) { Queued = true };
}
