using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using Xunit;

namespace VertFed.UnitTests.Storage;

/// <summary>What every <see cref="IPartyStore"/> must do.</summary>
public abstract partial class PartyStoreContract : IAsyncLifetime
{
    protected const string Job = "00000000000000000000000000000001";
    private static readonly CancellationToken None = CancellationToken.None;

    protected IPartyStore Store { get; private set; } = null!;

    public async Task InitializeAsync() => Store = await OpenAsync();

    public async Task DisposeAsync() => await Store.DisposeAsync();

    protected abstract Task<IPartyStore> OpenAsync();

    [SkippableFact]
    public async Task An_attempt_is_saved_once_and_loaded_as_it_was()
    {
        Assert.Null(await Store.LoadAttemptAsync(Job, 1, None));
        AttemptRecord attempt = Attempt();
        await Store.SaveAttemptAsync(attempt, None);
        AttemptRecord loaded = (await Store.LoadAttemptAsync(Job, 1, None))!;
        Assert.Equal(attempt.RootSeed, loaded.RootSeed);
        Assert.Equal(attempt.SpecHash, loaded.SpecHash);
        Assert.Equal(attempt.PolicyHash, loaded.PolicyHash);
        Assert.Equal(attempt.DataRoot, loaded.DataRoot);
        Assert.Equal(attempt.SoftwareVersion, loaded.SoftwareVersion);
        VertFedException exception = await Assert.ThrowsAsync<VertFedException>(
            async () => await Store.SaveAttemptAsync(attempt with { RootSeed = new byte[32] }, None));
        Assert.Equal(ErrorCode.Diverges, exception.Code);
        Assert.Equal(attempt.RootSeed, (await Store.LoadAttemptAsync(Job, 1, None))!.RootSeed);
    }

    [SkippableFact]
    public async Task Pruning_forgets_envelopes_and_seeds_of_jobs_that_ended_before_and_nothing_else()
    {
        foreach ((string job, long ended) in new[] { (Job, 1_000L), ("00000000000000000000000000000002", 2_000L), ("00000000000000000000000000000003", 0L) })
        {
            await Store.AddJobAsync(
                new PartyJob { Job = job, Attempt = 1, Role = Role.LabelParty, SignedSpec = [1], State = JobState.Running, ReceivedUnixMs = 1 }, None);
            await Store.SaveAttemptAsync(Attempt() with { Job = job }, None);
            await Store.AppendOutboundAsync(job, 1, 0, Envelope(1, 10), None);
            if (ended > 0)
                await Store.SaveResultAsync(job, 1, new PartyResult(JobState.Done, null, [1], [2], [], [3], ended), None);
        }

        Assert.Equal(0, await Store.PruneAsync(1_000, None));
        Assert.Equal(1, await Store.PruneAsync(2_000, None));
        Assert.Equal(0, await Store.PruneAsync(2_000, None));

        Assert.Null(await Store.LoadAttemptAsync(Job, 1, None));
        Assert.Null(await Store.ReadOutboundAsync(Job, 1, 0, None));
        Assert.Equal(new byte[] { 2 }, (await Store.ReadResultAsync(Job, 1, None))!.Model);
        Assert.Equal(JobState.Done, (await Store.FindJobAsync(Job, None))!.State);
        foreach (string kept in new[] { "00000000000000000000000000000002", "00000000000000000000000000000003" })
        {
            Assert.NotNull(await Store.LoadAttemptAsync(kept, 1, None));
            Assert.NotNull(await Store.ReadOutboundAsync(kept, 1, 0, None));
        }
    }

    [SkippableFact]
    public async Task Envelopes_come_back_byte_for_byte_in_both_directions_also_after_a_reopen()
    {
        await Store.SaveAttemptAsync(Attempt(), None);
        Envelope small = Envelope(1, 10), large = Envelope(2, 3_000_000), inbound = Envelope(3, 0);
        await Store.AppendOutboundAsync(Job, 1, 0, small, None);
        await Store.AppendOutboundAsync(Job, 1, 1, large, None);
        await Store.AppendInboundAsync(Job, 1, 0, inbound, None);
        await Store.DisposeAsync();
        await InitializeAsync();
        Assert.Equal(small, await Store.ReadOutboundAsync(Job, 1, 0, None));
        Assert.Equal(large, await Store.ReadOutboundAsync(Job, 1, 1, None));
        Assert.Equal(inbound, await Store.ReadInboundAsync(Job, 1, 0, None));
        Assert.Null(await Store.ReadOutboundAsync(Job, 1, 2, None));
        Assert.Null(await Store.ReadInboundAsync(Job, 2, 0, None));
        await Store.AppendOutboundAsync(Job, 1, 2, small, None);
    }

