using System.Security.Cryptography;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using Xunit;

namespace VertFed.UnitTests.Storage;

/// <summary>What every <see cref="ITranscriptStore"/> must do.</summary>
public abstract class TranscriptStoreContract : IAsyncLifetime
{
    private const string Job = "00000000000000000000000000000001";
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly JobError Refusal = new() { Code = "ProtocolViolation", Party = "coordinator", Step = "JobClose", Message = "another tree" };

    protected ICoordinatorStore Store { get; private set; } = null!;

    public async Task InitializeAsync() => Store = await OpenAsync();

    public async Task DisposeAsync() => await Store.DisposeAsync();

    /// <summary>Opens the store of this test; the second call opens the same one again.</summary>
    protected abstract Task<ICoordinatorStore> OpenAsync();

    [SkippableFact]
    public async Task Entries_come_in_canonical_order_whatever_the_order_of_arrival()
    {
        await RunningAsync();
        Depositor label = new(Store, Role.LabelParty), feature = new(Store, Role.FeatureParty);
        await feature.DepositAsync(Step.KeyExchange, 0);
        await feature.DepositAsync(Step.TrainSetup, 0);
        await label.DepositAsync(Step.KeyExchange, 0);
        await label.DepositAsync(Step.ResidualShare, 1);
        await label.DepositAsync(Step.ResidualShare, 2);
        await feature.DepositAsync(Step.ResidualShare, 1);
        await label.DepositAsync(Step.LossResponse, 0);
        await label.DepositAsync(Step.JobClose, 0);

        EntryPlace[] expected =
        [
            new(Phase.Session, 0, Step.KeyExchange, Role.LabelParty, 0), new(Phase.Session, 0, Step.KeyExchange, Role.FeatureParty, 0),
            new(Phase.Train, 0, Step.TrainSetup, Role.FeatureParty, 1), new(Phase.Train, 0, Step.LossResponse, Role.LabelParty, 3),
            new(Phase.Train, 1, Step.ResidualShare, Role.LabelParty, 1), new(Phase.Train, 1, Step.ResidualShare, Role.FeatureParty, 2),
            new(Phase.Train, 2, Step.ResidualShare, Role.LabelParty, 2), new(Phase.Close, 0, Step.JobClose, Role.LabelParty, 4),
        ];
        Assert.Equal(expected, await PlacesAsync(Phase.Close, page: 100));
        Assert.Equal(expected, await PlacesAsync(Phase.Close, page: 3));
        Assert.Equal(expected[..7], await PlacesAsync(Phase.Train, page: 2));
        Assert.Equal(new[] { 8L, 7L, 2L, 0L }, new[] { await CountAsync(Phase.Close), await CountAsync(Phase.Evaluate), await CountAsync(Phase.Align), await CountAsync(Phase.Unspecified) });
        Assert.Equal(expected[3], EntryPlace.Of((await Store.FindEntryAsync(Job, 1, 3, None))!));
        Assert.Null(await Store.FindEntryAsync(Job, 1, 8, None));
        Assert.Empty(await Store.ReadEntriesAsync(Job, 2, Phase.Close, null, 10, None));

        Task<long> CountAsync(Phase last) => Store.CountEntriesAsync(Job, 1, last, None);
    }

