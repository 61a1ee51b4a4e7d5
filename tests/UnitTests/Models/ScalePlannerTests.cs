using FsCheck;
using FsCheck.Fluent;
using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class ScalePlannerTests
{
    private const double Log2T = 57.99;

    [Fact]
    public void No_inner_product_can_wrap() =>
        Prop.ForAll(Gen.Choose(1, 1_000_000_000).ToArbitrary(), rows =>
        {
            foreach (GlmFamily family in (GlmFamily[])[GlmFamily.Logistic, GlmFamily.Linear])
            {
                ScalePlan plan;
                try
                {
                    plan = ScalePlanner.Plan(rows, family.HasLink, family.ResidualBound, Log2T);
                }
                catch (ModelException exception) when (exception.Error == ModelError.ScaleDoesNotFit)
                {
                    // Refusing is right only where even the coarsest format would wrap.
                    return 26 + Math.Log2(rows) + Math.Log2(family.ResidualBound) > Log2T - 2.1;
                }

                double bits = plan.FeatureBits + plan.ResidualBits + Math.Log2(rows) + Math.Log2(plan.ResidualBound);
                if (bits > Log2T - 1.1)
                {
                    return false;
                }
            }

            return true;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_residual_has_the_bits_of_both_factors()
    {
        ScalePlan plan = ScalePlanner.Plan(19393, hasLink: true, ScalePlanner.LogisticResidualBound, Log2T);
        Assert.Equal(plan.PhiBits + plan.PsiBits, plan.ResidualBits);
        Assert.True(plan is { FeatureBits: >= 13, PhiBits: >= 13 });
    }

    [Fact]
    public void Few_rows_get_more_bits()
    {
        ScalePlan few = ScalePlanner.Plan(600, true, 2, Log2T);
        ScalePlan many = ScalePlanner.Plan(1_000_000, true, 2, Log2T);
        Assert.True(few.FeatureBits > many.FeatureBits && few.PhiBits > many.PhiBits);
    }

    [Fact]
    public void A_small_plain_modulus_is_refused() =>
        Assert.Equal(
            ModelError.ScaleDoesNotFit,
            Assert.Throws<ModelException>(() => ScalePlanner.Plan(1_000_000, true, 2, 40)).Error);
}
