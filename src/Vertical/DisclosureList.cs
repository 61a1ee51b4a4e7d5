using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>What training and evaluation let each participant learn beyond its own data, with counts; the list of docs/protocol.md.</summary>
internal static class DisclosureList
{
    /// <param name="self">Which side reports: scalar counts of the optimiser are the same at both.</param>
    /// <param name="tables">How many link tables crossed.</param>
    public static IReadOnlyList<Disclosure> Of(
        JobSpecification specification, TrainingSetup setup, Role self, TrainingOutcome outcome, int tables)
    {
        string label = specification.LabelParty.Name;
        string feature = specification.FeatureParty.Name;
        bool isLabel = self == Role.LabelParty;
        int own = setup.Columns.Count - (isLabel ? 1 : 0);
        int labelColumns = isLabel ? own : setup.PeerColumns.Count;
        int featureColumns = isLabel ? setup.PeerColumns.Count : own;
        int guards = setup.Guards.Count / 2;
        long iterations = outcome.Iterations;
        List<Disclosure> list =
        [
            new(label, $"{feature}'s column names", featureColumns, nameof(TrainSetup)),
            new(feature, $"{label}'s column names", labelColumns, nameof(TrainSetup)),
            new(label, $"{feature}'s guard values (rows, leverage, levels)", setup.Guards.Count - guards, nameof(TrainSetup)),
            new(feature, $"{label}'s guard values (rows, events, leverage, levels)", guards, nameof(TrainSetup)),
            new(label, "own gradient block, once an iteration", iterations * (labelColumns + 1), nameof(MaskedScalars)),
            new(feature, "own gradient block, once an iteration", iterations * featureColumns, nameof(MaskedScalars)),
            new(label, $"{feature}'s halves of the optimiser's inner products, and the scale of u", outcome.ScalarsReceived, nameof(OptimiserScalars)),
            new(feature, $"{label}'s halves of the optimiser's inner products", outcome.ScalarsReceived, nameof(OptimiserScalars)),
            new(label, $"{feature}'s clipped rows, a count an iteration", iterations, nameof(OptimiserScalars)),
            new(feature, $"{label}'s clipped rows, a count an iteration", iterations, nameof(OptimiserScalars)),
            new(label, "mean train loss", 1, nameof(LossScalar)),
            new(label, $"{feature}'s partial scores of the test rows, to 2^-12", setup.TestRows.Length, nameof(PartialScores)),
            new(feature, "test metrics, mean train loss, convergence", setup.Family.HasLink ? 4 : 3, nameof(EvaluationSummary)),
            new("coordinator", "envelope sizes and order: column counts, link pairs, rounds", iterations, nameof(ResidualShare)),
        ];
        if (setup.Family.HasLink)
        {
            list.Add(new(feature, "link tables: buckets of the mean and deviation of v and the deviation of u, and K", 4L * tables, nameof(LinkTables)));
        }

        return list;
    }
}
