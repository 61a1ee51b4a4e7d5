using System.Globalization;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Service;
using VertFed.PartyNode.Data;
using VertFed.Protocol;

namespace VertFed.PartyNode.Policies;

/// <summary>The rules that need the loaded input of a horizontal job: how many rows there are, and what the job's rounds would cost one of them.</summary>
internal static class RoundRules
{
    /// <param name="trainRows">Own rows that train, at least 1.</param>
    /// <param name="spent">What other jobs on the dataset have spent, or may yet.</param>
    /// <param name="held">What this party has under the name of the job's public rows; null: nothing.</param>
    public static IReadOnlyList<RuleFinding> Evaluate(
        PartyPolicy policy, JobSpecification job, JobPrivacy? privacy, InputShape shape, int trainRows, PrivacyAccountant spent, PublicRows? held) =>
    [
        RuleFinding.Of(
            PolicyRules.MinimumRows, RuleMoment.Input,
            shape.Rows >= policy.Rounds.MinimumRows
                ? null
                : string.Create(CultureInfo.InvariantCulture, $"the input has {shape.Rows} rows where at least {policy.Rounds.MinimumRows} are asked for"),
            policy),
        RuleFinding.Of(
            PolicyRules.PublicRows, RuleMoment.Input, PublicRows.Objection(job.Horizontal!.PublicRows, held), policy, job.Horizontal.PublicRows is null ? "the job has no public rows" : ""),
        RuleFinding.Of(PolicyRules.JobBudget, RuleMoment.Input, OverOwnBudget(job, privacy, trainRows), policy, "no privacy is asked for, or it stays within the job's own budget"),
        RuleFinding.Of(PolicyRules.MaxEpsilon, RuleMoment.Input, OverJobBound(policy, job, privacy, trainRows), policy),
        Budget(policy, job, privacy, trainRows, spent),
    ];

    /// <summary>Whether a job on top of what is spent stays within the policy's budget.</summary>
    public static RuleFinding Budget(PartyPolicy policy, JobSpecification job, JobPrivacy? privacy, int trainRows, PrivacyAccountant spent) => RuleFinding.Of(
        PolicyRules.PrivacyBudget, RuleMoment.Input, OverBudget(policy, job, privacy, trainRows, spent), policy, policy.Rounds.Budget is null ? "the policy has no privacy budget" : "");

    private static string? OverOwnBudget(JobSpecification job, JobPrivacy? privacy, int trainRows)
    {
        if (privacy is null)
        {
            return null;
        }

        double epsilon = privacy.Epsilon(trainRows, job.Horizontal!.Rounds);
        return epsilon <= privacy.Budget
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"the job would come to epsilon {epsilon:0.###} at delta {privacy.Delta:g2}; its own budget is {privacy.Budget:0.###}");
    }

    private static string? OverJobBound(PartyPolicy policy, JobSpecification job, JobPrivacy? privacy, int trainRows)
    {
        if (policy.Rounds.MaxEpsilon is not { } bound)
        {
            return null;
        }

        if (privacy is null)
        {
            return string.Create(CultureInfo.InvariantCulture, $"the job asks for no privacy, so no epsilon bounds what it tells of a row; {bound.Epsilon:0.###} is allowed");
        }

        double planned = privacy.RowAccount(PrivacyAccountant.Fresh, trainRows, job.Horizontal!.Rounds).Epsilon(bound.Delta);
        return planned <= bound.Epsilon
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"the job may cost a row epsilon {planned:0.###} at delta {bound.Delta:g2}; {bound.Epsilon:0.###} is allowed");
    }

    private static string? OverBudget(PartyPolicy policy, JobSpecification job, JobPrivacy? privacy, int trainRows, PrivacyAccountant spent)
    {
        if (policy.Rounds.Budget is not { } budget)
        {
            return null;
        }

        string before = string.Create(
            CultureInfo.InvariantCulture, $"of the privacy budget of dataset '{job.Dataset}', epsilon {budget.Epsilon:0.###} at delta {budget.Delta:g2}, {spent.Epsilon(budget.Delta):0.###} is spent or promised");
        if (privacy is null)
        {
            return before + "; the job asks for no privacy, so no epsilon bounds what it costs";
        }

        double planned = privacy.RowAccount(PrivacyAccountant.Fresh, trainRows, job.Horizontal!.Rounds).Epsilon(budget.Delta);
        double together = privacy.RowAccount(spent, trainRows, job.Horizontal.Rounds).Epsilon(budget.Delta);
        return together <= budget.Epsilon
            ? null
            : before + string.Create(CultureInfo.InvariantCulture, $"; the job plans {planned:0.###} of its own, together {together:0.###}");
    }
}
