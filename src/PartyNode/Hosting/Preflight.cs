using VertFed.Horizontal.Service;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Data;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Rounds;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;

namespace VertFed.PartyNode.Hosting;

/// <summary>Puts together what this party's rules say of a job before anything of it is sent.</summary>
internal sealed class Preflight(PartyConfig config, NodeKeys keys)
{
    /// <summary>By the rules that need no data.</summary>
    public PreflightReport OfOffer(SignedJob job, PartyFacts facts) => new()
    {
        Job = job.Specification,
        Config = config,
        NeedsApproval = config.Policy.AsksOperator(job.Specification, job.Submitter.Fingerprint, PeerOf(job)),
        Findings = JoinRules.Evaluate(new JobProposal(job.Specification, job.Submitter.Fingerprint, keys.For(JobParties.Own(job.Specification, config)).Fingerprint, config) { Facts = facts }),
    };

    /// <summary>By all rules that do not need the peer.</summary>
    public PreflightReport OfInput(SignedJob job, PreparedInput input, PartyFacts facts)
    {
        PreflightReport offer = OfOffer(job, facts);
        InputShape shape = new(job.Specification.Dataset, input.Ids.Ids.Count, input.Table.Names);
        return offer with
        {
            Shape = shape,
            Findings = [.. offer.Findings, .. InputRules.Evaluate(config, job.Specification, job.Submitter.Fingerprint, PeerOf(job), shape), .. OfRounds(job.Specification, shape, input.Public, facts)],
            Estimate = job.Specification.Horizontal is null
                ? CostModel.Estimate(job.Specification, shape.Rows, shape.Columns.Count)
                : RoundCostModel.Estimate(job.Specification, shape.Rows, shape.Columns.Count),
        };
    }

    private IEnumerable<RuleFinding> OfRounds(JobSpecification job, InputShape shape, PublicRows? held, PartyFacts facts) => job.Horizontal is null
        ? []
        : RoundRules.Evaluate(config.Policy, job, JobPlan.Of(job).Privacy, shape, RoundInput.TrainRows((int)shape.Rows, job), facts.Spent, held);

    public string PeerOf(SignedJob job) => JobParties.PeerNames(job.Specification, config);
}
