using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

public sealed class VectorFreeLbfgsTests
{
    private static readonly LbfgsOptions s_options = new() { MaxIterations = 60 };

    [Fact]
    public void It_minimises_a_quadratic_that_no_party_knows_whole()
    {
        Quadratic problem = new(5, 3, coupling: 0.6, seed: 1);
        (double[] z, LbfgsStep last, _) = problem.Solve(s_options);
        Assert.Equal(LbfgsVerdict.Converged, last.Verdict);
        Assert.True(problem.GradientNorm(z) < 1e-4);
    }

    [Fact]
    public void Two_pairs_a_round_end_after_the_smaller_block()
    {
        Quadratic problem = new(12, 4, coupling: 0.97, seed: 2);
        (double[] z, LbfgsStep last, _) = problem.Solve(s_options with { ExactBlocks = true, MaxStep = 1e6 });
        Assert.Equal(LbfgsVerdict.Converged, last.Verdict);
        Assert.InRange(last.Iteration, 2, 7);
        Assert.True(problem.GradientNorm(z) < 1e-8);
    }

    [Fact]
    public void Both_parties_report_the_same_step_each_round()
    {
        (_, _, List<(LbfgsStep Label, LbfgsStep Feature)> steps) = new Quadratic(6, 6, 0.9, 3).Solve(s_options);
        Assert.All(steps, pair => Assert.Equal(pair.Label, pair.Feature));
    }

    [Fact]
    public void The_number_of_scalars_is_three_at_first_and_grows_with_the_history()
    {
        Quadratic problem = new(6, 6, 0.9, 3);
        VectorFreeLbfgs label = new(s_options with { DecrementTolerance = 0 }, true, new double[6]);
        VectorFreeLbfgs feature = new(s_options with { DecrementTolerance = 0 }, false, new double[6]);
        int pairs = 0;
        for (int round = 1; round <= 14; round++)
        {
            (double[] gl, double[] gf) = problem.Gradients(label.Point, feature.Point);
            double[] a = label.BuildOwnScalars(gl);
            double[] b = feature.BuildOwnScalars(gf);
            Assert.Equal(round == 1 ? 3 : (8 * pairs) + 10, a.Length);
            LbfgsStep step = label.Advance(a, b, LinkQuality.Exact);
            _ = feature.Advance(b, a, LinkQuality.Exact);
            pairs = step.Restarted ? 0 : Math.Min(10, pairs + (step.PairKept ? 1 : 0));
        }

        Assert.True(pairs > 3);
    }

    [Fact]
    public void The_peers_norm_is_known_from_the_scalars()
    {
        Quadratic problem = new(4, 4, 0.5, 4);
        VectorFreeLbfgs label = new(s_options, true, new double[4]);
        VectorFreeLbfgs feature = new(s_options, false, new double[4]);
        for (int round = 0; round < 5; round++)
        {
            (double[] gl, double[] gf) = problem.Gradients(label.Point, feature.Point);
            double[] a = label.BuildOwnScalars(gl);
            double[] b = feature.BuildOwnScalars(gf);
            _ = label.Advance(a, b, LinkQuality.Exact);
            _ = feature.Advance(b, a, LinkQuality.Exact);
            Assert.Equal(Math.Sqrt(Reductions.Dot(feature.Point, feature.Point)), label.PeerPointNorm, 1e-9);
        }
    }

