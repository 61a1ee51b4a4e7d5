using VertFed.Protocol.V1;
using VertFed.Storage;
using Xunit;

namespace VertFed.UnitTests.Storage;

/// <content>The queue, client tokens, models and the access log.</content>
public abstract partial class CoordinatorStoreContract
{
    [SkippableFact]
    public async Task A_queued_job_is_open_and_unheard_of_until_it_is_offered_once()
    {
        NewJob queued = Job(1) with { Queued = true, Kind = JobKind.Score, Purpose = "credit-risk" };
        JobRecord job = (await Store.AddJobAsync(queued, None)).Job;
        Assert.Equal((JobState.Queued, true, 0L, JobKind.Score, "credit-risk"), (job.State, job.IsOpen, job.OfferedUnixMs, job.Kind, job.Purpose));
        Assert.Equal([Id(1)], (await Store.ListOpenJobsAsync(None)).Select(open => open.Job));
        Assert.Equal([Id(1)], (await Store.ListOpenJobsAsync("retailer", None)).Select(open => open.Job));
        Assert.Empty(await Store.ListOpenJobsAsync("insurer", None));
        Assert.Empty(await Store.ListUnclosedAsync(0, None));
        Assert.Equal(JobState.Queued, (await Store.RecordAnswerAsync(Id(1), 1, Role.LabelParty, null, 5, None))!.State);
        Assert.Equal(Answer.None, (await Store.FindJobAsync(Id(1), None))!.LabelAnswer);

        JobRecord offered = (await Store.OfferJobAsync(Id(1), 70, None))!;
        Assert.Equal((JobState.Offered, 70L), (offered.State, offered.OfferedUnixMs));
        Assert.Equal(70L, (await Store.OfferJobAsync(Id(1), 80, None))!.OfferedUnixMs);
        Assert.Null(await Store.OfferJobAsync(Id(2), 80, None));
        await RunningAsync(3);
        Assert.Equal(JobState.Running, (await Store.OfferJobAsync(Id(3), 90, None))!.State);
    }

    [SkippableFact]
    public async Task A_queued_job_can_end_and_is_not_offered_afterwards()
    {
        await Store.AddJobAsync(Job(1) with { Queued = true }, None);
        JobRecord ended = (await Store.EndJobAsync(Id(1), JobState.Cancelled, Reason, 9, None))!;
        Assert.Equal((JobState.Cancelled, 9L, false), (ended.State, ended.EndedUnixMs, ended.IsOpen));
        Assert.Equal(JobState.Cancelled, (await Store.OfferJobAsync(Id(1), 10, None))!.State);
        Assert.Empty(await Store.ListOpenJobsAsync(None));
        Assert.Empty(await Store.ListEndedWithoutWordAsync("bank", 0, None));
    }

    [SkippableFact]
    public async Task A_repeated_client_token_of_a_submitter_returns_its_first_job()
    {
        NewJob first = Job(1) with { ClientToken = "monday" };
        Assert.Equal("monday", (await Store.AddJobAsync(first, None)).Job.ClientToken);
        (AddJobOutcome again, JobRecord same) = await Store.AddJobAsync(first with { SubmittedUnixMs = 5 }, None);
        Assert.Equal((AddJobOutcome.Same, Id(1), first.SubmittedUnixMs), (again, same.Job, same.SubmittedUnixMs));
        (AddJobOutcome other, JobRecord kept) = await Store.AddJobAsync(Job(2) with { ClientToken = "monday" }, None);
        Assert.Equal((AddJobOutcome.Different, Id(1)), (other, kept.Job));
        Assert.Null(await Store.FindJobAsync(Id(2), None));

        Assert.Equal(AddJobOutcome.Added, (await Store.AddJobAsync(Job(2) with { ClientToken = "monday", Submitter = new string('b', 64) }, None)).Outcome);
        Assert.Equal(AddJobOutcome.Added, (await Store.AddJobAsync(Job(3), None)).Outcome);
        Assert.Equal(AddJobOutcome.Added, (await Store.AddJobAsync(Job(4), None)).Outcome);
    }

