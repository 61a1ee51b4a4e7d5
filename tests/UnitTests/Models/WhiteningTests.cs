using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class WhiteningTests
{
    [Fact]
    public void Cholesky_factors_and_solves()
    {
        double[] m = [4, 2, 0.6, 2, 5, 1, 0.6, 1, 3];
        Cholesky factor = Cholesky.Factor(m, 3);
        double[] b = [1, -2, 0.5];
        double[] x = (double[])b.Clone();
        factor.Solve(x);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(b[i], Enumerable.Range(0, 3).Sum(j => m[(i * 3) + j] * x[j]), 1e-14);
        }
    }

    [Fact]
    public void A_singular_matrix_is_refused() =>
        Assert.Equal(
            ModelError.NotPositiveDefinite,
            Assert.Throws<ModelException>(() => Cholesky.Factor([1, 1, 1, 1], 2)).Error);

    [Fact]
    public void Whitening_undoes_itself_and_keeps_inner_products()
    {
        (QuantisedColumns x, _) = SmallData.Random(400, 6, seed: 9, correlation: 0.8, withIntercept: true);
        BlockWhitening whitening = BlockWhitening.Create(x, 1e-3);
        Random random = new(1);
        double[] w = [.. Enumerable.Range(0, 7).Select(_ => random.NextDouble() - 0.5)];
        double[] g = [.. Enumerable.Range(0, 7).Select(_ => random.NextDouble() - 0.5)];
        AssertClose(w, whitening.UnwhitenWeights(whitening.WhitenWeights(w)));
        AssertClose(g, whitening.UnwhitenGradient(whitening.WhitenGradient(g)));
        Assert.Equal(Reductions.Dot(w, g), Reductions.Dot(whitening.WhitenWeights(w), whitening.WhitenGradient(g)), 1e-12);
    }

    [Fact]
    public void The_whitened_block_is_the_identity_and_the_intercept_has_no_penalty()
    {
        (QuantisedColumns x, _) = SmallData.Random(400, 4, seed: 3, correlation: 0.5, withIntercept: true);
        const double l2 = 0.1;
        BlockWhitening whitening = BlockWhitening.Create(x, l2);
        double[] gram = x.Gram();
        for (int j = 0; j < 5; j++)
        {
            // Column j of M, whitened as a gradient, is row j of L': its products with themselves make M again.
            double[] e = new double[5];
            e[j] = 1;
            double[] z = whitening.WhitenWeights(e);
            Assert.Equal(gram[(j * 5) + j] + (j < 4 ? l2 : 0), Reductions.Dot(z, z), 1e-12);
        }
    }

    [Fact]
    public void Weights_enter_the_Gram_matrix()
    {
        (QuantisedColumns x, _) = SmallData.Random(3000, 3, seed: 3, correlation: 0.5, withIntercept: false);
        double[] s = [.. Enumerable.Range(0, 3000).Select(i => 0.01 + (i % 7))];
        double[] gram = x.Gram(s);
        double unit = Math.Pow(2, -x.FeatureBits);
        double expected = Enumerable.Range(0, 3000).Sum(i => s[i] * x[0][i] * unit * x[2][i] * unit) / 3000;
        Assert.Equal(expected, gram[2], 1e-11);
        Assert.Equal(gram[2], gram[6]);
    }

    private static void AssertClose(double[] expected, double[] actual)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], actual[i], 1e-11);
        }
    }
}
