using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class LocalFitTests
{
    [Theory]
    [InlineData("logistic")]
    [InlineData("linear")]
    [InlineData("poisson")]
    public void The_gradient_vanishes_at_the_fit(string name)
    {
        GlmFamily family = GlmFamily.Parse(name);
        (QuantisedColumns x, double[] factor) = SmallData.Random(2000, 5, seed: 11, correlation: 0.6, withIntercept: true);
        Random random = new(2);
        double[] y = [.. factor.Select(f => name switch
        {
            "logistic" => random.NextDouble() < 1 / (1 + Math.Exp(1 - f)) ? 1.0 : 0.0,
            "linear" => (2 * f) + SmallData.Gauss(random),
            _ => (double)random.Next(0, 1 + (int)Math.Exp(1 + (0.5 * f))),
        })];
        const double l2 = 0.01;
        LocalFit fit = LocalFit.Fit(x, y, family, l2);
        double[] eta = x.LinearPredictor(fit.Weights);
        double[] residual = [.. eta.Zip(y, (e, label) => family.Mean(e) - label)];
        for (int j = 0; j < 6; j++)
        {
            Assert.Equal(0, (x.Dot(j, residual) / 2000) + (j < 5 ? l2 * fit.Weights[j] : 0), 1e-11);
        }
    }

    [Theory]
    [InlineData("logistic", 0.5)]
    [InlineData("poisson", -1)]
    [InlineData("linear", double.NaN)]
    public void Labels_that_a_family_cannot_take_are_refused(string name, double label)
    {
        ModelException exception = Assert.Throws<ModelException>(() => GlmFamily.Parse(name).ValidateLabels([0, 1, label]));
        Assert.Equal(ModelError.InvalidLabels, exception.Error);
    }

    [Theory]
    [InlineData("logistic")]
    [InlineData("linear")]
    public void Labels_that_are_all_the_same_are_refused(string name) =>
        Assert.Throws<ModelException>(() => GlmFamily.Parse(name).ValidateLabels([1, 1, 1]));

    [Theory]
    [InlineData("logistic")]
    [InlineData("linear")]
    [InlineData("poisson")]
    public void Mean_and_curvature_are_derivatives_of_the_loss(string name)
    {
        GlmFamily family = GlmFamily.Parse(name);
        for (double eta = -3; eta <= 3; eta += 0.37)
        {
            const double h = 1e-5;
            Assert.Equal((family.Loss(eta + h, 1) - family.Loss(eta - h, 1)) / (2 * h), family.Mean(eta) - 1, 1e-7);
            Assert.Equal((family.Mean(eta + h) - family.Mean(eta - h)) / (2 * h), family.Curvature(eta), 1e-7);
        }
    }
}
