using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using Xunit;

namespace VertFed.UnitTests.Storage;

/// <content>Approval, the day's count, and models.</content>
public abstract partial class PartyStoreContract
{
    private const string Second = "00000000000000000000000000000002";
    private const string Third = "00000000000000000000000000000003";

    [SkippableFact]
    public async Task Jobs_count_from_the_time_they_ran_and_refused_ones_do_not()
    {
        await Store.AddJobAsync(NewJob(Job) with { State = JobState.Running, ReceivedUnixMs = 100 }, None);
        await Store.AddJobAsync(NewJob(Second) with { ReceivedUnixMs = 100 }, None);
        await Store.AddJobAsync(NewJob(Third) with { State = JobState.Refused, ReceivedUnixMs = 100 }, None);
        Assert.Equal(1, await Store.CountJobsSinceAsync(0, None));
        PartyJob ran = (await Store.SetStateAsync(Second, JobState.Running, null, 200, None))!;
        Assert.Equal(200, ran.AcceptedUnixMs);
        Assert.Equal(200, (await Store.SetStateAsync(Second, JobState.Running, null, 300, None))!.AcceptedUnixMs);
        await Store.SetStateAsync(Second, JobState.Refused, new JobError { Code = "Refused" }, 400, None);
        Assert.Equal(2, await Store.CountJobsSinceAsync(100, None));
        Assert.Equal(1, await Store.CountJobsSinceAsync(101, None));
        Assert.Equal(0, await Store.CountJobsSinceAsync(201, None));
    }

    [SkippableFact]
    public async Task A_held_job_waits_until_the_operators_first_decision()
    {
        await Store.AddJobAsync(NewJob(Job), None);
        await Store.AddJobAsync(NewJob(Second), None);
        await Store.AddJobAsync(NewJob(Third) with { State = JobState.Running }, None);
        Assert.Empty(await Store.ListHeldAsync(None));
        Assert.Equal(50, (await Store.HoldJobAsync(Second, 1, 50, None))!.HeldUnixMs);
        Assert.Equal(50, (await Store.HoldJobAsync(Second, 1, 60, None))!.HeldUnixMs);
        await Store.HoldJobAsync(Job, 1, 70, None);
        Assert.Equal(0, (await Store.HoldJobAsync(Third, 1, 70, None))!.HeldUnixMs);
        Assert.Null(await Store.HoldJobAsync(Job, 2, 70, None));
        Assert.Null(await Store.HoldJobAsync(new string('f', 32), 1, 70, None));
        Assert.Equal([Job, Second], (await Store.ListHeldAsync(None)).Select(job => job.Job));

        Assert.Null(await Store.FindDecisionAsync(Job, 1, None));
        var approved = new OperatorDecision(Job, 1, IsApproved: true, "as agreed", 80);
        Assert.Equal(approved, await Store.RecordDecisionAsync(Job, 1, isApproved: true, "as agreed", 80, None));
        Assert.Equal(approved, await Store.RecordDecisionAsync(Job, 1, isApproved: false, "never", 90, None));
        Assert.Equal(approved, await Store.FindDecisionAsync(Job, 1, None));
        Assert.Null(await Store.RecordDecisionAsync(Job, 2, isApproved: true, "", 80, None));
        Assert.False((await Store.RecordDecisionAsync(Second, 1, isApproved: false, "", 80, None))!.IsApproved);
        Assert.Empty(await Store.ListHeldAsync(None));
    }

    [SkippableFact]
    public async Task A_done_job_with_a_model_leaves_it_active_and_another_job_leaves_none()
    {
        await FinishAsync(Job, JobState.Done, [1, 2, 3]);
        await FinishAsync(Second, JobState.Failed, [4]);
        await FinishAsync(Third, JobState.Done, null);
        StoredModel model = Assert.Single(await Store.ListModelsAsync(10, null, None));
        Assert.Equal((Job, 1u, Role.LabelParty, ModelState.Active, 55L), (model.Job, model.Attempt, model.Role, model.State, model.TrainedUnixMs));
        Assert.Equal([1, 2, 3], model.Model);
        Assert.Null(model.TranscriptRoot);
        Assert.Empty(await Store.ListModelsAsync(10, model.Ordinal, None));
        Assert.Null(await Store.FindModelAsync(Second, None));
        Assert.Null(await Store.FindModelAsync(Third, None));
    }

