using MathNet.Numerics.LinearAlgebra;
using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

/// <summary>Our fixed-order linear algebra, whose bits enter messages, against MathNet.Numerics, whose bits need not be fixed.</summary>
public sealed class LinearAlgebraReferenceTests
{
    [Theory]
    [InlineData(1, 0.0)]
    [InlineData(7, 0.5)]
    [InlineData(40, 0.9)]
    public void The_Cholesky_factor_is_MathNets(int dimension, double correlation)
    {
        (QuantisedColumns columns, _) = SmallData.Random(400, dimension, 5, correlation, withIntercept: false);
        double[] gram = columns.Gram();
        Matrix<double> expected = Matrix<double>.Build.DenseOfRowMajor(dimension, dimension, gram).Cholesky().Factor;
        Cholesky actual = Cholesky.Factor(gram, dimension);
        for (int i = 0; i < dimension; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                Assert.Equal(expected[i, j], actual.LowerRow(i)[j], 1e-10);
            }
        }
    }

    [Fact]
    public void The_linear_fit_solves_the_normal_equations_as_MathNet_does()
    {
        const double l2 = 1e-3;
        (QuantisedColumns columns, double[] factor) = SmallData.Random(600, 5, 9, 0.6, withIntercept: true);
        double[] y = [.. factor.Select((f, i) => (1.5 * f) + Math.Sin(i))];
        Matrix<double> x = Matrix<double>.Build.Dense(600, 6, (i, j) => columns[j][i] * Math.Pow(2, -columns.FeatureBits));
        Matrix<double> penalty = Matrix<double>.Build.Diagonal(6, 6, j => j < 5 ? l2 : 0);
        Vector<double> expected = ((x.Transpose() * x / 600) + penalty).LU().Solve(x.Transpose() * Vector<double>.Build.DenseOfArray(y) / 600);
        LocalFit fit = LocalFit.Fit(columns, y, GlmFamily.Linear, l2);
        for (int j = 0; j < 6; j++)
        {
            Assert.Equal(expected[j], fit.Weights[j], 1e-9);
        }
    }
}
