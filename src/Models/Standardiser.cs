namespace VertFed.Models;

/// <summary>
/// Mean and population standard deviation (ddof 0) of a party's own aligned training rows, and their application to any rows.
/// Data is column-major: <c>columns[j][row]</c>.
/// </summary>
public sealed class Standardiser
{
    private readonly double[] _means;
    private readonly double[] _deviations;

    private Standardiser(string[] names, double[] means, double[] deviations)
    {
        Names = names;
        _means = means;
        _deviations = deviations;
    }

    /// <summary>Column names in order.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Training means, one per column.</summary>
    public ReadOnlySpan<double> Means => _means;

    /// <summary>Population standard deviations, one per column, all positive.</summary>
    public ReadOnlySpan<double> Deviations => _deviations;

    /// <summary>Learns the scaling from the rows named by <paramref name="rows"/>.</summary>
    /// <param name="names">One name per column, for messages.</param>
    /// <param name="columns">All columns, column-major.</param>
    /// <param name="rows">Indices of the training rows, in the aligned order.</param>
    /// <exception cref="ModelException">No rows; a value that is not finite; a column without variance (its name is in the
    /// message).</exception>
    public static Standardiser Fit(IReadOnlyList<string> names, double[][] columns, int[] rows)
    {
        Throw.If(names.Count != columns.Length, ModelError.InvalidInput, "There has to be one name per column.");
        Throw.If(rows.Length == 0, ModelError.InvalidInput, "There are no training rows to scale by.");
        double[] means = new double[columns.Length];
        double[] deviations = new double[columns.Length];
        double[] values = new double[rows.Length];
        for (int j = 0; j < columns.Length; j++)
        {
            Gather(columns[j], rows, values);
            double mean = Reductions.Sum(values) / rows.Length;
            Throw.If(!double.IsFinite(mean), ModelError.NotFinite, $"Column '{names[j]}' holds a value that is not finite.");
            for (int i = 0; i < values.Length; i++)
            {
                values[i] -= mean;
            }

            // Second pass: the mean of the centred values is the rounding error of the first mean.
            double correction = Reductions.Sum(values) / rows.Length;
            double variance = (Reductions.Dot(values, values) / rows.Length) - (correction * correction);
            double deviation = Math.Sqrt(Math.Max(variance, 0));
            double magnitude = Math.Abs(mean) + deviation;
            Throw.If(
                !(deviation > 1e-12 * magnitude) || !double.IsFinite(deviation),
                ModelError.ZeroVariance,
                $"Column '{names[j]}' has the same value in every training row: it has no variance to learn from. Remove it.");
            means[j] = mean + correction;
            deviations[j] = deviation;
        }

        return new Standardiser([.. names], means, deviations);
    }

    /// <summary>(x − mean) / deviation of one column's rows.</summary>
    public void Apply(int column, double[] source, int[] rows, Span<double> destination)
    {
        double mean = _means[column];
        double deviation = _deviations[column];
        for (int i = 0; i < rows.Length; i++)
        {
            destination[i] = (source[rows[i]] - mean) / deviation;
        }
    }

    /// <summary>Standardises the given rows and rounds them to multiples of 2^−featureBits.</summary>
    /// <param name="withIntercept">Adds a last column of ones (the label party's block).</param>
    public QuantisedColumns Quantise(double[][] columns, int[] rows, int featureBits, bool withIntercept)
    {
        Throw.If(columns.Length != _means.Length, ModelError.InvalidInput, "The columns are not those that the scaling was learnt from.");
        int[][] quantised = new int[columns.Length + (withIntercept ? 1 : 0)][];
        double[] values = new double[rows.Length];
        double scale = DeterministicMath.PowerOfTwo(featureBits);
        for (int j = 0; j < columns.Length; j++)
        {
            Apply(j, columns[j], rows, values);
            int[] column = new int[rows.Length];
            for (int i = 0; i < values.Length; i++)
            {
                double scaled = Math.Round(values[i] * scale, MidpointRounding.ToEven);
                Throw.If(
                    !(Math.Abs(scaled) <= int.MaxValue),
                    ModelError.ScaleDoesNotFit,
                    $"Column '{Names[j]}' has a value too far from its mean for {featureBits} fractional bits.");
                column[i] = (int)scaled;
            }

            quantised[j] = column;
        }

        if (withIntercept)
        {
            quantised[^1] = new int[rows.Length];
            Array.Fill(quantised[^1], 1 << featureBits);
        }

        return new QuantisedColumns(quantised, rows.Length, featureBits, withIntercept);
    }

    /// <summary>
    /// Linear predictor of any rows on the standardised scale, in double precision (test rows are never quantised):
    /// intercept + Σ_j w_j (x_j − mean_j) / deviation_j, columns added in order.
    /// </summary>
    public double[] LinearPredictor(double[][] columns, int[] rows, ReadOnlySpan<double> weights, double intercept)
    {
        Throw.If(
            columns.Length != _means.Length || weights.Length != _means.Length,
            ModelError.InvalidInput,
            "There has to be one weight per column.");
        double[] result = new double[rows.Length];
        Array.Fill(result, intercept);
        double[] values = new double[rows.Length];
        for (int j = 0; j < columns.Length; j++)
        {
            Apply(j, columns[j], rows, values);
            Reductions.MultiplyAdd(weights[j], values, result);
        }

        return result;
    }

    private static void Gather(double[] column, int[] rows, double[] destination)
    {
        for (int i = 0; i < rows.Length; i++)
        {
            destination[i] = column[rows[i]];
        }
    }
}