    [SkippableFact]
    public async Task The_journal_has_no_gaps_and_is_never_rewritten()
    {
        await Store.SaveAttemptAsync(Attempt(), None);
        await Store.AppendOutboundAsync(Job, 1, 0, Envelope(1, 10), None);
        await Store.AppendOutboundAsync(Job, 1, 0, Envelope(1, 10), None);
        Assert.Equal(ErrorCode.Diverges, await CodeOf(Store.AppendOutboundAsync(Job, 1, 0, Envelope(2, 10), None)));
        Assert.Equal(ErrorCode.Internal, await CodeOf(Store.AppendOutboundAsync(Job, 1, 2, Envelope(2, 10), None)));
        Assert.Equal(ErrorCode.Internal, await CodeOf(Store.AppendInboundAsync(Job, 7, 0, Envelope(2, 10), None)));
        Assert.Equal(Envelope(1, 10), await Store.ReadOutboundAsync(Job, 1, 0, None));
        Assert.Null(await Store.ReadOutboundAsync(Job, 1, 1, None));
    }

    [SkippableFact]
    public async Task A_job_keeps_its_first_form_and_moves_to_its_end_once()
    {
        PartyJob job = await Store.AddJobAsync(NewJob(Job), None);
        Assert.Equal(1, job.Ordinal);
        PartyJob again = await Store.AddJobAsync(NewJob(Job) with { SignedSpec = [9] }, None);
        Assert.Equal(NewJob(Job).SignedSpec, again.SignedSpec);
        Assert.Equal(JobState.Running, (await Store.SetStateAsync(Job, JobState.Running, null, 5, None))!.State);
        var error = new JobError { Code = "Cancelled", Party = "bank", Message = "stopped" };
        PartyJob ended = (await Store.SetStateAsync(Job, JobState.Cancelled, error, 6, None))!;
        Assert.Equal((JobState.Cancelled, 6L), (ended.State, ended.EndedUnixMs));
        Assert.Equal(error, ended.Error);
        Assert.Equal(JobState.Cancelled, (await Store.SetStateAsync(Job, JobState.Running, null, 7, None))!.State);
        Assert.Null(await Store.SetStateAsync(new string('f', 32), JobState.Running, null, 7, None));
    }

    [SkippableFact]
    public async Task Jobs_are_listed_newest_first()
    {
        for (int i = 0; i < 5; i++)
            await Store.AddJobAsync(NewJob(i.ToString("x32", System.Globalization.CultureInfo.InvariantCulture)), None);
        IReadOnlyList<PartyJob> first = await Store.ListJobsAsync(3, null, None);
        IReadOnlyList<PartyJob> rest = await Store.ListJobsAsync(3, first[^1].Ordinal, None);
        Assert.Equal([5L, 4, 3, 2, 1], first.Concat(rest).Select(job => job.Ordinal));
    }

    [SkippableFact]
    public async Task A_result_is_kept_whole_and_once()
    {
        await Store.AddJobAsync(NewJob(Job), None);
        var result = new PartyResult(
            JobState.Done, null, [1, 2], [3], [new Disclosure("bank", "gradient block", 30, "GradientResponse"), new Disclosure("retailer", "row count", 1, "TrainSetup")], [4], 50);
        PartyJob ended = (await Store.SaveResultAsync(Job, 1, result, None))!;
        Assert.Equal((JobState.Done, 50L), (ended.State, ended.EndedUnixMs));
        await Store.SaveResultAsync(Job, 1, result with { Report = [9], State = JobState.Failed }, None);
        PartyResult read = (await Store.ReadResultAsync(Job, 1, None))!;
        Assert.Equal(result.Report, read.Report);
        Assert.Equal(result.Model, read.Model);
        Assert.Equal(result.Outcome, read.Outcome);
        Assert.Equal(result.Ledger, read.Ledger);
        Assert.Equal((JobState.Done, 50L), (read.State, read.EndedUnixMs));
        Assert.Null(await Store.ReadResultAsync(Job, 2, None));
        Assert.Null(await Store.SaveResultAsync(new string('f', 32), 1, result, None));
    }

    [SkippableFact]
    public async Task The_journals_entries_are_read_without_their_payloads_and_page_by_page()
    {
        await Store.SaveAttemptAsync(Attempt(), None);
        for (byte i = 0; i < 5; i++)
            await Store.AppendOutboundAsync(Job, 1, i, Envelope(i, 1000), None);
        await Store.AppendInboundAsync(Job, 1, 0, Envelope(9, 10), None);
        IReadOnlyList<JournalEntry> first = await Store.ReadEntriesAsync(Job, 1, inbound: false, 0, 3, None);
        IReadOnlyList<JournalEntry> rest = await Store.ReadEntriesAsync(Job, 1, inbound: false, 3, 3, None);
        Assert.Equal([0, 1, 2, 3, 4], first.Concat(rest).Select(entry => (int)entry.Sequence));
        Assert.Equal(Envelope(4, 1).Core.ToByteArray(), rest[1].Core);
        Assert.Equal(Envelope(4, 1).Attestation.ToByteArray(), rest[1].Attestation);
        Assert.True(Assert.Single(await Store.ReadEntriesAsync(Job, 1, inbound: true, 0, 3, None)).IsInbound);
        Assert.Empty(await Store.ReadEntriesAsync(Job, 2, inbound: true, 0, 3, None));
    }

