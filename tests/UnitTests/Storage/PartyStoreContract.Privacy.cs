using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using Xunit;

namespace VertFed.UnitTests.Storage;

/// <content>The privacy account of horizontal jobs.</content>
public abstract partial class PartyStoreContract
{
    [SkippableFact]
    public async Task A_round_is_paid_for_once_whenever_its_answer_is_made_again()
    {
        await Store.AddJobAsync(NewJob(Job), None);
        Assert.Equal(ErrorCode.Storage, (await Assert.ThrowsAsync<VertFedException>(() => Store.SpendPrivacyAsync(Job, 1, [1, 2], 5, None))).Code);
        await Store.PlanPrivacyAsync(Job, "default", PrivacyLevel.Record, [10, 20], 5, None);
        await Store.SpendPrivacyAsync(Job, 1, [1, 2.5], 6, None);
        await Store.SpendPrivacyAsync(Job, 1, [1, 2.5], 7, None);
        await Store.SpendPrivacyAsync(Job, 4, [1, 2.5], 8, None);
        PrivacySpending spent = await Store.SpendPrivacyAsync(Job, 3, [1, 2.5], 9, None);

        Assert.Equal((2u, 4u, 8L), (spent.Rounds, spent.LastRound, spent.UpdatedUnixMs));
        Assert.Equal([2, 5], spent.Spent);
        Assert.Equal(ErrorCode.Storage, (await Assert.ThrowsAsync<VertFedException>(() => Store.SpendPrivacyAsync(Job, 5, [1], 5, None))).Code);

        // Planned anew, as when the data is read again before the job is accepted: what was spent stays.
        await Store.PlanPrivacyAsync(Job, "default", PrivacyLevel.Record, [11, 21], 10, None);
        PrivacySpending listed = Assert.Single(await Store.ListPrivacyAsync(None));
        Assert.Equal([2, 5], listed.Spent);
        Assert.Equal([11, 21], listed.Planned);
        Assert.Equal(("default", PrivacyLevel.Record, true), (listed.Dataset, listed.Level, listed.IsOpen));
    }

    [SkippableFact]
    public async Task A_jobs_plan_counts_while_it_is_open_and_its_account_outlives_it()
    {
        await Store.AddJobAsync(NewJob(Job), None);
        await Store.AddJobAsync(NewJob(Second), None);
        await Store.PlanPrivacyAsync(Second, "spring", PrivacyLevel.Client, [1], 5, None);
        await Store.PlanPrivacyAsync(Job, "default", PrivacyLevel.Distributed, [1], 5, None);
        await Store.SetStateAsync(Job, JobState.Running, null, 6, None);
        await Store.SetStateAsync(Second, JobState.Refused, new JobError { Code = "Refused" }, 6, None);

        Assert.Equal([(Job, true), (Second, false)], (await Store.ListPrivacyAsync(None)).Select(one => (one.Job, one.IsOpen)));
        await Store.SpendPrivacyAsync(Job, 1, [0.5], 7, None);
        await Store.SetStateAsync(Job, JobState.Done, null, 8, None);
        await Store.PruneAsync(1000, None);
        PrivacySpending left = (await Store.ListPrivacyAsync(None))[0];
        Assert.Equal((false, 1u), (left.IsOpen, left.Rounds));
        Assert.Equal([0.5], left.Spent);
    }
}
