using VertFed.Protocol.V1;
using VertFed.Storage;
using Xunit;

namespace VertFed.UnitTests.Storage;

/// <content>Horizontal jobs.</content>
public abstract partial class CoordinatorStoreContract
{
    private static readonly string[] Three = ["north", "south", "east"];

    [SkippableFact]
    public async Task A_horizontal_job_is_found_as_it_was_added_and_added_again_is_the_same()
    {
        NewRoundJob job = RoundJob(1) with { ClientToken = "token" };
        (AddJobOutcome outcome, RoundJobRecord added) = await Store.AddRoundJobAsync(job, None);
        (AddJobOutcome again, RoundJobRecord same) = await Store.AddRoundJobAsync(RoundJob(2) with { ClientToken = "token", SpecHash = job.SpecHash }, None);
        (AddJobOutcome other, _) = await Store.AddRoundJobAsync(RoundJob(3) with { ClientToken = "token", SpecHash = new byte[32] }, None);

        Assert.Equal((AddJobOutcome.Added, AddJobOutcome.Same, AddJobOutcome.Different), (outcome, again, other));
        Assert.Equal(job.Job, same.Job);
        RoundJobRecord found = (await Store.FindRoundJobAsync(job.Job, None))!;
        Assert.Equal(job.SignedSpec, found.SignedSpec);
        Assert.Equal((added.Ordinal, JobState.Offered, job.Submitter, job.SubmittedUnixMs, true), (found.Ordinal, found.State, found.Submitter, found.SubmittedUnixMs, found.IsOpen));
        Assert.Equal(Three, found.Parties.Select(party => party.Name));
        Assert.Equal((2u, 0u), (found.PlaceOf("south"), found.PlaceOf("west")));
        Assert.All(found.Parties, party => Assert.False(party.Accepted || party.CoSigned || party.Outcome is not null));
        Assert.Null(found.Error);
        Assert.Null(found.Checkpoint);
        Assert.Null(await Store.FindRoundJobAsync(Id(99), None));
    }

    [SkippableFact]
    public async Task A_horizontal_job_goes_from_its_offer_to_its_end_once()
    {
        string job = (await Store.AddRoundJobAsync(RoundJob(1), None)).Job.Job;
        await Store.AcceptRoundJobAsync(job, 2, [1, 2], [3], None);
        await Store.AcceptRoundJobAsync(job, 2, [9], [9], None);
        await Store.SaveRoundCheckpointAsync(job, new RoundCheckpoint { Rounds = 1, Parameters = { 0.5, -0.0 } }, None);
        Assert.Equal(50, (await Store.MoveRoundJobAsync(job, JobState.Running, null, 50, None))!.StartedUnixMs);
        await Store.SaveRoundCheckpointAsync(job, new RoundCheckpoint { Rounds = 2, Attempt = 1 }, None);
        await Store.SaveRoundOutcomeAsync(job, 3, new JobOutcome { Job = job, State = JobState.Failed, Error = Reason }, None);
        await Store.SaveRoundOutcomeAsync(job, 3, new JobOutcome { Job = job, State = JobState.Done }, None);
        Assert.Equal([job], (await Store.ListOpenRoundJobsAsync(None)).Select(open => open.Job));

        RoundJobRecord ended = (await Store.MoveRoundJobAsync(job, JobState.Failed, Reason, 70, None))!;
        RoundJobRecord still = (await Store.MoveRoundJobAsync(job, JobState.Done, null, 90, None))!;

        Assert.Equal((JobState.Failed, 50L, 70L, false), (still.State, still.StartedUnixMs, still.EndedUnixMs, still.IsOpen));
        Assert.Equal(Reason, ended.Error);
        Assert.Equal((2u, 1u), (still.Checkpoint!.Rounds, still.Checkpoint.Attempt));
        Assert.Equal([false, true, false], still.Parties.Select(party => party.Accepted));
        Assert.Equal([1, 2], still.Parties[1].IdentityKey!);
        Assert.Equal([3], still.Parties[1].CheckpointKey!);
        Assert.Equal(JobState.Failed, still.Parties[2].Outcome!.State);
        Assert.Empty(await Store.ListOpenRoundJobsAsync(None));
        Assert.Equal([job], (await Store.ListRoundJobsWithoutWordAsync("south", 70, None)).Select(one => one.Job));
        Assert.Empty(await Store.ListRoundJobsWithoutWordAsync("south", 71, None));
        Assert.Empty(await Store.ListRoundJobsWithoutWordAsync("north", 0, None));
        Assert.Null(await Store.MoveRoundJobAsync(Id(99), JobState.Done, null, 90, None));
    }

    [SkippableFact]
    public async Task Horizontal_jobs_are_listed_newest_first_from_an_ordinal_on()
    {
        for (int i = 0; i < 4; i++)
            await Store.AddRoundJobAsync(RoundJob(i), None);
        IReadOnlyList<RoundJobRecord> first = await Store.ListRoundJobsAsync(3, null, None);
        IReadOnlyList<RoundJobRecord> rest = await Store.ListRoundJobsAsync(3, first[^1].Ordinal, None);
        Assert.Equal([Id(3), Id(2), Id(1), Id(0)], first.Concat(rest).Select(job => job.Job));
    }