    [Fact]
    public void Changing_coordinates_in_between_does_not_spoil_the_minimum()
    {
        Quadratic problem = new(5, 5, 0.8, 5);
        VectorFreeLbfgs label = new(s_options, true, new double[5]);
        VectorFreeLbfgs feature = new(s_options, false, new double[5]);
        double scale = 1;
        LbfgsStep step;
        do
        {
            if (label.Iteration is 2 or 4)
            {
                double factor = label.Iteration == 2 ? 1.7 : 0.6;
                scale *= factor;
                foreach (VectorFreeLbfgs party in (VectorFreeLbfgs[])[label, feature])
                {
                    party.ChangeCoordinates(p => [.. p.Select(v => v * factor)], g => [.. g.Select(v => v / factor)]);
                }
            }

            (double[] gl, double[] gf) = problem.Gradients(Divided(label.Point, scale), Divided(feature.Point, scale));
            double[] a = label.BuildOwnScalars(Divided(gl, scale));
            double[] b = feature.BuildOwnScalars(Divided(gf, scale));
            step = label.Advance(a, b, LinkQuality.Exact);
            Assert.Equal(step, feature.Advance(b, a, LinkQuality.Exact));
        }
        while (step.Verdict == LbfgsVerdict.Continue);

        Assert.Equal(LbfgsVerdict.Converged, step.Verdict);
        Assert.True(problem.GradientNorm([.. Divided(label.Point, scale), .. Divided(feature.Point, scale)]) < 1e-3);
    }

    [Fact]
    public void A_pair_across_two_rough_tables_is_dropped()
    {
        VectorFreeLbfgs label = new(s_options, true, new double[1]);
        VectorFreeLbfgs feature = new(s_options, false, new double[1]);
        LbfgsStep Round(double gl, double gf, LinkQuality link)
        {
            double[] a = label.BuildOwnScalars([gl]);
            double[] b = feature.BuildOwnScalars([gf]);
            LbfgsStep step = label.Advance(a, b, link);
            Assert.Equal(step, feature.Advance(b, a, link));
            return step;
        }

        _ = Round(1, 1, new LinkQuality(0, 0.2, false));
        Assert.False(Round(0.5, 0.5, new LinkQuality(1, 0.2, false)).PairKept);
        Assert.True(Round(0.25, 0.25, new LinkQuality(1, 0.2, false)).PairKept);
    }

    [Fact]
    public void A_gradient_that_grows_twice_clears_the_history()
    {
        VectorFreeLbfgs label = new(s_options, true, new double[2]);
        VectorFreeLbfgs feature = new(s_options, false, new double[2]);
        bool restarted = false;
        foreach (double size in (double[])[1, 2, 4])
        {
            double[] a = label.BuildOwnScalars([size, -size]);
            double[] b = feature.BuildOwnScalars([size, size]);
            LbfgsStep step = label.Advance(a, b, LinkQuality.Exact);
            _ = feature.Advance(b, a, LinkQuality.Exact);
            restarted |= step.Restarted;
        }

        Assert.True(restarted);
    }

    [Fact]
    public void It_does_not_converge_before_the_tables_are_good_enough()
    {
        VectorFreeLbfgs label = new(s_options, true, new double[1]);
        VectorFreeLbfgs feature = new(s_options, false, new double[1]);
        LbfgsVerdict last = LbfgsVerdict.Continue;
        foreach ((double g, LinkQuality link) in ((double, LinkQuality)[])[(1, new(0, 0.01, false)), (1e-6, new(0, 0.01, false)), (1e-6, new(0, 0.01, true))])
        {
            Assert.Equal(LbfgsVerdict.Continue, last);
            double[] a = label.BuildOwnScalars([g]);
            double[] b = feature.BuildOwnScalars([g]);
            last = label.Advance(a, b, link).Verdict;
            _ = feature.Advance(b, a, link);
        }

        Assert.Equal(LbfgsVerdict.Converged, last);
    }

    [Fact]
    public void Hostile_scalars_are_refused_and_leave_the_state_as_it_was()
    {
        VectorFreeLbfgs party = new(s_options, true, new double[2]);
        double[] own = party.BuildOwnScalars([1, 1]);
        double before = party.Point[0];
        Assert.Throws<ModelException>(() => party.Advance(own, [1, 2], LinkQuality.Exact));
        Assert.Throws<ModelException>(() => party.Advance(own, [double.NaN, 0, 0], LinkQuality.Exact));
        Assert.Throws<ModelException>(() => party.Advance(own, [-1, 0, 0], LinkQuality.Exact));
        Assert.Equal(before, party.Point[0]);
        Assert.Equal(0, party.Iteration);
        Assert.Equal(LbfgsVerdict.Continue, party.Advance(own, [1, 0, 0], LinkQuality.Exact).Verdict);
    }

