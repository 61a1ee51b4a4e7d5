using FsCheck;
using FsCheck.Fluent;
using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class MetricsTests
{
    [Fact]
    public void Auc_counts_pairs_with_ties_as_halves() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            (double[] s, double[] y) = Sample(seed);
            double wins = 0;
            double pairs = 0;
            for (int i = 0; i < s.Length; i++)
            {
                for (int j = 0; j < s.Length; j++)
                {
                    if (y[i] == 1 && y[j] == 0)
                    {
                        pairs++;
                        wins += s[i] > s[j] ? 1 : s[i] == s[j] ? 0.5 : 0;
                    }
                }
            }

            return pairs == 0 ? double.IsNaN(Metrics.Auc(s, y)) : Math.Abs(Metrics.Auc(s, y) - (wins / pairs)) < 1e-12;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Ks_is_the_largest_gap_over_all_thresholds() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            (double[] s, double[] y) = Sample(seed);
            double events = y.Sum();
            if (events == 0 || events == y.Length)
            {
                return double.IsNaN(Metrics.Ks(s, y));
            }

            double best = s.Distinct().Max(t => Math.Abs(
                (s.Zip(y).Count(p => p.First >= t && p.Second == 1) / events)
                - (s.Zip(y).Count(p => p.First >= t && p.Second == 0) / (y.Length - events))));
            return Math.Abs(best - Metrics.Ks(s, y)) < 1e-12;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Rmse_and_log_loss_follow_their_definitions()
    {
        Assert.Equal(Math.Sqrt(12.5), Metrics.Rmse([1, 2], [4, 6]), 1e-15);
        Assert.Equal((Math.Log(1 + Math.E) + Math.Log(1 + Math.Exp(-2)) ) / 2, Metrics.LogLoss([1, 2], [0, 1]), 1e-14);
    }

    [Fact]
    public void Labels_other_than_0_and_1_are_refused() =>
        Assert.Equal(ModelError.InvalidLabels, Assert.Throws<ModelException>(() => Metrics.Auc([1, 2], [0, 2])).Error);

    private static (double[] Scores, double[] Labels) Sample(int seed)
    {
        Random random = new(seed);
        int n = random.Next(1, 40);
        return ([.. Enumerable.Range(0, n).Select(_ => (double)random.Next(0, 8))], [.. Enumerable.Range(0, n).Select(_ => (double)random.Next(0, 2))]);
    }
}
