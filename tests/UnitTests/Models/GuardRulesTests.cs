using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class GuardRulesTests
{
    private static readonly GuardLimits s_limits = GuardLimits.Default;

    [Fact]
    public void Leverages_are_the_diagonal_of_the_hat_matrix()
    {
        (QuantisedColumns x, _) = SmallData.Random(700, 3, seed: 4, correlation: 0.7, withIntercept: true);
        double[] leverage = Leverage.Of(x);
        Assert.Equal(4, leverage.Sum(), 1e-6);
        Cholesky gram = Cholesky.Factor(x.Gram(), 4);
        double unit = Math.Pow(2, -x.FeatureBits);
        foreach (int i in (int[])[0, 511, 512, 699])
        {
            double[] row = [.. Enumerable.Range(0, 4).Select(j => x[j][i] * unit)];
            double[] solved = (double[])row.Clone();
            gram.Solve(solved);
            Assert.Equal(Reductions.Dot(row, solved) / 700, leverage[i], 1e-7);
        }
    }

    [Fact]
    public void A_lonely_row_has_leverage_one_and_refuses()
    {
        double[] lonely = new double[1000];
        lonely[13] = 1;
        QuantisedColumns x = SmallData.Quantise([lonely, [.. Enumerable.Range(0, 1000).Select(i => Math.Sin(i))]], withIntercept: false, bits: 16);
        IReadOnlyList<GuardFinding> findings = GuardRules.Own(x, default, 30);
        GuardFinding largest = findings.Single(f => f.Name == GuardRules.LargestLeverageName);
        Assert.Equal(1, largest.Value, 1e-3);
        Assert.Equal(GuardVerdict.Refuse, largest.Verdict);
        Assert.Equal(GuardVerdict.Warn, findings.Single(f => f.Name == GuardRules.HighLeverageRowsName).Verdict);
        Assert.Equal(1, findings.Single(f => f.Name == GuardRules.RowsPerLevelName).Value);
    }

    [Fact]
    public void Collinear_columns_still_have_leverages()
    {
        double[] a = [.. Enumerable.Range(0, 300).Select(i => Math.Sin(i))];
        QuantisedColumns x = SmallData.Quantise([a, a], withIntercept: false);
        Assert.Equal(2, Leverage.Of(x).Sum(), 1e-3);
    }

    [Theory]
    [InlineData(2000, 10, GuardVerdict.Pass)]
    [InlineData(1999, 10, GuardVerdict.Refuse)]
    public void Rows_per_feature_has_its_limit(long rows, int features, GuardVerdict verdict) =>
        Assert.Equal(verdict, GuardRules.RowsPerFeature(rows, features, s_limits).Verdict);

    [Theory]
    [InlineData(100, 100, GuardVerdict.Pass, GuardVerdict.Pass)]
    [InlineData(99, 100, GuardVerdict.Refuse, GuardVerdict.Pass)]
    [InlineData(100, 99, GuardVerdict.Pass, GuardVerdict.Refuse)]
    public void Events_and_non_events_per_feature_have_their_limit(long events, long others, GuardVerdict first, GuardVerdict second)
    {
        IReadOnlyList<GuardFinding> findings = GuardRules.EventsPerFeature(events, others, 10, s_limits);
        Assert.Equal(first, findings[0].Verdict);
        Assert.Equal(second, findings[1].Verdict);
    }

    [Theory]
    [InlineData(30, 10, 3000, GuardVerdict.Pass)]
    [InlineData(30, 10, 2999, GuardVerdict.Refuse)]
    public void Iterations_times_features_has_its_limit(int iterations, int features, long rows, GuardVerdict verdict) =>
        Assert.Equal(verdict, GuardRules.IterationsTimesFeatures(iterations, features, rows, s_limits).Verdict);

    [Theory]
    [InlineData(30, GuardVerdict.Pass)]
    [InlineData(31, GuardVerdict.Refuse)]
    public void Iterations_have_their_limit(int iterations, GuardVerdict verdict) =>
        Assert.Equal(verdict, GuardRules.Iterations(iterations, s_limits).Verdict);

    [Theory]
    [InlineData(50, GuardVerdict.Pass)]
    [InlineData(49, GuardVerdict.Refuse)]
    public void A_level_needs_its_rows(long rows, GuardVerdict verdict) =>
        Assert.Equal(verdict, GuardRules.RowsPerLevel(rows, s_limits).Verdict);

    [Theory]
    [InlineData(0, GuardVerdict.Pass)]
    [InlineData(3, GuardVerdict.Warn)]
    [InlineData(20, GuardVerdict.Warn)]
    [InlineData(21, GuardVerdict.Refuse)]
    public void High_leverage_warns_then_refuses(int high, GuardVerdict verdict)
    {
        double[] leverages = new double[20_000];
        Array.Fill(leverages, 0.2, 0, high);
        Assert.Equal(verdict, GuardRules.LeverageOf(leverages, s_limits)[0].Verdict);
    }

    [Theory]
    [InlineData(0, GuardVerdict.Pass)]
    [InlineData(1, GuardVerdict.Refuse)]
    [InlineData(99, GuardVerdict.Refuse)]
    [InlineData(100, GuardVerdict.Pass)]
    public void Intersections_must_not_differ_by_few_rows(long difference, GuardVerdict verdict) =>
        Assert.Equal(verdict, GuardRules.IntersectionDifference(difference, 100).Verdict);

    [Fact]
    public void Clipped_rows_warn()
    {
        Assert.Equal(GuardVerdict.Pass, GuardRules.ClippedRows(0).Verdict);
        Assert.Equal(GuardVerdict.Warn, GuardRules.ClippedRows(1).Verdict);
    }
}