    [SkippableFact]
    public async Task Summaries_of_rounds_are_appended_with_the_checkpoint_and_lists_have_neither()
    {
        string job = (await Store.AddRoundJobAsync(RoundJob(1), None)).Job.Job;
        RoundSummary[] rounds = [.. Enumerable.Range(0, 12).Select(round => new RoundSummary { Round = (uint)round, Counted = { "south" }, BytesUp = 1, BytesDown = 10 })];
        await Store.SaveRoundCheckpointAsync(job, new RoundCheckpoint { Attempt = 1 }, None);
        Assert.Empty(await Store.ReadRoundSummariesAsync(job, None));
        foreach (RoundSummary round in rounds)
            await Store.SaveRoundCheckpointAsync(job, new RoundCheckpoint { Rounds = round.Round, Parameters = { 0.5 }, Summaries = { round } }, None);
        await Store.SaveRoundCheckpointAsync(job, new RoundCheckpoint { Rounds = 11, Attempt = 1 }, None);
        await Store.SaveRoundOutcomeAsync(job, 1, new JobOutcome { Job = job, State = JobState.Done }, None);

        Assert.Equal(rounds, await Store.ReadRoundSummariesAsync(job, None));
        RoundJobRecord found = (await Store.FindRoundJobAsync(job, None))!;
        Assert.Equal(new RoundCheckpoint { Rounds = 11, Attempt = 1 }, found.Checkpoint);
        Assert.Equal((11u, 12 * 11UL, JobState.Done), (found.Rounds, found.Bytes, found.Parties[0].Outcome!.State));
        RoundJobRecord listed = Assert.Single(await Store.ListRoundJobsAsync(1, null, None));
        Assert.Equal((11u, 12 * 11UL, null, null), (listed.Rounds, listed.Bytes, listed.Checkpoint, listed.Parties[0].Outcome));
        Assert.Empty(await Store.ReadRoundSummariesAsync(Id(99), None));
    }

    [SkippableFact]
    public async Task A_horizontal_jobs_record_keeps_each_envelope_once_in_its_order()
    {
        string job = (await Store.AddRoundJobAsync(RoundJob(1), None)).Job.Job;
        await Store.AppendRoundEntriesAsync(job, [Entry(0, 0, 0, [7, 7]), Entry(1, 2, 0, null)], 5, None);
        await Store.AppendRoundEntriesAsync(job, [Entry(2, 2, 0, null), Entry(2, 2, 1, null), Entry(3, 0, 1, [8])], 6, None);

        IReadOnlyList<RoundEntry> all = await Store.ReadRoundEntriesAsync(job, 0, 10, None);
        Assert.Equal([(0L, 0u, 0UL), (1L, 2u, 0UL), (2L, 2u, 1UL), (3L, 0u, 1UL)], all.Select(entry => (entry.Position, entry.Sender, entry.Sequence)));
        Assert.Equal([7, 7], all[0].Payload!);
        Assert.Null(all[1].Payload);
        Assert.Equal([2, 0], all[1].Core);
        Assert.Equal([1L, 2L], (await Store.ReadRoundEntriesAsync(job, 1, 2, None)).Select(entry => entry.Position));
        Assert.All(await Store.ReadRoundCoresAsync(job, 0, 10, None), entry => Assert.Null(entry.Payload));
        Assert.Equal([(2u, 1UL), (0u, 1UL)], (await Store.ReadLastRoundEntriesAsync(job, None)).Select(entry => (entry.Sender, entry.Sequence)));
        Assert.Equal((4L, 4 * 11L), await Store.CountRoundEntriesAsync(job, None));
        Assert.Equal((0L, 0L), await Store.CountRoundEntriesAsync(Id(99), None));
    }

    [SkippableFact]
    public async Task The_first_word_of_a_party_on_a_horizontal_jobs_checkpoint_stays()
    {
        string job = (await Store.AddRoundJobAsync(RoundJob(1), None)).Job.Job;
        await Store.AddRoundHeadAsync(new NewRoundHead(job, 1, 10, [1], [5], IsClosing: false, 100), None);
        await Store.AddRoundHeadAsync(new NewRoundHead(job, 1, 11, [2], [6], IsClosing: true, 101), None);
        await Store.AddRoundHeadAsync(new NewRoundHead(job, 2, 20, [3], [5], IsClosing: true, 102), None);
        await Store.SaveRoundWordAsync(job, 1, 1, new CheckpointWord([4], null), 103, None);
        await Store.SaveRoundWordAsync(job, 2, 3, new CheckpointWord(null, Reason), 104, None);
        await Store.SaveRoundWordAsync(job, 2, 3, new CheckpointWord([4], null), 105, None);
        await Store.SaveRoundWordAsync(job, 2, 2, new CheckpointWord([4], null), 105, None);

        IReadOnlyList<StoredRoundHead> heads = await Store.ReadRoundHeadsAsync(job, None);

        Assert.Equal([(1, 10L, false, 100L), (2, 20L, true, 102L)], heads.Select(head => (head.Head.Number, head.Head.Size, head.Head.IsClosing, head.Head.CreatedUnixMs)));
        Assert.Equal([1], heads[0].Head.Note);
        Assert.Equal([4], heads[0].Words[1].CoSignature!);
        Assert.Equal(Reason, heads[1].Words[3].Refusal);
        Assert.Equal([false, true, false], (await Store.FindRoundJobAsync(job, None))!.Parties.Select(party => party.CoSigned));
    }

    private static NewRoundJob RoundJob(int number) => new(Id(number), [1, (byte)number], [.. Enumerable.Repeat((byte)number, 32)], "submitter", null, Three, 10 + number);

    private static RoundEntry Entry(long position, uint sender, ulong sequence, byte[]? payload) =>
        new(position, sender, sequence, [(byte)sender, (byte)sequence], [3], payload, 11);
}
