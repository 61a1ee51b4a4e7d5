using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Service;
using VertFed.Horizontal.Simulation;
using VertFed.Protocol;

namespace VertFed.PartyNode.Policies;

/// <summary>
/// What a horizontal job is likely to cost: its messages counted from the spec and the width of the model, its work from the own rows. Columns that are
/// encoded as several count as one, compression is left out, and the others are taken to be no slower.
/// </summary>
public static class RoundCostModel
{
    private const int NumberBytes = 8;
    private const int EnvelopeBytes = 400;
    private const int KeysBytes = 300;
    private const int SealedShareBytes = 140;
    private const int OpenShareBytes = 50;
    private const double SecondsPerJob = 1;
    private const double SecondsPerMessage = 0.02;
    private const double SecondsPerCell = 4e-9;
    private const double SecondsPerMask = 0.3e-3;
    private const double SecondsPerMaskedNumber = 10e-9;

    /// <param name="rows">Own rows.</param>
    /// <param name="columns">Own columns, at least 1.</param>
    /// <exception cref="VertFedException">A word of the spec means nothing.</exception>
    public static CostEstimate Estimate(JobSpecification job, long rows, int columns)
    {
        JobPlan plan = JobPlan.Of(job);
        HorizontalSpecification spec = plan.Specification;
        FederatedModel model = plan.ModelOf(Math.Max(1, columns));
        long parameters = model.Layout.Length;
        long carried = plan.OrderLength(model);
        int invited = ClientSelection.Invitations(spec.ClientsPerRound, spec.OverSelection, job.Parties.Count);

        // The model (or with distillation the consensus) goes out each round, and an update comes back; control variates double both.
        long vector = carried * NumberBytes * (plan.Strategy.UsesControl ? 2 : 1);
        long bytes = 2 * (vector + EnvelopeBytes);
        int messages = 2;
        double seconds = 2.0 * rows * spec.Epochs * parameters * SecondsPerCell;
        if (plan.Digest is { } digest)
        {
            seconds += 2.0 * spec.PublicRows!.Rows * digest.Epochs * parameters * SecondsPerCell;
        }

        if (spec.IsSecure)
        {
            bytes += (long)invited * (KeysBytes + EnvelopeBytes + (2 * SealedShareBytes) + OpenShareBytes);
            messages += 6;
            seconds += 2 * invited * (SecondsPerMask + (carried * SecondsPerMaskedNumber));
        }

        seconds += messages * SecondsPerMessage;
        return new CostEstimate(Math.Round(SecondsPerJob + (spec.Rounds * seconds), 1), spec.Rounds * bytes * invited);
    }
}
