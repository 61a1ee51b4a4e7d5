using System.Security.Cryptography;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using Xunit;

namespace VertFed.UnitTests.Storage;

/// <summary>What every <see cref="ICoordinatorStore"/> must do. A store's own test class inherits it and says how to open one.</summary>
public abstract partial class CoordinatorStoreContract : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly JobError Reason = new() { Code = "Refused", Party = "bank", Step = "Hello", Message = "rule rows_per_feature" };

    protected ICoordinatorStore Store { get; private set; } = null!;

    public async Task InitializeAsync() => Store = await OpenAsync();

    public async Task DisposeAsync() => await Store.DisposeAsync();

    /// <summary>Opens the store of this test; the second call opens the same one again.</summary>
    protected abstract Task<ICoordinatorStore> OpenAsync();

    [SkippableFact]
    public async Task An_added_job_is_found_as_it_was_added()
    {
        NewJob job = Job(1);
        (AddJobOutcome outcome, JobRecord record) = await Store.AddJobAsync(job, None);
        Assert.Equal(AddJobOutcome.Added, outcome);
        JobRecord found = (await Store.FindJobAsync(job.Job, None))!;
        Assert.Equal(job.SignedSpec, found.SignedSpec);
        Assert.Equal(job.SpecHash, found.SpecHash);
        Assert.Equal((job.Title, job.LabelParty, job.FeatureParty, job.Submitter), (found.Title, found.LabelParty, found.FeatureParty, found.Submitter));
        Assert.Equal((JobState.Offered, 1u, job.SubmittedUnixMs, job.DeadlineSeconds), (found.State, found.Attempt, found.SubmittedUnixMs, found.DeadlineSeconds));
        Assert.Equal(record.Ordinal, found.Ordinal);
        Assert.Null(found.Error);
        Assert.Null(await Store.FindJobAsync(Id(99), None));
    }

    [SkippableFact]
    public async Task Adding_twice_is_the_same_job_and_another_spec_is_told_apart()
    {
        await Store.AddJobAsync(Job(1), None);
        (AddJobOutcome again, JobRecord same) = await Store.AddJobAsync(Job(1) with { SignedSpec = [9, 9], SubmittedUnixMs = 5 }, None);
        Assert.Equal(AddJobOutcome.Same, again);
        Assert.Equal(Job(1).SignedSpec, same.SignedSpec);
        (AddJobOutcome other, _) = await Store.AddJobAsync(Job(1) with { SpecHash = new byte[32] }, None);
        Assert.Equal(AddJobOutcome.Different, other);
    }

    [SkippableFact]
    public async Task Pages_list_every_job_once_newest_first()
    {
        for (int i = 0; i < 7; i++)
            await Store.AddJobAsync(Job(i), None);
        var seen = new List<string>();
        long? before = null;
        do
        {
            JobPage page = await Store.ListJobsAsync(3, before, filter: null, None);
            Assert.InRange(page.Jobs.Count, 1, 3);
            seen.AddRange(page.Jobs.Select(job => job.Job));
            before = page.Before;
        }
        while (before is not null);
        Assert.Equal(Enumerable.Range(0, 7).Reverse().Select(Id), seen);
    }

    [SkippableFact]
    public async Task A_job_runs_when_both_have_accepted()
    {
        await Store.AddJobAsync(Job(1), None);
        JobRecord one = (await Store.RecordAnswerAsync(Id(1), 1, Role.FeatureParty, null, 10, None))!;
        Assert.Equal((JobState.Offered, Answer.Accepted, Answer.None), (one.State, one.FeatureAnswer, one.LabelAnswer));
        JobRecord both = (await Store.RecordAnswerAsync(Id(1), 1, Role.LabelParty, null, 20, None))!;
        Assert.Equal((JobState.Running, 20L), (both.State, both.StartedUnixMs));
        JobRecord late = (await Store.RecordAnswerAsync(Id(1), 1, Role.LabelParty, Reason, 30, None))!;
        Assert.Equal(JobState.Running, late.State);
        Assert.Null(await Store.RecordAnswerAsync(Id(1), 2, Role.LabelParty, null, 30, None));
        Assert.Null(await Store.RecordAnswerAsync(Id(2), 1, Role.LabelParty, null, 30, None));
        Assert.Equal(Id(1), Assert.Single(await Store.ListOpenJobsAsync(None)).Job);
    }

    [SkippableFact]
    public async Task A_refusal_ends_the_job_with_its_reason()
    {
        await Store.AddJobAsync(Job(1), None);
        JobRecord job = (await Store.RecordAnswerAsync(Id(1), 1, Role.LabelParty, Reason, 10, None))!;
        Assert.Equal((JobState.Refused, 10L), (job.State, job.EndedUnixMs));
        Assert.Equal(Reason, job.Error);
        Assert.Empty(await Store.ListOpenJobsAsync(None));
    }

    [SkippableFact]
    public async Task Deposits_keep_the_chain_and_payloads_come_back_part_by_part()
    {
        await RunningAsync(1);
        byte[] a = RandomNumberGenerator.GetBytes(Limits.MaxChunkBytes), b = RandomNumberGenerator.GetBytes(17);
        EnvelopeDeposit first = Deposit(1, Role.LabelParty, 0, new byte[32], a, b);
        DepositResult stored = await Store.DepositAsync(first, 5, None);
        Assert.Equal((DepositOutcome.Stored, 1L), (stored.Outcome, stored.NextSequence));
        Assert.Equal((first.PayloadSize, 1L, first.Step), (stored.Job!.Bytes, stored.Job.Envelopes, stored.Job.Step));
        EnvelopeDeposit second = Deposit(1, Role.LabelParty, 1, first.CoreHash);
        Assert.Equal(DepositOutcome.Stored, (await Store.DepositAsync(second, 6, None)).Outcome);

        IReadOnlyList<StoredEnvelope> read = await Store.ReadEnvelopesAsync(Id(1), 1, Role.LabelParty, 0, 10, None);
        Assert.Equal([0L, 1L], read.Select(envelope => envelope.Key.Sequence));
        Assert.Equal(first.Core, read[0].Core);
        Assert.Equal(first.Attestation, read[0].Attestation);
        Assert.Equal((2, 0), (read[0].Parts, read[1].Parts));
        Assert.Equal(a, await Store.ReadPayloadPartAsync(first.Key, 0, None));
        Assert.Equal(b, await Store.ReadPayloadPartAsync(first.Key, 1, None));
        VertFedException missing = await Assert.ThrowsAsync<VertFedException>(() => Store.ReadPayloadPartAsync(first.Key, 2, None));
        Assert.Equal(ErrorCode.Storage, missing.Code);
        Assert.Empty(await Store.ReadEnvelopesAsync(Id(1), 1, Role.FeatureParty, 0, 10, None));
    }

    [SkippableFact]
    public async Task A_deposit_out_of_place_changes_nothing()
    {
        await RunningAsync(1);
        EnvelopeDeposit first = Deposit(1, Role.LabelParty, 0, new byte[32], [1]);
        await Store.DepositAsync(first, 5, None);
        JobRecord before = (await Store.FindJobAsync(Id(1), None))!;

        Assert.Equal(DepositOutcome.Duplicate, (await Store.DepositAsync(first, 6, None)).Outcome);
        Assert.Equal(DepositOutcome.Conflict, (await Store.DepositAsync(Deposit(1, Role.LabelParty, 0, new byte[32], [2]), 6, None)).Outcome);
        DepositResult gap = await Store.DepositAsync(Deposit(1, Role.LabelParty, 2, first.CoreHash, [2]), 6, None);
        Assert.Equal((DepositOutcome.Gap, 1L), (gap.Outcome, gap.NextSequence));
        Assert.Equal(DepositOutcome.BrokenChain, (await Store.DepositAsync(Deposit(1, Role.LabelParty, 1, new byte[32], [2]), 6, None)).Outcome);
        Assert.Equal(DepositOutcome.NotRunning, (await Store.DepositAsync(Deposit(2, Role.LabelParty, 0, new byte[32], [2]), 6, None)).Outcome);

        JobRecord after = (await Store.FindJobAsync(Id(1), None))!;
        Assert.Equal((before.Bytes, before.Envelopes), (after.Bytes, after.Envelopes));
        Assert.Single(await Store.ReadEnvelopesAsync(Id(1), 1, Role.LabelParty, 0, 10, None));
    }

    [SkippableFact]
    public async Task Deliveries_move_forward_only_and_only_over_what_was_deposited()
    {
        await RunningAsync(1);
        EnvelopeDeposit last = Deposit(1, Role.LabelParty, 0, new byte[32], [1]);
        await Store.DepositAsync(last, 5, None);
        for (int i = 1; i < 4; i++)
            await Store.DepositAsync(last = Deposit(1, Role.LabelParty, i, last.CoreHash, [1]), 5, None);
        Assert.Equal(new StreamPosition(4, 0), await Store.FindPositionAsync(Id(1), 1, Role.LabelParty, None));
        Assert.True(await Store.MarkDeliveredAsync(last.Key with { Sequence = 2 }, 7, None));
        Assert.True(await Store.MarkDeliveredAsync(last.Key with { Sequence = 1 }, 7, None));
        Assert.Equal(new StreamPosition(4, 3), await Store.FindPositionAsync(Id(1), 1, Role.LabelParty, None));
        Assert.False(await Store.MarkDeliveredAsync(last.Key with { Sequence = 4 }, 7, None));
        Assert.False(await Store.MarkDeliveredAsync(last.Key with { Sender = Role.FeatureParty, Sequence = 0 }, 7, None));
        Assert.Equal(new StreamPosition(0, 0), await Store.FindPositionAsync(Id(1), 1, Role.FeatureParty, None));
    }

    [SkippableFact]
    public async Task A_job_is_done_when_both_say_so_and_their_reports_are_kept_as_received()
    {
        await RunningAsync(1);
        JobRecord one = (await Store.RecordOutcomeAsync(Id(1), 1, Role.FeatureParty, JobState.Done, null, [2, 2], 10, None))!;
        Assert.Equal((JobState.Running, JobState.Done), (one.State, one.FeatureOutcome));
        Assert.Equal(DepositOutcome.AfterOutcome, (await Store.DepositAsync(Deposit(1, Role.FeatureParty, 0, new byte[32], [1]), 11, None)).Outcome);
        JobRecord again = (await Store.RecordOutcomeAsync(Id(1), 1, Role.FeatureParty, JobState.Failed, Reason, [3], 11, None))!;
        Assert.Equal(JobState.Running, again.State);
        JobRecord both = (await Store.RecordOutcomeAsync(Id(1), 1, Role.LabelParty, JobState.Done, null, [1], 12, None))!;
        Assert.Equal((JobState.Done, 12L), (both.State, both.EndedUnixMs));
        Assert.Null(both.Error);
        Assert.Equal([[1], [2, 2]], await Store.ReadReportsAsync(Id(1), None));
    }

    [SkippableFact]
    public async Task The_first_bad_outcome_ends_the_job_and_the_second_report_is_still_kept()
    {
        await RunningAsync(1);
        JobRecord failed = (await Store.RecordOutcomeAsync(Id(1), 1, Role.LabelParty, JobState.Failed, Reason, null, 10, None))!;
        Assert.Equal(JobState.Failed, failed.State);
        Assert.Equal(Reason, failed.Error);
        Assert.Equal(Id(1), Assert.Single(await Store.ListEndedWithoutWordAsync("retailer", 0, None)).Job);
        Assert.Empty(await Store.ListEndedWithoutWordAsync("bank", 0, None));
        Assert.Empty(await Store.ListEndedWithoutWordAsync("retailer", 11, None));
        JobRecord after = (await Store.RecordOutcomeAsync(Id(1), 1, Role.FeatureParty, JobState.Cancelled, null, [7], 20, None))!;
        Assert.Equal((JobState.Failed, 10L, JobState.Cancelled), (after.State, after.EndedUnixMs, after.FeatureOutcome));
        Assert.Equal(Reason, after.Error);
        Assert.Equal([[7]], await Store.ReadReportsAsync(Id(1), None));
        Assert.Empty(await Store.ListEndedWithoutWordAsync("retailer", 0, None));
    }

    [SkippableFact]
    public async Task Ending_is_final()
    {
        await RunningAsync(1);
        Assert.Equal(JobState.Cancelled, (await Store.EndJobAsync(Id(1), JobState.Cancelled, Reason, 10, None))!.State);
        Assert.Equal(JobState.Cancelled, (await Store.EndJobAsync(Id(1), JobState.Failed, Reason, 20, None))!.State);
        Assert.Null(await Store.EndJobAsync(Id(9), JobState.Failed, Reason, 20, None));
        Assert.Equal(DepositOutcome.NotRunning, (await Store.DepositAsync(Deposit(1, Role.LabelParty, 0, new byte[32], [1]), 11, None)).Outcome);
    }

    [SkippableFact]
    public async Task Everything_is_there_after_a_reopen()
    {
        await RunningAsync(1);
        EnvelopeDeposit first = Deposit(1, Role.LabelParty, 0, new byte[32], [1, 2, 3]);
        await Store.DepositAsync(first, 5, None);
        await Store.MarkDeliveredAsync(first.Key, 7, None);
        await Store.DisposeAsync();
        await InitializeAsync();
        Assert.Equal(JobState.Running, (await Store.FindJobAsync(Id(1), None))!.State);
        Assert.Equal(new StreamPosition(1, 1), await Store.FindPositionAsync(Id(1), 1, Role.LabelParty, None));
        Assert.Equal([1, 2, 3], await Store.ReadPayloadPartAsync(first.Key, 0, None));
        Assert.Equal(DepositOutcome.Stored, (await Store.DepositAsync(Deposit(1, Role.LabelParty, 1, first.CoreHash, [4]), 6, None)).Outcome);
    }

    [SkippableFact]
    public async Task Concurrent_writers_lose_nothing()
    {
        await RunningAsync(1);
        await RunningAsync(2);
        Task[] writers = [WriteAsync(1, Role.LabelParty), WriteAsync(1, Role.FeatureParty), WriteAsync(2, Role.LabelParty), WriteAsync(2, Role.FeatureParty)];
        await Task.WhenAll(writers);
        foreach (int job in new[] { 1, 2 })
        {
            JobRecord record = (await Store.FindJobAsync(Id(job), None))!;
            Assert.Equal((50L, 50L * 100), (record.Envelopes, record.Bytes));
            Assert.Equal(new StreamPosition(25, 25), await Store.FindPositionAsync(Id(job), 1, Role.LabelParty, None));
        }

        async Task WriteAsync(int job, Role sender)
        {
            byte[] previous = new byte[32];
            for (int i = 0; i < 25; i++)
            {
                EnvelopeDeposit envelope = Deposit(job, sender, i, previous, new byte[100]);
                Assert.Equal(DepositOutcome.Stored, (await Store.DepositAsync(envelope, i, None)).Outcome);
                Assert.True(await Store.MarkDeliveredAsync(envelope.Key, 7, None));
                previous = envelope.CoreHash;
            }
        }
    }

    [SkippableFact]
    public async Task Two_equal_deposits_at_once_are_stored_once()
    {
        await RunningAsync(1);
        EnvelopeDeposit envelope = Deposit(1, Role.LabelParty, 0, new byte[32], new byte[1000]);
        DepositResult[] results = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Store.DepositAsync(envelope, 1, None)));
        Assert.Single(results, result => result.Outcome == DepositOutcome.Stored);
        Assert.Equal(7, results.Count(result => result.Outcome == DepositOutcome.Duplicate));
        Assert.Equal(1000, (await Store.FindJobAsync(Id(1), None))!.Bytes);
    }

    [SkippableFact]
    public async Task Pruning_drops_the_payloads_of_old_jobs_and_nothing_else()
    {
        await RunningAsync(1);
        await RunningAsync(2);
        EnvelopeDeposit old = Deposit(1, Role.LabelParty, 0, new byte[32], [1]), young = Deposit(2, Role.LabelParty, 0, new byte[32], [2]);
        await Store.DepositAsync(old, 1, None);
        await Store.DepositAsync(young, 1, None);
        await Store.EndJobAsync(Id(1), JobState.Failed, Reason, 100, None);
        Assert.Equal(1, await Store.PrunePayloadsAsync(101, None));
        Assert.Equal(0, await Store.PrunePayloadsAsync(101, None));
        Assert.Equal(ErrorCode.Storage, (await Assert.ThrowsAsync<VertFedException>(() => Store.ReadPayloadPartAsync(old.Key, 0, None))).Code);
        Assert.Single(await Store.ReadEnvelopesAsync(Id(1), 1, Role.LabelParty, 0, 10, None));
        Assert.Equal([2], await Store.ReadPayloadPartAsync(young.Key, 0, None));
    }

    protected static string Id(int number) => number.ToString("x32", System.Globalization.CultureInfo.InvariantCulture);

    protected static NewJob Job(int number) => new(
        Id(number), [1, 2, (byte)number], SHA256.HashData([(byte)number]), new string('a', 64), $"job {number}", "bank", "retailer", 60, 1000 + number, Payloads.Full);

    protected static EnvelopeDeposit Deposit(int job, Role sender, long sequence, byte[] previous, params byte[][] parts)
    {
        byte[] core = [.. previous, (byte)sender, (byte)sequence, (byte)parts.Length, .. parts.SelectMany(part => part.Take(4))];
        return new EnvelopeDeposit(
            new EnvelopeKey(Id(job), 1, sender, sequence), core, SHA256.HashData(core), previous, [5, 6], Phase.Align, Step.BlindedIds, 0,
            parts.Sum(part => (long)part.Length), parts);
    }

    protected async Task RunningAsync(int job)
    {
        await Store.AddJobAsync(Job(job), None);
        await Store.RecordAnswerAsync(Id(job), 1, Role.LabelParty, null, 1, None);
        await Store.RecordAnswerAsync(Id(job), 1, Role.FeatureParty, null, 2, None);
    }
}
