using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class LinkTablesTests
{
    [Theory]
    [InlineData(0.84, -1.5, 0.42)]
    [InlineData(0.87, -1.15, 1.4)]
    [InlineData(2.0, -3.0, 1.5)]
    public void More_pairs_bring_the_link_nearer_to_the_logistic_function(double sigmaU, double muV, double sigmaV)
    {
        ScaleBuckets buckets = ScaleBuckets.Choose(sigmaU, muV, sigmaV);
        double last = 1;
        foreach (int pairs in (int[])[2, 4, 6, 8, 10, 12])
        {
            LinkTables tables = LinkTables.Logistic(0, pairs, buckets);
            double error = SampleRms(tables, sigmaU, muV, sigmaV);
            Assert.True(error < last, $"K = {pairs}: {error:E2} is not below {last:E2}");
            Assert.True(error < 1.5 * tables.RmsError, $"K = {pairs}: {error:E2} seen, {tables.RmsError:E2} promised");
            last = error;
        }

        Assert.True(last < 5e-5);
    }

    [Fact]
    public void The_residual_bound_holds_on_the_whole_square()
    {
        LinkTables tables = LinkTables.Logistic(0, 4, ScaleBuckets.Choose(0.3, -2, 0.8));
        Assert.InRange(tables.ResidualBound, 1, ScalePlanner.LogisticResidualBound);
        for (double u = -12; u <= 12; u += 0.23)
        {
            for (double v = -12; v <= 12; v += 0.31)
            {
                double value = Link(tables, u, v);
                Assert.True(Math.Max(value, 1 - value) <= tables.ResidualBound);
            }
        }
    }

    [Fact]
    public void Tables_for_zero_scores_are_exact_there()
    {
        LinkTables tables = LinkTables.ForZeroScores(0, ScaleBuckets.Choose(0, -1.2, 0.7));
        Assert.Equal(0, tables.Pairs);
        for (double v = -12; v <= 12; v += 0.5)
        {
            Assert.Equal(1 / (1 + Math.Exp(-v)), Link(tables, 0, v), 1e-13);
        }

        Assert.All(tables.ForFeatureParty.Curvature(new double[3]), c => Assert.InRange(c, 0.1, 0.25));
    }

    [Fact]
    public void Curvature_is_the_slope_of_the_main_effect()
    {
        LinkTables tables = LinkTables.Logistic(0, 4, ScaleBuckets.Choose(0.8, -1.2, 0.7));
        double[] x = [-3, -0.5, 0, 1.25, 4];
        double[] slope = tables.Curvature(x);
        for (int i = 0; i < x.Length; i++)
        {
            double difference = (ChebyshevSeries.Evaluate(tables.LabelSeries(0), x[i] + 1e-5)
                - ChebyshevSeries.Evaluate(tables.LabelSeries(0), x[i] - 1e-5)) / 2e-5;
            Assert.Equal(difference, slope[i], 1e-8);
        }
    }

    [Fact]
    public void The_loss_link_is_good_to_a_millionth_on_average()
    {
        ScaleBuckets buckets = ScaleBuckets.Choose(0.84, -1.5, 0.42);
        LinkTables tables = LinkTables.LogisticLoss(0, 12, buckets);
        double sum = 0;
        Random random = new(5);
        for (int i = 0; i < 20_000; i++)
        {
            (double u, double v) = (Gauss(random) * 0.84, -1.5 + (Gauss(random) * 0.42));
            sum += Link(tables, u, v) - Math.Log(1 + Math.Exp(u + v));
        }

        Assert.InRange(Math.Abs(sum / 20_000), 0, 1e-6);
    }

    [Fact]
    public void The_feature_partys_half_has_pinned_bits()
    {
        LinkSeries series = LinkTables.Logistic(0, 6, ScaleBuckets.Choose(0.84, -1.5, 0.42)).ForFeatureParty;
        ulong hash = 14695981039346656037;
        foreach (double c in series.Coefficients)
        {
            hash = (hash ^ BitConverter.DoubleToUInt64Bits(c)) * 1099511628211;
        }

        Assert.Equal(PinnedHash, hash);
    }

    private const ulong PinnedHash = 10628501990138141331;

    [Fact]
    public void Received_tables_are_checked()
    {
        LinkSeries good = LinkTables.Logistic(3, 4, ScaleBuckets.Choose(1, 0, 1)).ForFeatureParty;
        good.Validate();
        double[] broken = (double[])good.Coefficients.Clone();
        broken[7] = double.NaN;
        Assert.Throws<ModelException>(() => (good with { Coefficients = broken }).Validate());
        Assert.Throws<ModelException>(() => (good with { Coefficients = good.Coefficients[..^1] }).Validate());
        Assert.Throws<ModelException>(() => (good with { Pairs = 5 }).Validate());
        Assert.Throws<ModelException>(() => (good with { Pairs = int.MaxValue }).Validate());
        Assert.Throws<ModelException>(() => (good with { RmsError = double.NaN }).Validate());
        Assert.Throws<ModelException>(() => (good with { Version = -1 }).Validate());
    }

    [Fact]
    public void A_bucket_is_kept_while_its_scale_is_near()
    {
        ScaleBuckets first = ScaleBuckets.Choose(1, 0, 1);
        Assert.Equal(first, ScaleBuckets.Choose(1.15, 0.15, 0.88, first));
        Assert.NotEqual(first, ScaleBuckets.Choose(1.25, 0, 1, first));
        Assert.NotEqual(first, ScaleBuckets.Choose(1, 0.3, 1, first));
    }

    [Fact]
    public void Series_evaluate_alike_one_by_one_and_in_vectors()
    {
        LinkSeries series = LinkTables.Logistic(0, 4, ScaleBuckets.Choose(1, 0, 1)).ForFeatureParty;
        double[] x = [.. Enumerable.Range(0, 77).Select(i => -12 + (i * 24 / 76.0))];
        double[] values = new double[x.Length];
        ChebyshevSeries.Evaluate(series[2], x, values);
        for (int i = 0; i < x.Length; i++)
        {
            Assert.Equal(ChebyshevSeries.Evaluate(series[2], x[i]), values[i]);
        }
    }

    internal static double Link(LinkTables tables, double u, double v)
    {
        double sum = ChebyshevSeries.Evaluate(tables.ForFeatureParty[0], u) + ChebyshevSeries.Evaluate(tables.LabelSeries(0), v);
        for (int k = 1; k <= tables.Pairs; k++)
        {
            sum += ChebyshevSeries.Evaluate(tables.ForFeatureParty[k], u) * ChebyshevSeries.Evaluate(tables.LabelSeries(k), v);
        }

        return sum;
    }

    private static double SampleRms(LinkTables tables, double sigmaU, double muV, double sigmaV)
    {
        Random random = new(7);
        double sum = 0;
        for (int i = 0; i < 4000; i++)
        {
            (double u, double v) = (Gauss(random) * sigmaU, muV + (Gauss(random) * sigmaV));
            double error = Link(tables, u, v) - (1 / (1 + Math.Exp(-u - v)));
            sum += error * error;
        }

        return Math.Sqrt(sum / 4000);
    }

    private static double Gauss(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