    [Fact]
    public void Calls_out_of_turn_are_refused()
    {
        VectorFreeLbfgs party = new(s_options, true, new double[2]);
        Assert.Throws<ModelException>(() => party.Advance([1, 0, 0], [1, 0, 0], LinkQuality.Exact));
        _ = party.BuildOwnScalars([1, 1]);
        Assert.Throws<ModelException>(() => party.BuildOwnScalars([1, 1]));
    }

    private static double[] Divided(ReadOnlySpan<double> values, double by)
    {
        double[] result = values.ToArray();
        for (int i = 0; i < result.Length; i++)
        {
            result[i] /= by;
        }

        return result;
    }

    /// <summary>½ z'[I C; C' I]z − b'z with singular values of C at most the coupling.</summary>
    private sealed class Quadratic
    {
        private readonly double[,] _c;
        private readonly double[] _b;
        private readonly int _label;
        private readonly int _feature;

        public Quadratic(int label, int feature, double coupling, int seed)
        {
            (_label, _feature) = (label, feature);
            Random random = new(seed);
            _c = new double[label, feature];
            double[] left = Unit(random, label);
            double[] right = Unit(random, feature);
            for (int i = 0; i < label; i++)
            {
                for (int j = 0; j < feature; j++)
                {
                    // One strong direction and weak noise; the noise's norm stays below what is left to 1.
                    _c[i, j] = (coupling * left[i] * right[j]) + (0.02 / Math.Sqrt(label * feature) * (random.NextDouble() - 0.5));
                }
            }

            _b = [.. Enumerable.Range(0, label + feature).Select(_ => random.NextDouble() - 0.5)];
        }

        public (double[] Label, double[] Feature) Gradients(ReadOnlySpan<double> zl, ReadOnlySpan<double> zf)
        {
            double[] gl = new double[_label];
            double[] gf = new double[_feature];
            for (int i = 0; i < _label; i++)
            {
                gl[i] += zl[i] - _b[i];
                for (int j = 0; j < _feature; j++)
                {
                    gl[i] += _c[i, j] * zf[j];
                    gf[j] += _c[i, j] * zl[i];
                }
            }

            for (int j = 0; j < _feature; j++)
            {
                gf[j] += zf[j] - _b[_label + j];
            }

            return (gl, gf);
        }

        public double GradientNorm(double[] z)
        {
            (double[] gl, double[] gf) = Gradients(z.AsSpan(0, _label), z.AsSpan(_label));
            return Math.Sqrt(Reductions.Dot(gl, gl) + Reductions.Dot(gf, gf));
        }

        public (double[] Point, LbfgsStep Last, List<(LbfgsStep Label, LbfgsStep Feature)> Steps) Solve(LbfgsOptions options)
        {
            VectorFreeLbfgs label = new(options, true, new double[_label]);
            VectorFreeLbfgs feature = new(options, false, new double[_feature]);
            List<(LbfgsStep Label, LbfgsStep Feature)> steps = [];
            do
            {
                (double[] gl, double[] gf) = Gradients(label.Point, feature.Point);
                double[] a = label.BuildOwnScalars(gl);
                double[] b = feature.BuildOwnScalars(gf);
                steps.Add((label.Advance(a, b, LinkQuality.Exact), feature.Advance(b, a, LinkQuality.Exact)));
            }
            while (steps[^1].Label.Verdict == LbfgsVerdict.Continue);
            return ([.. label.Point, .. feature.Point], steps[^1].Label, steps);
        }

        private static double[] Unit(Random random, int length)
        {
            double[] v = [.. Enumerable.Range(0, length).Select(_ => SmallData.Gauss(random))];
            double norm = Math.Sqrt(v.Sum(x => x * x));
            return [.. v.Select(x => x / norm)];
        }
    }
}