    [SkippableFact]
    public async Task A_list_holds_what_meets_every_condition_and_pages_over_it()
    {
        string other = new('b', 64);
        await Store.AddJobAsync(Job(1), None);
        await Store.AddJobAsync(Job(2) with { Submitter = other, Queued = true }, None);
        await Store.AddJobAsync(Job(3) with { LabelParty = "insurer", Queued = true }, None);
        await Store.AddJobAsync(Job(4) with { Submitter = other, FeatureParty = "insurer" }, None);
        Assert.Equal([4, 2], await ListAsync(new JobFilter(Submitter: other)));
        Assert.Equal([4, 3], await ListAsync(new JobFilter(Party: "insurer")));
        Assert.Equal([3, 2], await ListAsync(new JobFilter(State: JobState.Queued)));
        Assert.Equal([4], await ListAsync(new JobFilter(other, "insurer", JobState.Offered)));
        Assert.Empty(await ListAsync(new JobFilter(Party: "nobody")));
        Assert.Equal([4, 3, 2, 1], await ListAsync(new JobFilter()));

        async Task<List<int>> ListAsync(JobFilter filter)
        {
            var seen = new List<int>();
            for (long? before = long.MaxValue; before is not null;)
            {
                JobPage page = await Store.ListJobsAsync(1, before, filter, None);
                seen.AddRange(page.Jobs.Select(job => int.Parse(job.Job, System.Globalization.NumberStyles.HexNumber, System.Globalization.CultureInfo.InvariantCulture)));
                before = page.Before;
            }

            return seen;
        }
    }

    [SkippableFact]
    public async Task A_list_leaves_out_what_is_not_to_be_seen_and_looks_at_no_more_than_its_span()
    {
        string ann = new('a', 64), bob = new('b', 64), old = new('c', 64);
        await DoneAsync(Job(1) with { Submitter = old });
        await DoneAsync(Job(2) with { Submitter = bob });
        await DoneAsync(Job(3) with { Submitter = bob, FeatureParty = "insurer" });
        await DoneAsync(Job(4) with { Submitter = ann });
        await DoneAsync(Job(5) with { Submitter = bob });
        Sight keys = new([ann, old], null), party = new([], "insurer"), nobody = new([], null);
        Assert.Equal([Id(4), Id(1)], await PagesAsync(keys, 10_000, expectedPages: 1));
        Assert.Equal([Id(3)], await PagesAsync(party, 10_000, expectedPages: 1));
        Assert.Empty(await PagesAsync(nobody, 10_000, expectedPages: 1));
        Assert.Equal([Id(4), Id(1)], await PagesAsync(keys, 2, expectedPages: 3));
        Assert.Equal([Id(4), Id(3), Id(1)], await PagesAsync(new Sight([ann, old], "insurer"), 2, expectedPages: 3));

        async Task<List<string>> PagesAsync(Sight sight, int span, int expectedPages)
        {
            List<string> jobs = [], models = [];
            int pages = 0;
            long? next = null;
            do
            {
                JobPage page = await Store.ListJobsAsync(2, next, new JobFilter { Sight = sight, Span = span }, None);
                ModelPage same = await Store.ListModelsAsync(2, next, new ModelFilter { Sight = sight, Span = span }, None);
                jobs.AddRange(page.Jobs.Select(job => job.Job));
                models.AddRange(same.Models.Select(model => model.Job));
                Assert.Equal(page.Before, same.Before);
                next = page.Before;
                pages++;
            }
            while (next is not null);
            Assert.Equal(expectedPages, pages);
            Assert.Equal(jobs, models);
            return jobs;
        }
    }

    [SkippableFact]
    public async Task The_last_checkpoints_of_many_jobs_are_read_at_once()
    {
        await DoneAsync(Job(1));
        await DoneAsync(Job(2));
        foreach (Phase phase in new[] { Phase.Align, Phase.Train })
            await Store.AddCheckpointAsync(new NewCheckpoint(Id(1), 1, phase, (long)phase, [7], [], 61), None);
        long[] ordinals = [.. (await Store.ListJobsAsync(10, null, null, None)).Jobs.Select(job => job.Ordinal)];
        KeyValuePair<long, Phase> last = Assert.Single(await Store.LastCheckpointsAsync(ordinals, None));
        Assert.Equal((ordinals[1], Phase.Train), (last.Key, last.Value));
        Assert.Empty(await Store.LastCheckpointsAsync([], None));
    }

