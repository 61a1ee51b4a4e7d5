using VertFed.Horizontal.Learning;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Rounds;

/// <summary>A party's rows in the scale that the coordinator says; as they are where the job has none.</summary>
internal sealed class RoundScaling(RoundInput input, ScalingChoice choice)
{
    private Examples? _train;
    private Examples? _public;

    /// <summary>The training rows. The scale is that of the first call: a job has one.</summary>
    public Examples Train(IReadOnlyList<double> means, IReadOnlyList<double> deviations) => _train ??= Apply(input.Train, means, deviations);

    /// <summary>The job's public rows, in the scale of the training rows.</summary>
    public Examples Public(IReadOnlyList<double> means, IReadOnlyList<double> deviations) => _public ??= Apply(input.Public!, means, deviations);

    /// <summary>(value − mean) / deviation, by column.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: not one finite mean and one deviation above 0 for each column; in a job without scaling, any at all.</exception>
    public Examples Apply(Examples rows, IReadOnlyList<double> means, IReadOnlyList<double> deviations)
    {
        if (choice == ScalingChoice.None)
        {
            // They would go into the model's file, where nobody scales by them.
            return means.Count == 0 && deviations.Count == 0
                ? rows
                : throw new VertFedException(ErrorCode.ProtocolViolation, "There are means or deviations, and the job spec asks for no scaling.") { Party = "coordinator", Step = nameof(RoundStep.ModelOrder) };
        }

        int width = input.Columns.Count;
        if (means.Count != width || deviations.Count != width || !means.All(double.IsFinite) || !deviations.All(deviation => deviation > 0 && double.IsFinite(deviation)))
        {
            throw new VertFedException(ErrorCode.ProtocolViolation, "The scaling is not one mean and one deviation above 0 for each column.") { Step = nameof(RoundStep.ModelOrder) };
        }

        double[] features = new double[rows.Count * width];
        for (int row = 0; row < rows.Count; row++)
        {
            ReadOnlySpan<double> raw = rows.Row(row);
            for (int column = 0; column < width; column++)
            {
                features[(row * width) + column] = (raw[column] - means[column]) / deviations[column];
            }
        }

        return Examples.FromRows(features, rows.Labels(), width);
    }
}
