using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Service;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Rounds;

/// <summary>
/// This party's privacy account: what horizontal jobs have cost a row of each dataset. An open job counts with all that it may cost, so that two that run at
/// once cannot go over the budget together.
/// </summary>
internal sealed class PrivacyDesk(PartyConfig config, IPartyStore store, TimeProvider time)
{
    /// <summary>What other jobs on the job's dataset have spent, or may yet.</summary>
    public async Task<PrivacyAccountant> SpentByOthersAsync(JobSpecification job, CancellationToken cancellationToken) =>
        TotalOf((await store.ListPrivacyAsync(cancellationToken)).Where(one => one.Dataset == job.Dataset && one.Job != job.Job), withPlans: true);

    /// <summary>Takes what a job may cost out of the budget, durably before the job is accepted.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: other jobs have taken too much of it.</exception>
    public async Task ReserveAsync(JobSpecification job, PreparedInput input, CancellationToken cancellationToken)
    {
        if (job.Horizontal is not { } spec || JobPlan.Of(job).Privacy is not { } privacy)
        {
            return;
        }

        // Planned first and judged then: of two jobs that come at once each sees the other. One that is refused ends, and counts no more.
        int rows = RoundInput.TrainRows(input.Table.Rows, job);
        double[] planned = privacy.RowAccount(PrivacyAccountant.Fresh, rows, spec.Rounds).Values.ToArray();
        await store.PlanPrivacyAsync(job.Job, job.Dataset, privacy.Level, planned, time.GetUtcNow().ToUnixTimeMilliseconds(), cancellationToken);
        RuleFinding.Require([RoundRules.Budget(config.Policy, job, privacy, rows, await SpentByOthersAsync(job, cancellationToken))], config.Name);
    }

    /// <summary>What the operator is shown, by dataset.</summary>
    public static async Task<NodePrivacy> DescribeAsync(PartyPolicy policy, IPartyStore store, CancellationToken cancellationToken)
    {
        PrivacyBound? budget = policy.Rounds.Budget;
        double delta = budget?.Delta ?? PolicyReader.StandardDelta;
        NodePrivacy shown = new();
        foreach (IGrouping<string, PrivacySpending> dataset in (await store.ListPrivacyAsync(cancellationToken)).GroupBy(one => one.Dataset, StringComparer.Ordinal))
        {
            shown.Datasets.Add(new NodeDatasetPrivacy
            {
                Dataset = dataset.Key,
                Jobs = (uint)dataset.Count(),
                Rounds = (ulong)dataset.Sum(one => one.Rounds),
                Delta = delta,
                Spent = TotalOf(dataset, withPlans: false).Epsilon(delta),
                Promised = TotalOf(dataset, withPlans: true).Epsilon(delta),
                Budget = budget?.Epsilon ?? 0,
            });
        }

        return shown;
    }

    private static PrivacyAccountant TotalOf(IEnumerable<PrivacySpending> jobs, bool withPlans)
    {
        double[] total = new double[PrivacyAccountant.Orders.Length];
        foreach (PrivacySpending job in jobs)
        {
            for (int i = 0; i < total.Length; i++)
            {
                total[i] += withPlans && job.IsOpen ? Math.Max(job.Planned[i], job.Spent[i]) : job.Spent[i];
            }
        }

        return PrivacyAccountant.FromValues(total);
    }
}
