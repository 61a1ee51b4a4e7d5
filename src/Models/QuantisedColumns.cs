namespace VertFed.Models;

/// <summary>
/// A party's standardised training columns as integers: x = integer · 2^−FeatureBits. These integers are the multiplicands of
/// the encrypted inner products, and everything else (linear predictor, whitening) uses the same rounded values, so that the
/// optimum that is sought is that of one fixed data set.
/// </summary>
public sealed class QuantisedColumns
{
    private const int ChunkRows = 2048;
    private readonly int[][] _columns;

    internal QuantisedColumns(int[][] columns, int rows, int featureBits, bool hasIntercept)
    {
        _columns = columns;
        Rows = rows;
        FeatureBits = featureBits;
        HasIntercept = hasIntercept;
    }

    public int Rows { get; }

    /// <summary>Number of columns, the intercept's included.</summary>
    public int Count => _columns.Length;

    /// <summary>Fractional bits of the integers.</summary>
    public int FeatureBits { get; }

    /// <summary>The last column is the constant 1 (label party only).</summary>
    public bool HasIntercept { get; }

    /// <summary>The integers of one column, in the order of the rows.</summary>
    public ReadOnlySpan<int> this[int column] => _columns[column];

    /// <summary>Σ_j w_j x_j per row, columns added in order with one fused multiply-add each.</summary>
    /// <param name="weights">One weight per column; the last is the intercept where there is one.</param>
    public double[] LinearPredictor(ReadOnlySpan<double> weights)
    {
        Throw.If(weights.Length != Count, ModelError.InvalidInput, "There has to be one weight per column.");
        double unit = DeterministicMath.PowerOfTwo(-FeatureBits);
        double[] scaled = new double[Count];
        for (int j = 0; j < scaled.Length; j++)
        {
            scaled[j] = weights[j] * unit;
        }

        double[] result = new double[Rows];
        Parallel.For(0, (Rows + ChunkRows - 1) / ChunkRows, Processors.OneThreadEach, chunk =>
        {
            int start = chunk * ChunkRows;
            int length = Math.Min(ChunkRows, Rows - start);
            Span<double> buffer = stackalloc double[length];
            for (int j = 0; j < scaled.Length; j++)
            {
                Reductions.ToDouble(_columns[j].AsSpan(start, length), buffer);
                Reductions.MultiplyAdd(scaled[j], buffer, result.AsSpan(start, length));
            }
        });
        return result;
    }

    /// <summary>Exact ⟨column, r⟩ of integers, in units of 2^−(FeatureBits + residual bits).</summary>
    /// <exception cref="OverflowException">The sum leaves 64 bits, which the scale planner rules out.</exception>
    public long Dot(int column, ReadOnlySpan<long> residuals)
    {
        int[] x = _columns[column];
        long sum = 0;
        for (int i = 0; i < x.Length; i++)
        {
            sum = checked(sum + (x[i] * residuals[i]));
        }

        return sum;
    }

    /// <summary>⟨column, r⟩ in double precision, on the standardised scale.</summary>
    public double Dot(int column, ReadOnlySpan<double> residuals)
    {
        double[] x = new double[Rows];
        Reductions.ToDouble(_columns[column], x);
        return Reductions.Dot(x, residuals) * DeterministicMath.PowerOfTwo(-FeatureBits);
    }

    /// <summary>Euclidean norm of one column's integers (units of 2^−FeatureBits), rounded up by a part in 2^40.</summary>
    public double Norm(int column)
    {
        double[] x = new double[Rows];
        Reductions.ToDouble(_columns[column], x);
        return Math.Sqrt(Reductions.Dot(x, x)) * (1 + DeterministicMath.PowerOfTwo(-40));
    }

    /// <summary>The largest <see cref="Norm"/> of all columns, the number that the noise flooding is sized by.</summary>
    public double MaxNorm()
    {
        double max = 0;
        for (int j = 0; j < Count; j++)
        {
            max = Math.Max(max, Norm(j));
        }

        return max;
    }

    /// <summary>X'X / n on the standardised scale, row-major Count × Count, both triangles; weights, where given, make X'SX / n.</summary>
    public double[] Gram(ReadOnlyMemory<double> weights = default)
    {
        int d = Count;
        double[] gram = new double[d * d];
        double[][] chunk = new double[d][];
        double[][] weighted = new double[d][];
        for (int j = 0; j < d; j++)
        {
            chunk[j] = new double[Math.Min(ChunkRows, Rows)];
            weighted[j] = weights.IsEmpty ? chunk[j] : new double[chunk[j].Length];
        }

        for (int start = 0; start < Rows; start += ChunkRows)
        {
            int from = start;
            int length = Math.Min(ChunkRows, Rows - from);
            for (int j = 0; j < d; j++)
            {
                Reductions.ToDouble(_columns[j].AsSpan(from, length), chunk[j]);
                if (!weights.IsEmpty)
                {
                    ReadOnlySpan<double> s = weights.Span.Slice(from, length);
                    for (int i = 0; i < length; i++)
                    {
                        weighted[j][i] = chunk[j][i] * s[i];
                    }
                }
            }

            // Every entry is added to by one thread, chunk after chunk: the order does not depend on the number of threads.
            Parallel.For(0, d, Processors.OneThreadEach, j =>
            {
                ReadOnlySpan<double> own = weighted[j].AsSpan(0, length);
                for (int k = 0; k <= j; k++)
                {
                    gram[(j * d) + k] += Reductions.Dot(own, chunk[k].AsSpan(0, length));
                }
            });
        }

        double unit = DeterministicMath.PowerOfTwo(-2 * FeatureBits) / Rows;
        for (int j = 0; j < d; j++)
        {
            for (int k = 0; k <= j; k++)
            {
                double value = gram[(j * d) + k] * unit;
                gram[(j * d) + k] = value;
                gram[(k * d) + j] = value;
            }
        }

        return gram;
    }
}
