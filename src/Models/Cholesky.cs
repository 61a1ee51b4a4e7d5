namespace VertFed.Models;

/// <summary>M = L L' of a symmetric positive definite matrix, row-major, in a fixed order of operations.</summary>
public sealed class Cholesky
{
    private readonly double[] _lower;

    private Cholesky(double[] lower, int dimension)
    {
        _lower = lower;
        Dimension = dimension;
    }

    public int Dimension { get; }

    /// <summary>Factors a copy of <paramref name="matrix"/>; only its lower triangle is read.</summary>
    /// <exception cref="ModelException">A pivot is below 1e-14 of its diagonal entry.</exception>
    public static Cholesky Factor(ReadOnlySpan<double> matrix, int dimension)
    {
        Throw.If(matrix.Length != dimension * dimension, ModelError.InvalidInput, "A square matrix is needed.");
        double[] l = new double[dimension * dimension];
        for (int i = 0; i < dimension; i++)
        {
            Span<double> row = l.AsSpan(i * dimension, dimension);
            for (int j = 0; j < i; j++)
            {
                double sum = matrix[(i * dimension) + j] - Reductions.Dot(row[..j], l.AsSpan(j * dimension, j));
                row[j] = sum / l[(j * dimension) + j];
            }

            double diagonal = matrix[(i * dimension) + i];
            double pivot = diagonal - Reductions.Dot(row[..i], row[..i]);
            Throw.If(
                !(pivot > 1e-14 * diagonal) || !double.IsFinite(pivot),
                ModelError.NotPositiveDefinite,
                $"The matrix is singular to working precision at column {i + 1}: a column repeats others. Raise l2 or remove it.");
            row[i] = Math.Sqrt(pivot);
        }

        return new Cholesky(l, dimension);
    }

    /// <summary>L⁻¹ b in place.</summary>
    public void SolveLower(Span<double> b)
    {
        for (int i = 0; i < Dimension; i++)
        {
            double sum = b[i] - Reductions.Dot(_lower.AsSpan(i * Dimension, i), b[..i]);
            b[i] = sum / _lower[(i * Dimension) + i];
        }
    }

    /// <summary>L'⁻¹ b in place.</summary>
    public void SolveUpper(Span<double> b)
    {
        for (int i = Dimension - 1; i >= 0; i--)
        {
            b[i] /= _lower[(i * Dimension) + i];
            Reductions.MultiplyAdd(-b[i], _lower.AsSpan(i * Dimension, i), b[..i]);
        }
    }

    /// <summary>L' b in place.</summary>
    public void MultiplyUpper(Span<double> b)
    {
        for (int i = 0; i < Dimension; i++)
        {
            double value = b[i];
            Reductions.MultiplyAdd(value, _lower.AsSpan(i * Dimension, i), b[..i]);
            b[i] = value * _lower[(i * Dimension) + i];
        }
    }

    /// <summary>Row i of L up to the diagonal.</summary>
    internal ReadOnlySpan<double> LowerRow(int i) => _lower.AsSpan(i * Dimension, i + 1);

    /// <summary>L b in place.</summary>
    public void MultiplyLower(Span<double> b)
    {
        for (int i = Dimension - 1; i >= 0; i--)
        {
            b[i] = Reductions.Dot(_lower.AsSpan(i * Dimension, i + 1), b[..(i + 1)]);
        }
    }

    /// <summary>M⁻¹ b in place.</summary>
    public void Solve(Span<double> b)
    {
        SolveLower(b);
        SolveUpper(b);
    }
}