    [SkippableFact]
    public async Task A_train_job_that_is_done_is_a_model_with_a_state_at_each_party()
    {
        await DoneAsync(Job(1));
        await DoneAsync(Job(2) with { Kind = JobKind.Score });
        await RunningAsync(3);
        await DoneAsync(Job(4) with { Submitter = new string('b', 64), FeatureParty = "insurer" });
        ModelPage page = await Store.ListModelsAsync(10, null, null, None);
        Assert.Equal([Id(4), Id(1)], page.Models.Select(model => model.Job));
        Assert.Null(page.Before);
        ModelRecord first = page.Models[1];
        Assert.Equal(("job 1", "bank", "retailer", new string('a', 64), 60L), (first.Title, first.LabelParty, first.FeatureParty, first.Submitter, first.TrainedUnixMs));
        Assert.Equal((ModelState.Active, ModelState.Active), (first.LabelState, first.FeatureState));
        Assert.Equal(Job(1).SignedSpec, first.SignedSpec);
        Assert.Null(first.ClosingNote);

        await Store.AddCheckpointAsync(new NewCheckpoint(Id(1), 1, Phase.Close, 3, [7, 7], [], 61), None);
        ModelRecord archived = (await Store.RecordModelAsync(Id(1), Role.FeatureParty, ModelState.Archived, None))!;
        Assert.Equal((ModelState.Active, ModelState.Archived), (archived.LabelState, archived.FeatureState));
        Assert.Equal([7, 7], archived.ClosingNote);
        await Store.RecordModelAsync(Id(1), Role.LabelParty, ModelState.Deleted, None);
        await Store.RecordModelAsync(Id(1), Role.LabelParty, ModelState.Active, None);
        Assert.Equal(ModelState.Deleted, (await Store.FindModelAsync(Id(1), None))!.StateOf(Role.LabelParty));
        Assert.Null(await Store.RecordModelAsync(Id(2), Role.LabelParty, ModelState.Archived, None));
        Assert.Null(await Store.FindModelAsync(Id(3), None));

        ModelPage one = await Store.ListModelsAsync(1, null, null, None);
        Assert.Equal([Id(1)], (await Store.ListModelsAsync(1, one.Before, null, None)).Models.Select(model => model.Job));
        Assert.Equal([Id(4)], (await Store.ListModelsAsync(9, null, new ModelFilter(Submitter: new string('b', 64)), None)).Models.Select(model => model.Job));
        Assert.Equal([Id(1)], (await Store.ListModelsAsync(9, null, new ModelFilter(Party: "retailer"), None)).Models.Select(model => model.Job));
    }

    [SkippableFact]
    public async Task The_access_log_keeps_its_lines_in_order_until_they_are_pruned()
    {
        AccessEntry refused = new()
        {
            TimeUnixMs = 10, Fingerprint = new string('c', 64), Name = "ada", Role = "analyst", Call = "JobService/Cancel", Job = Id(1), Allowed = false,
            Detail = "not the submitter",
        };
        await Store.RecordAccessAsync(refused, None);
        await Store.RecordAccessAsync(refused with { TimeUnixMs = 20, Allowed = true, Job = "", Detail = "" }, None);
        await Store.RecordAccessAsync(refused with { TimeUnixMs = 30, Fingerprint = "", Name = "" }, None);
        IReadOnlyList<AccessEntry> all = await Store.ReadAccessAsync(0, 10, None);
        Assert.Equal(refused with { Ordinal = all[0].Ordinal }, all[0]);
        Assert.Equal([10L, 20, 30], all.Select(entry => entry.TimeUnixMs));
        Assert.Equal((true, "", ""), (all[1].Allowed, all[1].Job, all[1].Detail));
        Assert.Equal(all.Skip(1), await Store.ReadAccessAsync(all[1].Ordinal, 2, None));
        Assert.Equal(2, await Store.PruneAccessAsync(30, None));
        Assert.Equal(0, await Store.PruneAccessAsync(30, None));
        await Store.RecordAccessAsync(refused with { TimeUnixMs = 40 }, None);
        all = await Store.ReadAccessAsync(0, 10, None);
        Assert.Equal([30L, 40], all.Select(entry => entry.TimeUnixMs));
    }

    [SkippableFact]
    public async Task A_probe_is_written_as_often_as_asked_and_counts_as_a_write()
    {
        foreach (int bytes in new[] { 0, 100_000, 0, 100_000 })
            await Store.ProbeAsync(bytes, 5, None);
        Assert.Null(Store.Activity!.Failure);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Store.ProbeAsync(-1, 5, None));
    }

    private async Task DoneAsync(NewJob job)
    {
        await Store.AddJobAsync(job, None);
        await Store.RecordAnswerAsync(job.Job, 1, Role.LabelParty, null, 1, None);
        await Store.RecordAnswerAsync(job.Job, 1, Role.FeatureParty, null, 2, None);
        await Store.RecordOutcomeAsync(job.Job, 1, Role.LabelParty, JobState.Done, null, null, 50, None);
        await Store.RecordOutcomeAsync(job.Job, 1, Role.FeatureParty, JobState.Done, null, null, 60, None);
    }
}