    [SkippableFact]
    public async Task The_first_checkpoint_of_a_phase_and_the_first_word_on_it_stay()
    {
        await RunningAsync();
        NewCheckpoint session = Checkpoint(Phase.Session), close = Checkpoint(Phase.Close);
        await Store.AddCheckpointAsync(close, None);
        StoredCheckpoint kept = await Store.AddCheckpointAsync(session, None);
        Assert.Null(kept.Label);
        Assert.Equal(session.Note, (await Store.AddCheckpointAsync(session with { Note = [9] }, None)).Checkpoint.Note);

        (StoredCheckpoint answered, JobRecord job) = (await Store.AnswerCheckpointAsync(Job, 1, Phase.Session, Role.LabelParty, new([7], null), 5, None))!.Value;
        Assert.Equal([7], answered.Label!.CoSignature);
        Assert.Null(answered.Feature);
        Assert.False(job.LabelCoSigned);
        answered = (await Store.AnswerCheckpointAsync(Job, 1, Phase.Session, Role.LabelParty, new(null, Refusal), 6, None))!.Value.Checkpoint;
        Assert.Equal([7], answered.Label!.CoSignature);
        Assert.Null(answered.Label.Refusal);
        await Store.AnswerCheckpointAsync(Job, 1, Phase.Session, Role.FeatureParty, new(null, Refusal), 6, None);
        Assert.Null(await Store.AnswerCheckpointAsync(Job, 1, Phase.Train, Role.FeatureParty, new(null, Refusal), 6, None));

        await Store.DisposeAsync();
        await InitializeAsync();
        IReadOnlyList<StoredCheckpoint> all = await Store.ReadCheckpointsAsync(Job, 1, None);
        Assert.Equal([Phase.Session, Phase.Close], all.Select(checkpoint => checkpoint.Checkpoint.Phase));
        Assert.Equal(Refusal, all[0].Feature!.Refusal);
        Assert.Null(all[0].Feature!.CoSignature);
        Assert.Equal((session.TreeSize, session.CreatedUnixMs), (all[0].Checkpoint.TreeSize, all[0].Checkpoint.CreatedUnixMs));
        Assert.Equal(session.ConsistencyProof, all[0].Checkpoint.ConsistencyProof);
    }

    [SkippableFact]
    public async Task A_job_is_co_signed_by_whom_the_closing_checkpoint_is()
    {
        await RunningAsync();
        await Store.AddCheckpointAsync(Checkpoint(Phase.Close), None);
        await Store.AnswerCheckpointAsync(Job, 1, Phase.Close, Role.LabelParty, new(null, Refusal), 5, None);
        JobRecord job = (await Store.AnswerCheckpointAsync(Job, 1, Phase.Close, Role.FeatureParty, new([7], null), 5, None))!.Value.Job;
        Assert.Equal((false, true), (job.IsCoSignedBy(Role.LabelParty), job.IsCoSignedBy(Role.FeatureParty)));
        Assert.True((await Store.FindJobAsync(Job, None))!.FeatureCoSigned);
    }

    [SkippableFact]
    public async Task Unanswered_and_unclosed_jobs_are_listed_until_they_are_answered_or_old()
    {
        await RunningAsync();
        Assert.Equal([Job], await Store.ListUnclosedAsync(0, None));
        Assert.Empty(await Store.ListUnansweredAsync("bank", 0, None));
        await Store.AddCheckpointAsync(Checkpoint(Phase.Close), None);
        Assert.Empty(await Store.ListUnclosedAsync(0, None));
        Assert.Equal([Job], await Store.ListUnansweredAsync("bank", 0, None));
        Assert.Equal([Job], await Store.ListUnansweredAsync("retailer", 0, None));
        Assert.Empty(await Store.ListUnansweredAsync("insurer", 0, None));
        await Store.AnswerCheckpointAsync(Job, 1, Phase.Close, Role.LabelParty, new(null, Refusal), 5, None);
        Assert.Empty(await Store.ListUnansweredAsync("bank", 0, None));
        await Store.EndJobAsync(Job, JobState.Failed, Refusal, 100, None);
        Assert.Equal([Job], await Store.ListUnansweredAsync("retailer", 100, None));
        Assert.Empty(await Store.ListUnansweredAsync("retailer", 101, None));
    }

    [SkippableFact]
    public async Task The_first_key_of_a_role_stays()
    {
        await RunningAsync();
        Assert.Null(await Store.FindKeyAsync(Job, 1, Role.LabelParty, None));
        Assert.Equal([1], await Store.RecordKeyAsync(Job, 1, Role.LabelParty, [1], None));
        Assert.Equal([1], await Store.RecordKeyAsync(Job, 1, Role.LabelParty, [2], None));
        Assert.Equal([3], await Store.RecordKeyAsync(Job, 1, Role.Unspecified, [3], None));
        Assert.Equal([1], await Store.FindKeyAsync(Job, 1, Role.LabelParty, None));
        Assert.Null(await Store.FindKeyAsync(Job, 1, Role.FeatureParty, None));
    }

