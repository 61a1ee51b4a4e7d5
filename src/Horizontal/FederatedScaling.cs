using VertFed.Horizontal.Learning;

namespace VertFed.Horizontal;

/// <summary>
/// Federated standardisation: every client sends (n, Σ x_j, Σ x_j²) of its rows, or adds them under secure aggregation; from the sums come the
/// same means and deviations (ddof 0) as from all rows together. A column without variance is left at its centred value.
/// </summary>
public sealed class FederatedScaling
{
    private readonly double[] _means;
    private readonly double[] _deviations;

    private FederatedScaling(double[] means, double[] deviations)
    {
        _means = means;
        _deviations = deviations;
    }

    public ReadOnlySpan<double> Means => _means;

    public ReadOnlySpan<double> Deviations => _deviations;

    /// <summary>A client's part: [n, Σ x_1, …, Σ x_d, Σ x_1², …, Σ x_d²].</summary>
    public static double[] Contribution(Examples examples)
    {
        int d = examples.Features;
        double[] part = new double[1 + (2 * d)];
        part[0] = examples.Count;
        for (int i = 0; i < examples.Count; i++)
        {
            ReadOnlySpan<double> row = examples.Row(i);
            for (int j = 0; j < d; j++)
            {
                part[1 + j] += row[j];
                part[1 + d + j] = Math.FusedMultiplyAdd(row[j], row[j], part[1 + d + j]);
            }
        }

        return part;
    }

    /// <summary>The scaling that the sum of all contributions gives.</summary>
    /// <exception cref="HorizontalException">No rows, or sums that no rows have.</exception>
    public static FederatedScaling FromSum(ReadOnlySpan<double> sum)
    {
        Throw.If(sum.Length < 3 || sum.Length % 2 == 0, HorizontalError.WrongShape, "A sum for scaling has one count and two numbers a column.");
        Throw.IfNotFinite(sum, "The sum for scaling");
        double n = sum[0];
        Throw.Invalid(n < 1, "There are no rows to scale by.");
        int d = (sum.Length - 1) / 2;
        double[] means = new double[d];
        double[] deviations = new double[d];
        for (int j = 0; j < d; j++)
        {
            means[j] = sum[1 + j] / n;
            double square = sum[1 + d + j] / n;
            double variance = square - (means[j] * means[j]);
            Throw.Invalid(variance < -1e-6 * square, "The sums for scaling contradict each other: a variance is below zero.");

            // Below this the difference is the sums' own rounding.
            deviations[j] = variance > 1e-12 * square ? Math.Sqrt(variance) : 1;
        }

        return new FederatedScaling(means, deviations);
    }

    /// <summary>(x − mean) / deviation of every row, in a new table.</summary>
    public Examples Apply(Examples examples)
    {
        Throw.Invalid(examples.Features != _means.Length, "The rows do not have the columns that the scaling was made from.");
        double[] scaled = new double[examples.Count * examples.Features];
        for (int i = 0; i < examples.Count; i++)
        {
            ReadOnlySpan<double> row = examples.Row(i);
            for (int j = 0; j < row.Length; j++)
            {
                scaled[(i * row.Length) + j] = (row[j] - _means[j]) / _deviations[j];
            }
        }

        return Examples.FromRows(scaled, examples.Labels(), examples.Features);
    }
}
