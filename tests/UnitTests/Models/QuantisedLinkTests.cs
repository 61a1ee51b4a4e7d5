using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class QuantisedLinkTests
{
    [Fact]
    public void Clipping_touches_and_counts_only_what_is_outside()
    {
        double[] predictor = [-34, -12, 0, 12, 12.001, double.NegativeInfinity];
        Assert.Equal(3, QuantisedLink.Clip(predictor));
        Assert.Equal([-12, -12, 0, 12, 12, -12], predictor);
    }

    [Fact]
    public void A_predictor_that_is_not_a_number_is_refused() =>
        Assert.Equal(ModelError.NotFinite, Assert.Throws<ModelException>(() => QuantisedLink.Clip([double.NaN])).Error);

    [Fact]
    public void Shares_add_up_to_the_residual()
    {
        ScalePlan plan = ScalePlanner.Plan(1000, true, 2, 57.99);
        LinkTables tables = LinkTables.Logistic(0, 12, ScaleBuckets.Choose(1, -1, 1));
        double[] u = [-1.5, 0.3, 2];
        double[] v = [-2, 0.1, 0.7];
        double[] y = [0, 1, 1];
        long[] sum = QuantisedLink.FeatureShare(tables.ForFeatureParty, u, plan);
        long[] label = QuantisedLink.LabelShare(tables, v, y, plan);
        long[][] phi = QuantisedLink.Phi(tables.ForFeatureParty, u, plan);
        long[][] psi = QuantisedLink.Psi(tables, v, plan);
        for (int i = 0; i < 3; i++)
        {
            long total = sum[i] + label[i];
            for (int k = 0; k < 12; k++)
            {
                total += phi[k][i] * psi[k][i];
            }

            double residual = (1 / (1 + Math.Exp(-u[i] - v[i]))) - y[i];
            Assert.Equal(residual, total * Math.Pow(2, -plan.ResidualBits), 1e-4);
        }
    }

    [Fact]
    public void A_linear_share_above_its_bound_is_refused()
    {
        ScalePlan plan = ScalePlanner.Plan(4, false, 16, 57.99);
        Assert.Equal(4L << plan.ResidualBits, QuantisedLink.LinearShare([4, 4, 4, 4], plan)[2]);
        Assert.Equal(
            ModelError.ResidualOutOfBounds,
            Assert.Throws<ModelException>(() => QuantisedLink.LinearShare([9, 9, 9, 9], plan)).Error);
    }

    [Fact]
    public void Clipping_far_out_does_no_harm_and_near_the_middle_does()
    {
        Assert.Equal(0, QuantisedLink.ClippingHarm(0, 1000, 3));
        Assert.True(QuantisedLink.ClippingHarm(1, 19_393, 0.9) < 1e-6);
        Assert.True(QuantisedLink.ClippingHarm(500, 1000, 3.5) > 1e-2);
    }
}