    [SkippableFact]
    public async Task The_log_keeps_what_came_and_went_in_order_and_repetitions_leave_no_line()
    {
        await RunningAsync();
        await Store.RecordPresenceAsync(Job, 1, DeliveryEvent.Connected, Role.FeatureParty, 3, None);
        Depositor label = new(Store, Role.LabelParty);
        EnvelopeDeposit first = await label.DepositAsync(Step.KeyExchange, 0), second = await label.DepositAsync(Step.Hello, 0);
        Assert.Equal(DepositOutcome.Duplicate, (await Store.DepositAsync(first, 9, None)).Outcome);
        await Store.MarkDeliveredAsync(second.Key, 8, None);
        await Store.MarkDeliveredAsync(first.Key, 9, None);
        await Store.RecordPresenceAsync(Job, 1, DeliveryEvent.Disconnected, Role.FeatureParty, 10, None);
        await Store.RecordPresenceAsync(Job, 2, DeliveryEvent.Disconnected, Role.FeatureParty, 10, None);

        Delivery[] expected =
        [
            new() { Event = DeliveryEvent.Connected, Party = Role.FeatureParty, TimeUnixMs = 3 },
            new() { Event = DeliveryEvent.Deposited, Party = Role.LabelParty, Sequence = 0, TimeUnixMs = 4 },
            new() { Event = DeliveryEvent.Deposited, Party = Role.LabelParty, Sequence = 1, TimeUnixMs = 4 },
            new() { Event = DeliveryEvent.Delivered, Party = Role.FeatureParty, Sequence = 1, TimeUnixMs = 8 },
            new() { Event = DeliveryEvent.Disconnected, Party = Role.FeatureParty, TimeUnixMs = 10 },
        ];
        Assert.Equal(expected, await Store.ReadDeliveriesAsync(Job, 1, 0, 100, None));
        Assert.Equal(expected[2..4], await Store.ReadDeliveriesAsync(Job, 1, 2, 2, None));
    }

    [SkippableFact]
    public async Task A_job_that_keeps_hashes_loses_sealed_payloads_as_they_are_delivered_and_all_at_its_end()
    {
        await RunningAsync(Payloads.Hashes);
        Depositor label = new(Store, Role.LabelParty);
        EnvelopeDeposit clear = await label.DepositAsync(Step.Commitment, 0), hello = await label.DepositAsync(Step.Hello, 0);
        EnvelopeDeposit ids = await label.DepositAsync(Step.BlindedIds, 0);
        Assert.Equal(hello.Parts[0], await Store.ReadPayloadPartAsync(hello.Key, 0, None));
        await Store.MarkDeliveredAsync(hello.Key, 5, None);
        await Assert.ThrowsAsync<VertFedException>(() => Store.ReadPayloadPartAsync(hello.Key, 0, None));
        Assert.Equal(ids.Parts[0], await Store.ReadPayloadPartAsync(ids.Key, 0, None));
        await Store.EndJobAsync(Job, JobState.Failed, Refusal, 100, None);
        await Assert.ThrowsAsync<VertFedException>(() => Store.ReadPayloadPartAsync(ids.Key, 0, None));

        // Commitments cross in the clear, and whoever verifies needs them.
        Assert.Equal(clear.Parts[0], await Store.ReadPayloadPartAsync(clear.Key, 0, None));
        IReadOnlyList<StoredEnvelope> entries = await Store.ReadEntriesAsync(Job, 1, Phase.Close, null, 10, None);
        Assert.Equal([clear.Core, hello.Core, ids.Core], entries.Select(entry => entry.Core));
        Assert.Equal([clear.Attestation, hello.Attestation, ids.Attestation], entries.Select(entry => entry.Attestation));
        Assert.False((await Store.FindJobAsync(Job, None))!.PayloadsKept);
    }

