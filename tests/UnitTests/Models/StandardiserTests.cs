using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class StandardiserTests
{
    [Fact]
    public void Mean_and_population_deviation_are_those_of_the_training_rows_alone()
    {
        double[][] columns = [[1, 100, 3, 5, 7]];
        Standardiser standardiser = Standardiser.Fit(["a"], columns, [0, 2, 3, 4]);
        Assert.Equal(4, standardiser.Means[0], 1e-15);
        Assert.Equal(Math.Sqrt(5), standardiser.Deviations[0], 1e-15);
        double[] z = new double[1];
        standardiser.Apply(0, columns[0], [1], z);
        Assert.Equal(96 / Math.Sqrt(5), z[0], 1e-12);
    }

    [Fact]
    public void A_large_mean_does_not_spoil_the_deviation()
    {
        double[][] columns = [[.. Enumerable.Range(0, 1000).Select(i => 1e9 + (i % 2))]];
        Standardiser standardiser = Standardiser.Fit(["a"], columns, [.. Enumerable.Range(0, 1000)]);
        Assert.Equal(0.5, standardiser.Deviations[0], 1e-9);
    }

    [Fact]
    public void A_column_without_variance_is_refused_by_name()
    {
        ModelException exception = Assert.Throws<ModelException>(
            () => Standardiser.Fit(["age", "constant"], [[1, 2], [0.1, 0.1]], [0, 1]));
        Assert.Equal(ModelError.ZeroVariance, exception.Error);
        Assert.Contains("'constant'", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_value_that_is_not_finite_is_refused(double value) =>
        Assert.Equal(
            ModelError.NotFinite,
            Assert.Throws<ModelException>(() => Standardiser.Fit(["a"], [[1, value, 2]], [0, 1, 2])).Error);

    [Fact]
    public void Quantised_columns_are_the_standardised_ones_to_half_a_unit()
    {
        Random random = new(1);
        double[][] columns = [[.. Enumerable.Range(0, 100).Select(_ => random.NextDouble())]];
        int[] rows = [.. Enumerable.Range(0, 100)];
        Standardiser standardiser = Standardiser.Fit(["a"], columns, rows);
        QuantisedColumns quantised = standardiser.Quantise(columns, rows, 12, withIntercept: true);
        double[] z = new double[100];
        standardiser.Apply(0, columns[0], rows, z);
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(z[i], quantised[0][i] / 4096.0, 0.5 / 4096);
            Assert.Equal(4096, quantised[1][i]);
        }
    }

    [Fact]
    public void The_linear_predictor_uses_the_quantised_values()
    {
        Random random = new(2);
        int[] rows = [.. Enumerable.Range(0, 5000)];
        double[][] columns = [.. Enumerable.Range(0, 3).Select(_ => rows.Select(_ => random.NextDouble()).ToArray())];
        QuantisedColumns x = Standardiser.Fit(["a", "b", "c"], columns, rows).Quantise(columns, rows, 14, withIntercept: true);
        double[] w = [0.3, -1.2, 0.7, 0.1];
        double[] predictor = x.LinearPredictor(w);
        foreach (int i in (int[])[0, 17, 4095, 4999])
        {
            double expected = w[3] + Enumerable.Range(0, 3).Sum(j => w[j] * x[j][i] / 16384.0);
            Assert.Equal(expected, predictor[i], 1e-14);
        }
    }

    [Fact]
    public void Norms_bound_the_columns_from_above()
    {
        int[] rows = [.. Enumerable.Range(0, 1000)];
        double[][] columns = [[.. rows.Select(i => Math.Sin(i))]];
        QuantisedColumns x = Standardiser.Fit(["a"], columns, rows).Quantise(columns, rows, 13, withIntercept: false);
        decimal exact = 0;
        foreach (int value in x[0])
        {
            exact += (decimal)value * value;
        }

        Assert.True((decimal)(x.MaxNorm() * x.MaxNorm()) >= exact);
        Assert.Equal(Math.Sqrt(1000) * 8192, x.MaxNorm(), 5.0);
    }
}