    [SkippableFact]
    public async Task A_model_is_bound_to_one_transcript()
    {
        byte[] root = [.. Enumerable.Repeat((byte)7, 32)];
        Assert.Null(await Store.BindModelAsync(Job, root, None));
        await FinishAsync(Job, JobState.Done, [1]);
        Assert.Equal(root, (await Store.BindModelAsync(Job, root, None))!.TranscriptRoot);
        Assert.Equal(root, (await Store.BindModelAsync(Job, root, None))!.TranscriptRoot);
        VertFedException exception = await Assert.ThrowsAsync<VertFedException>(() => Store.BindModelAsync(Job, new byte[32], None));
        Assert.Equal(ErrorCode.Diverges, exception.Code);
        Assert.Equal(root, (await Store.FindModelAsync(Job, None))!.TranscriptRoot);
    }

    [SkippableFact]
    public async Task A_deleted_model_is_gone_from_every_place_and_stays_deleted()
    {
        await FinishAsync(Job, JobState.Done, [1]);
        await FinishAsync(Second, JobState.Done, [2]);
        Assert.Equal(ModelState.Archived, (await Store.SetModelStateAsync(Job, ModelState.Archived, None))!.State);
        Assert.Equal([1], (await Store.SetModelStateAsync(Job, ModelState.Active, None))!.Model);
        StoredModel deleted = (await Store.SetModelStateAsync(Job, ModelState.Deleted, None))!;
        Assert.Equal(ModelState.Deleted, deleted.State);
        Assert.Null(deleted.Model);
        PartyResult result = (await Store.ReadResultAsync(Job, 1, None))!;
        Assert.Null(result.Model);
        Assert.Equal([9], result.Report);
        Assert.Equal(ModelState.Deleted, (await Store.SetModelStateAsync(Job, ModelState.Active, None))!.State);
        await Store.SaveResultAsync(Job, 1, new PartyResult(JobState.Done, null, [9], [1], [], [8], 99), None);
        Assert.Null((await Store.FindModelAsync(Job, None))!.Model);
        Assert.Equal([2], (await Store.FindModelAsync(Second, None))!.Model);
        Assert.Null(await Store.SetModelStateAsync(Third, ModelState.Deleted, None));
    }

    [SkippableFact]
    public async Task Erased_payloads_leave_what_was_signed_and_other_jobs_alone()
    {
        foreach (string job in new[] { Job, Second })
        {
            await FinishAsync(job, JobState.Done, [1]);
            await Store.SaveAttemptAsync(Attempt() with { Job = job }, None);
            await Store.AppendOutboundAsync(job, 1, 0, Envelope(1, 10), None);
            await Store.AppendInboundAsync(job, 1, 0, Envelope(2, 10), None);
            await Store.AppendInboundAsync(job, 1, 1, Envelope(3, 10), None);
        }

        await Store.ErasePayloadsAsync(Job, 1, inbound: true, [0, 7], None);
        await Store.ErasePayloadsAsync(Job, 1, inbound: true, [0], None);

        Envelope erased = (await Store.ReadInboundAsync(Job, 1, 0, None))!;
        Assert.Empty(erased.Payload);
        Assert.Equal((Envelope(2, 10).Core, Envelope(2, 10).Attestation), (erased.Core, erased.Attestation));
        Assert.Equal(Envelope(3, 10), await Store.ReadInboundAsync(Job, 1, 1, None));
        Assert.Equal(Envelope(1, 10), await Store.ReadOutboundAsync(Job, 1, 0, None));
        Assert.Equal(Envelope(2, 10), await Store.ReadInboundAsync(Second, 1, 0, None));
    }

    private async Task FinishAsync(string job, JobState state, byte[]? model)
    {
        await Store.AddJobAsync(NewJob(job) with { State = JobState.Running }, None);
        await Store.SaveResultAsync(job, 1, new PartyResult(state, null, [9], model, [], [8], 55), None);
    }
}