    [SkippableFact]
    public async Task A_sender_neither_goes_back_to_a_phase_nor_on_after_its_close()
    {
        await RunningAsync();
        Depositor label = new(Store, Role.LabelParty);
        EnvelopeDeposit first = await label.DepositAsync(Step.BlindedIds, 0);
        Assert.Equal(DepositOutcome.OutOfPhase, (await Store.DepositAsync(label.Make(Step.Hello, 0), 5, None)).Outcome);
        await label.DepositAsync(Step.JobClose, 0);
        Assert.Equal(DepositOutcome.OutOfPhase, (await Store.DepositAsync(label.Make(Step.JobClose, 0), 5, None)).Outcome);
        Assert.Equal(DepositOutcome.Duplicate, (await Store.DepositAsync(first, 5, None)).Outcome);
        Assert.Equal(2, await Store.CountEntriesAsync(Job, 1, Phase.Close, None));
    }

    [SkippableFact]
    public async Task A_job_that_keeps_payloads_says_so_until_they_are_pruned()
    {
        await RunningAsync();
        EnvelopeDeposit first = await new Depositor(Store, Role.LabelParty).DepositAsync(Step.Hello, 0);
        await Store.MarkDeliveredAsync(first.Key, 5, None);
        await Store.EndJobAsync(Job, JobState.Failed, Refusal, 100, None);
        Assert.Equal(first.Parts[0], await Store.ReadPayloadPartAsync(first.Key, 0, None));
        Assert.True((await Store.FindJobAsync(Job, None))!.PayloadsKept);
        await Store.PrunePayloadsAsync(101, None);
        JobRecord pruned = (await Store.FindJobAsync(Job, None))!;
        Assert.Equal((false, Payloads.Full), (pruned.PayloadsKept, pruned.Payloads));
    }

    private static NewCheckpoint Checkpoint(Phase phase) => new(Job, 1, phase, 4, [1, 2, (byte)phase], [.. new byte[64]], 77);

    private async Task<List<EntryPlace>> PlacesAsync(Phase last, int page)
    {
        List<EntryPlace> places = [];
        while (true)
        {
            IReadOnlyList<StoredEnvelope> entries = await Store.ReadEntriesAsync(Job, 1, last, places.Count == 0 ? null : places[^1], page, None);
            if (entries.Count == 0)
                return places;
            Assert.InRange(entries.Count, 1, page);
            places.AddRange(entries.Select(EntryPlace.Of));
        }
    }

    private async Task RunningAsync(Payloads payloads = Payloads.Full)
    {
        await Store.AddJobAsync(
            new NewJob(Job, [1, 2], SHA256.HashData([1]), new string('a', 64), "job", "bank", "retailer", 60, 1000, payloads), None);
        await Store.RecordAnswerAsync(Job, 1, Role.LabelParty, null, 1, None);
        await Store.RecordAnswerAsync(Job, 1, Role.FeatureParty, null, 2, None);
    }

    private sealed class Depositor(ICoordinatorStore store, Role sender)
    {
        private byte[] _previous = new byte[32];
        private long _sequence;

        /// <summary>The sender's next envelope; nothing is sent.</summary>
        public EnvelopeDeposit Make(Step step, uint round)
        {
            byte[] core = [.. _previous, (byte)sender, (byte)_sequence, (byte)step, (byte)round];
            return new EnvelopeDeposit(
                new EnvelopeKey(Job, 1, sender, _sequence), core, SHA256.HashData(core), _previous, [5, (byte)_sequence], PhaseGrammar.Rule(step).Phase, step, round,
                2, [[1, (byte)_sequence]]);
        }

        public async Task<EnvelopeDeposit> DepositAsync(Step step, uint round)
        {
            EnvelopeDeposit deposit = Make(step, round);
            Assert.Equal(DepositOutcome.Stored, (await store.DepositAsync(deposit, 4, None)).Outcome);
            _previous = deposit.CoreHash;
            _sequence++;
            return deposit;
        }
    }
}

public sealed class SqliteTranscriptStoreTests : TranscriptStoreContract, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    protected override Task<ICoordinatorStore> OpenAsync() =>
        Task.FromResult<ICoordinatorStore>(VertFed.Storage.Sqlite.SqliteCoordinatorStore.Open(_folder.File("coordinator.db")));
}