    [SkippableFact]
    public async Task A_co_signed_checkpoint_is_kept_and_never_replaced()
    {
        CoSignedCheckpoint session = Checkpoint(Phase.Session), align = Checkpoint(Phase.Align);
        await Store.SaveCheckpointAsync(align, None);
        await Store.SaveCheckpointAsync(session, None);
        await Store.SaveCheckpointAsync(session, None);
        VertFedException exception = await Assert.ThrowsAsync<VertFedException>(
            () => Store.SaveCheckpointAsync(session with { CoSignature = [1] }, None));
        Assert.Equal(ErrorCode.Diverges, exception.Code);
        await Store.DisposeAsync();
        await InitializeAsync();
        IReadOnlyList<CoSignedCheckpoint> kept = await Store.ReadCheckpointsAsync(Job, 1, None);
        Assert.Equal([Phase.Session, Phase.Align], kept.Select(checkpoint => checkpoint.Phase));
        Assert.Equal((session.TreeSize, session.RecordedUnixMs), (kept[0].TreeSize, kept[0].RecordedUnixMs));
        Assert.Equal([session.RootHash, session.Note, session.CoSignature], [kept[0].RootHash, kept[0].Note, kept[0].CoSignature]);
        Assert.Empty(await Store.ReadCheckpointsAsync(Job, 2, None));
    }

    protected static CoSignedCheckpoint Checkpoint(Phase phase) => new(Job, 1, phase, 6, [1, (byte)phase], [2], [3, (byte)phase], 44);

    protected static AttemptRecord Attempt() => new(
        Job, 1, [.. Enumerable.Range(0, 32).Select(i => (byte)i)], [.. Enumerable.Repeat((byte)1, 32)], [.. Enumerable.Repeat((byte)2, 32)],
        [.. Enumerable.Repeat((byte)3, 32)], "0.1.0+test");

    protected static PartyJob NewJob(string job) => new()
    {
        Job = job, Attempt = 1, Role = Role.LabelParty, SignedSpec = [1, 2, 3], State = JobState.Offered, ReceivedUnixMs = 4,
    };

    protected static Envelope Envelope(byte fill, int size) => new()
    {
        Core = ByteString.CopyFrom(fill, 1, 2),
        Attestation = ByteString.CopyFrom(fill, 3),
        Payload = ByteString.CopyFrom([.. Enumerable.Range(0, size).Select(i => (byte)(i * 31 + fill))]),
    };

    private static async Task<ErrorCode> CodeOf(ValueTask task) => (await Assert.ThrowsAsync<VertFedException>(async () => await task)).Code;
}

public sealed class SqlitePartyStoreTests : PartyStoreContract, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    protected override Task<IPartyStore> OpenAsync() => Task.FromResult<IPartyStore>(SqlitePartyStore.Open(_folder.File("party.db"), TestSecrets.Key()));

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_journal_that_cannot_grow_fails_typed_and_keeps_the_record_whole()
    {
        await Store.DisposeAsync();
        await using (SqlitePartyStore small = SqlitePartyStore.Open(_folder.File("small.db"), TestSecrets.Key(), new SqliteOptions { MaxPages = 48 }))
        {
            await small.SaveAttemptAsync(Attempt(), CancellationToken.None);
            await small.AppendOutboundAsync(Job, 1, 0, Envelope(1, 1000), CancellationToken.None);
            VertFedException exception = await Assert.ThrowsAsync<VertFedException>(
                async () => await small.AppendOutboundAsync(Job, 1, 1, Envelope(2, 2_000_000), CancellationToken.None));
            Assert.Equal(ErrorCode.Storage, exception.Code);
            Assert.Null(await small.ReadOutboundAsync(Job, 1, 1, CancellationToken.None));
            await small.AppendOutboundAsync(Job, 1, 1, Envelope(3, 1000), CancellationToken.None);
        }

        await using SqlitePartyStore reopened = SqlitePartyStore.Open(_folder.File("small.db"), TestSecrets.Key());
        Assert.Equal(Envelope(3, 1000), await reopened.ReadOutboundAsync(Job, 1, 1, CancellationToken.None));
    }
}
