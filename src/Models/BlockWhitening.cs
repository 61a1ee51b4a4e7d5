namespace VertFed.Models;

/// <summary>
/// A party's own change of coordinates: with X'X/n + λ = L L' of its block, z = L'w. The block of the loss's curvature is then
/// at most the identity times the family's bound, so the joint problem is conditioned by the correlation across parties alone.
/// The intercept carries no λ.
/// </summary>
public sealed class BlockWhitening
{
    private readonly Cholesky _factor;

    private BlockWhitening(Cholesky factor) => _factor = factor;

    public int Dimension => _factor.Dimension;

    /// <exception cref="ModelException">The block is singular and λ too small to mend it.</exception>
    /// <param name="curvature">Weights S of X'SX/n, one per row; none for X'X/n.</param>
    public static BlockWhitening Create(QuantisedColumns columns, double l2, ReadOnlyMemory<double> curvature = default) =>
        Create(columns.Gram(curvature), columns.Count, columns.HasIntercept, l2);

    internal static BlockWhitening Create(double[] gram, int dimension, bool hasIntercept, double l2)
    {
        int penalised = hasIntercept ? dimension - 1 : dimension;
        for (int j = 0; j < penalised; j++)
        {
            gram[(j * dimension) + j] += l2;
        }

        return new BlockWhitening(Cholesky.Factor(gram, dimension));
    }

    /// <summary>z = L'w.</summary>
    public double[] WhitenWeights(ReadOnlySpan<double> weights)
    {
        double[] z = weights.ToArray();
        _factor.MultiplyUpper(z);
        return z;
    }

    /// <summary>w = L'⁻¹ z.</summary>
    public double[] UnwhitenWeights(ReadOnlySpan<double> point)
    {
        double[] w = point.ToArray();
        _factor.SolveUpper(w);
        return w;
    }

    /// <summary>Gradient by z from the gradient by w: L⁻¹ g.</summary>
    public double[] WhitenGradient(ReadOnlySpan<double> gradient)
    {
        double[] g = gradient.ToArray();
        _factor.SolveLower(g);
        return g;
    }

    /// <summary>The inverse of <see cref="WhitenGradient"/>: L g.</summary>
    public double[] UnwhitenGradient(ReadOnlySpan<double> gradient)
    {
        double[] g = gradient.ToArray();
        _factor.MultiplyLower(g);
        return g;
    }
}
