using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Postgres;
using VertFed.Storage.Sql;
using Xunit;

namespace VertFed.UnitTests.Storage;

public sealed class PostgresTranscriptStoreTests : TranscriptStoreContract
{
    private PostgresPlace? _place;

    protected override async Task<ICoordinatorStore> OpenAsync() => PostgresCoordinatorStore.Open((_place ??= await PostgresPlace.MakeAsync()).Address);
}

public sealed class PostgresPartyStoreTests : PartyStoreContract
{
    private PostgresPlace? _place;

    protected override async Task<IPartyStore> OpenAsync() =>
        PostgresPartyStore.Open((_place ??= await PostgresPlace.MakeAsync()).Address, TestSecrets.Key());

    [SkippableFact]
    public async Task Another_key_is_refused_and_seeds_lie_sealed()
    {
        await Store.SaveAttemptAsync(Attempt(), CancellationToken.None);
        await Store.DisposeAsync();
        VertFedException exception = Assert.Throws<VertFedException>(() => PostgresPartyStore.Open(_place!.Address, TestSecrets.Key(1)));
        Assert.Contains("not the one that sealed", exception.Message, StringComparison.Ordinal);
        byte[] kept = await _place!.ScalarAsync<byte[]>("SELECT sealed_seed FROM attempts");
        Assert.DoesNotContain(Convert.ToHexString(Attempt().RootSeed), Convert.ToHexString(kept), StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_store_is_read_while_it_is_open_elsewhere_and_not_written()
    {
        await Store.AddJobAsync(NewJob(Job), CancellationToken.None);
        await using PostgresPartyStore reader = PostgresPartyStore.OpenReadOnly(_place!.Address, TestSecrets.Key());
        Assert.Equal(Job, (await reader.FindJobAsync(Job, CancellationToken.None))!.Job);
        await Assert.ThrowsAsync<VertFedException>(() => reader.AddJobAsync(NewJob(new string('e', 32)), CancellationToken.None));
        Assert.Contains("no such store", Assert.Throws<VertFedException>(() => PostgresPartyStore.OpenReadOnly(
            PostgresPlace.Parse(_place.Server.ConnectionString("nowhere")), TestSecrets.Key())).Message, StringComparison.Ordinal);
    }
}

public sealed class PostgresCoordinatorStoreTests : CoordinatorStoreContract
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly PostgresOptions Impatient = new() { LockWait = TimeSpan.FromMilliseconds(50), ReconnectFor = TimeSpan.FromMilliseconds(300) };
    private PostgresPlace? _place;

    protected override async Task<ICoordinatorStore> OpenAsync() => PostgresCoordinatorStore.Open((_place ??= await PostgresPlace.MakeAsync()).Address);

    [SkippableFact]
    public void A_store_that_is_open_is_refused_to_others()
    {
        VertFedException exception = Assert.Throws<VertFedException>(() => PostgresCoordinatorStore.Open(_place!.Address, Impatient));
        Assert.Equal(ErrorCode.Storage, exception.Code);
        Assert.Contains("another process has it open", exception.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_newer_schema_is_refused_with_both_versions()
    {
        await Store.DisposeAsync();
        await _place!.ExecuteAsync("INSERT INTO schema_version (component, version, applied_ms) VALUES ('coordinator', 7, 0)");
        VertFedException exception = Assert.Throws<VertFedException>(() => PostgresCoordinatorStore.Open(_place.Address));
        Assert.Equal(ErrorCode.Storage, exception.Code);
        Assert.Contains($"schema version 7 is newer than this software knows ({CoordinatorSchema.Migrations.Steps.Count})", exception.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_partys_store_is_refused()
    {
        await Store.DisposeAsync();
        VertFedException exception = Assert.Throws<VertFedException>(() => PostgresPartyStore.Open(_place!.Address, TestSecrets.Key()));
        Assert.Contains("the store of a coordinator, not of a party", exception.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_full_disk_is_a_typed_error_and_keeps_nothing_of_the_write()
    {
        await RunningAsync(1);
        // The server's own error, for what is large: a disk of the test's own cannot be filled without privileges.
        await _place!.ExecuteAsync("""
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
            CREATE TRIGGER full_disk BEFORE INSERT ON payload_parts FOR EACH ROW WHEN (length(NEW.data) > 1000) EXECUTE FUNCTION full_disk()
            """);
        EnvelopeDeposit large = Deposit(1, Role.LabelParty, 0, new byte[32], [1], new byte[2000]);
        Task<DepositResult> failing = Store.DepositAsync(large, 1, None);
        Task<DepositResult> fitting = Store.DepositAsync(Deposit(1, Role.FeatureParty, 0, new byte[32], [1]), 1, None);
        VertFedException exception = await Assert.ThrowsAsync<VertFedException>(() => failing);
        Assert.Equal(ErrorCode.Storage, exception.Code);
        Assert.Contains("disk is full", exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("extend file", exception.Message, StringComparison.Ordinal);
        Assert.Equal(DepositOutcome.Stored, (await fitting).Outcome);
        Assert.Empty(await Store.ReadEnvelopesAsync(Id(1), 1, Role.LabelParty, 0, 10, None));
        Assert.Equal(0, await _place.ScalarAsync<long>("SELECT COUNT(*) FROM payload_parts WHERE sender = 1"));
    }

    [SkippableFact]
    public async Task A_commit_that_fails_keeps_nothing_and_the_next_one_works()
    {
        await Store.DisposeAsync();
        int failures = 1;
        await using PostgresCoordinatorStore store = PostgresCoordinatorStore.Open(_place!.Address, FailingAt(CommitStage.Before, () => failures-- > 0));
        Assert.Equal(ErrorCode.Storage, (await Assert.ThrowsAsync<VertFedException>(() => store.AddJobAsync(Job(1), None))).Code);
        Assert.Null(await store.FindJobAsync(Id(1), None));
        Assert.Equal(AddJobOutcome.Added, (await store.AddJobAsync(Job(1), None)).Outcome);
    }

    [SkippableFact]
    public async Task A_write_that_was_kept_but_reported_as_failed_can_be_repeated()
    {
        await Store.DisposeAsync();
        int failures = 1;
        await using PostgresCoordinatorStore store = PostgresCoordinatorStore.Open(_place!.Address, FailingAt(CommitStage.After, () => failures-- > 0));
        await Assert.ThrowsAsync<VertFedException>(() => store.AddJobAsync(Job(1), None));
        Assert.Equal(AddJobOutcome.Same, (await store.AddJobAsync(Job(1), None)).Outcome);
    }

    [SkippableFact]
    public async Task A_lost_connection_is_made_again_with_its_lock_and_no_write_is_lost_or_doubled()
    {
        await RunningAsync(1);
        await _place!.EndWriterAsync();
        Assert.Equal(DepositOutcome.Stored, (await Store.DepositAsync(Deposit(1, Role.LabelParty, 0, new byte[32], [1]), 1, None)).Outcome);
        Assert.Equal(1, (await Store.FindJobAsync(Id(1), None))!.Envelopes);
        Assert.Throws<VertFedException>(() => PostgresCoordinatorStore.Open(_place.Address, Impatient));
    }

    [SkippableFact]
    public async Task A_connection_that_is_lost_before_the_commit_costs_nothing_but_time()
    {
        await Store.DisposeAsync();
        int cuts = 1;
        var options = new PostgresOptions
        {
            CommitHook = stage =>
            {
                // The writer's own thread, which waits for nothing else.
                if (stage == CommitStage.Before && cuts-- > 0)
                    _place!.EndWriterAsync().GetAwaiter().GetResult();
            },
        };
        await using PostgresCoordinatorStore store = PostgresCoordinatorStore.Open(_place!.Address, options);
        Assert.Equal(AddJobOutcome.Added, (await store.AddJobAsync(Job(1), None)).Outcome);
        Assert.True(cuts < 0);
        Assert.Single((await store.ListJobsAsync(10, null, null, None)).Jobs);
    }

    [SkippableFact]
    public async Task A_process_that_was_replaced_while_its_connection_was_lost_writes_no_more()
    {
        await Store.DisposeAsync();
        await using PostgresCoordinatorStore first = PostgresCoordinatorStore.Open(_place!.Address, Impatient);
        await first.AddJobAsync(Job(1), None);
        await _place.EndWriterAsync();
        await using (PostgresCoordinatorStore second = PostgresCoordinatorStore.Open(_place.Address))
        {
            Assert.Contains("another process has it open", (await Assert.ThrowsAsync<VertFedException>(() => first.AddJobAsync(Job(2), None))).Message, StringComparison.Ordinal);
            await second.AddJobAsync(Job(3), None);
        }

        for (int i = 0; i < 2; i++)
            Assert.Contains("writes no more", (await Assert.ThrowsAsync<VertFedException>(() => first.AddJobAsync(Job(4), None))).Message, StringComparison.Ordinal);
        Assert.Equal([Id(3), Id(1)], (await first.ListJobsAsync(10, null, null, None)).Jobs.Select(job => job.Job));
    }

    [SkippableFact]
    public async Task A_text_of_another_character_set_comes_back_as_it_was()
    {
        await Store.AddJobAsync(Job(1) with { Title = "Überprüfung 評価 😀" }, None);
        Assert.Equal("Überprüfung 評価 😀", (await Store.FindJobAsync(Id(1), None))!.Title);
    }

    private static PostgresOptions FailingAt(CommitStage where, Func<bool> fails) => new()
    {
        CommitHook = stage =>
        {
            if (stage == where && fails())
                throw new IOException("injected");
        },
    };
}
