namespace VertFed.Models;

/// <summary>
/// Leverage of a party's own training rows: the diagonal of the hat matrix X (X'X)⁻¹ X' of its standardised columns with an intercept
/// (Belsley, Kuh and Welsch 1980, chapter 2). Values lie in [1/n, 1] and sum to the number of columns plus one. A row near 1 is fitted
/// by itself, and a gradient then reveals its residual.
/// </summary>
public static class Leverage
{
    private const int ChunkRows = 512;

    // Mends exactly collinear columns; changes no leverage by more than a part in 10^8 otherwise.
    private const double Ridge = 1e-9;

    /// <summary>One leverage per row.</summary>
    public static double[] Of(QuantisedColumns columns)
    {
        int rows = columns.Rows;
        int d = columns.HasIntercept ? columns.Count - 1 : columns.Count;
        double[] result = new double[rows];
        Array.Fill(result, 1.0 / rows);
        if (d == 0)
        {
            return result;
        }

        double[] full = columns.Gram();
        double[] gram = new double[d * d];
        for (int j = 0; j < d; j++)
        {
            full.AsSpan(j * columns.Count, d).CopyTo(gram.AsSpan(j * d));
            gram[(j * d) + j] += Ridge;
        }

        Cholesky factor = Cholesky.Factor(gram, d);
        double unit = DeterministicMath.PowerOfTwo(-columns.FeatureBits);
        Parallel.For(0, (rows + ChunkRows - 1) / ChunkRows, Processors.OneThreadEach, chunk =>
        {
            int start = chunk * ChunkRows;
            int length = Math.Min(ChunkRows, rows - start);
            double[][] solved = new double[d][];
            Span<double> sums = result.AsSpan(start, length);
            for (int j = 0; j < d; j++)
            {
                double[] column = new double[length];
                Reductions.ToDouble(columns[j].Slice(start, length), column);
                ReadOnlySpan<double> lower = factor.LowerRow(j);

                // Forward substitution for many rows at once: L t = x.
                double scale = unit / lower[j];
                for (int i = 0; i < length; i++)
                {
                    column[i] *= scale;
                }

                for (int k = 0; k < j; k++)
                {
                    Reductions.MultiplyAdd(-lower[k] / lower[j], solved[k], column);
                }

                solved[j] = column;
                for (int i = 0; i < length; i++)
                {
                    sums[i] = Math.FusedMultiplyAdd(column[i] / rows, column[i], sums[i]);
                }
            }
        });
        return result;
    }
}
