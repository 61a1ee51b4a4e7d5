using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Privacy;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

public sealed class PrivacyTests
{
    // 30-digit references.
    [Theory]
    [InlineData(-6, 0.6931471805599453)]
    [InlineData(-1.5, 0.67605450273396056)]
    [InlineData(-0.3, 0.28414589714140825)]
    [InlineData(0.1, -0.11930497373739561)]
    [InlineData(1, -1.8496055099332482)]
    [InlineData(1.9, -4.9323458627802689)]
    [InlineData(2.1, -5.816010968867555)]
    [InlineData(5, -27.200889545537434)]
    [InlineData(20, -403.56934333410423)]
    public void The_logarithm_of_erfc_is_right_to_twelve_digits(double x, double expected) =>
        Assert.Equal(expected, LogErfc.Of(x), 1e-12 * Math.Max(1, Math.Abs(expected)));

    // By numerical integration of the definition to 20 digits.
    [Theory]
    [InlineData(0.01, 2.5, 1.5, 1.30014179438e-5)]
    [InlineData(0.01, 1, 2.5, 0.000217575332282)]
    [InlineData(0.1, 0.8, 3.7, 0.222330624373)]
    [InlineData(0.004, 1.1, 9.3, 0.000101262259609)]
    [InlineData(0.5, 2, 7.5, 0.382902887566)]
    [InlineData(0.01, 1.3, 8, 0.000344382254801)]
    public void The_sampled_Gaussian_agrees_with_the_integral_that_defines_it(double q, double sigma, double alpha, double expected) =>
        Assert.Equal(1, RenyiGaussian.Sampled(q, sigma, alpha) / expected, 1e-6);

    [Theory]
    [InlineData(1e4, 1.1)]
    [InlineData(1e6, 1.3)]
    public void Where_the_series_goes_on_for_too_long_an_upper_bound_is_taken(double sigma, double alpha)
    {
        // With much noise the divergence is α q² / 2σ² but for terms that noise makes vanish; the whole order above has at most that of 2.
        double small = RenyiGaussian.Sampled(0.5, sigma, alpha);
        Assert.InRange(small / (alpha * 0.25 / (2 * sigma * sigma)), 0.999, 2 / alpha * 1.001);
    }

    // From the tests of the public dp-accounting library: 50 rounds, q = 0.01, noise multiplier 2.5.
    [Theory]
    [InlineData(1.5, 6.5007e-4)]
    [InlineData(2.5, 1.0854e-3)]
    [InlineData(5, 2.1808e-3)]
    [InlineData(50, 2.3846e-2)]
    [InlineData(100, 1.6742e2)]
    public void Renyi_divergences_agree_with_published_ones(double alpha, double expected) =>
        Assert.Equal(1, 50 * RenyiGaussian.Sampled(0.01, 2.5, alpha) / expected, 1e-4);

    // From the published tests of TensorFlow Privacy's compute_dp_sgd_privacy: rows, batch, noise multiplier, epochs, δ.
    [Theory]
    [InlineData(60_000, 150, 1.3, 15, 1e-5, 0.7242234026109595)]
    [InlineData(100_000, 100, 1.0, 30, 1e-7, 1.4154988495444845)]
    public void Epsilon_of_private_training_agrees_with_published_values(int rows, int batch, double sigma, int epochs, double delta, double expected)
    {
        double epsilon = PrivacyAccountant.Fresh.AfterSampledGaussian((double)batch / rows, sigma, epochs * rows / batch).Epsilon(delta);
        Assert.Equal(1, epsilon / expected, 0.01);
    }

    // From the published tests of Opacus' RDP accountant: 90 epochs at q = 0.04, noise multiplier 1.5, δ = 1e-5.
    [Fact]
    public void Epsilon_agrees_with_the_published_value_of_another_accountant() =>
        Assert.Equal(1, PrivacyAccountant.Fresh.AfterSampledGaussian(0.04, 1.5, 2250).Epsilon(1e-5) / 7.32911117143, 0.001);

    [Fact]
    public void One_Gaussian_release_at_the_published_noise_costs_one() =>
        Assert.Equal(1, PrivacyAccountant.Fresh.AfterSampledGaussian(1, 4.530877117, 1).Epsilon(1e-6), 0.01);

    [Fact]
    public void Costs_add_up_and_survive_storage()
    {
        PrivacyAccountant once = PrivacyAccountant.Fresh.AfterSampledGaussian(0.1, 1, 10);
        PrivacyAccountant twice = PrivacyAccountant.FromValues(once.Values).AfterSampledGaussian(0.1, 1, 5);
        Assert.Equal(PrivacyAccountant.Fresh.AfterSampledGaussian(0.1, 1, 15).Epsilon(1e-5), twice.Epsilon(1e-5), 1e-12);
        Assert.Equal(0, PrivacyAccountant.Fresh.Epsilon(1e-5));
        Assert.Equal(double.PositiveInfinity, PrivacyAccountant.Fresh.AfterSampledGaussian(0.1, 0, 1).Epsilon(1e-5));
        Assert.Throws<HorizontalException>(() => PrivacyAccountant.FromValues([1, 2]));
        Assert.Throws<HorizontalException>(() => PrivacyAccountant.FromValues([.. once.Values[..^1], -1]));
    }

    [Fact]
    public void Work_beyond_the_budget_is_refused_before_it_starts()
    {
        PrivacyAccountant spent = PrivacyAccountant.Fresh.AfterSampledGaussian(0.05, 1, 20);
        spent.Admit(spent.AfterSampledGaussian(0.05, 1, 20), 3, 1e-5);
        HorizontalException error = Assert.Throws<HorizontalException>(() => spent.Admit(spent.AfterSampledGaussian(0.05, 1, 2000), 3, 1e-5));
        Assert.Equal(HorizontalError.BudgetExceeded, error.Error);
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(9, 1)]
    [InlineData(25, 2)]
    public void Discrete_Gaussian_draws_have_the_frequencies_of_its_law(long numerator, long denominator)
    {
        const int Trials = 20_000;
        double variance = (double)numerator / denominator;
        var sampler = new DiscreteGaussian(numerator, denominator);
        using RandomStream stream = Given.Stream(5);
        var counts = new Dictionary<long, int>();
        for (int i = 0; i < Trials; i++)
        {
            long draw = sampler.Next(stream);
            counts[draw] = counts.GetValueOrDefault(draw) + 1;
        }

        double total = Enumerable.Range(-60, 121).Sum(x => Math.Exp(-x * x / (2 * variance)));
        double statistic = 0;
        int cells = 0;
        foreach (int x in Enumerable.Range(-60, 121))
        {
            double expected = Trials * Math.Exp(-x * x / (2 * variance)) / total;
            if (expected >= 5)
            {
                double found = counts.GetValueOrDefault(x);
                statistic += (found - expected) * (found - expected) / expected;
                cells++;
            }
        }

        // χ² with cells − 1 degrees of freedom: mean cells, deviation √(2 cells); six deviations off is no chance.
        Assert.InRange(statistic, 0, cells + (6 * Math.Sqrt(2 * cells)));
    }

    [Fact]
    public void Variances_are_taken_up_to_a_fraction()
    {
        using RandomStream stream = Given.Stream(6);
        var sampler = DiscreteGaussian.OfVariance(1e10);
        double[] draws = [.. Enumerable.Range(0, 4000).Select(_ => (double)sampler.Next(stream))];
        Assert.InRange(draws.Sum(x => x * x) / draws.Length, 0.88e10, 1.12e10);
        Assert.Throws<HorizontalException>(() => new DiscreteGaussian(0, 1));
        Assert.Throws<HorizontalException>(() => DiscreteGaussian.OfVariance(double.NaN));
    }

    [Fact]
    public void Noise_of_many_clients_costs_what_noise_of_their_sum_would()
    {
        // With σ of 5 units each the discreteness is below any digit: Δ²/nσ² of a Gaussian.
        Assert.Equal(RenyiGaussian.Sampled(1, Math.Sqrt(10) * 5 / 3, 4), RenyiGaussian.Distributed(3, 5, 10, 100, 4), 1e-9);
        Assert.True(RenyiGaussian.Distributed(3, 0.5, 10, 100, 4) > RenyiGaussian.Sampled(1, Math.Sqrt(10) * 0.5 / 3, 4));
    }

    // By hand, both branches of the minimum: n = 2, so τ = 10 e^(−π² σ²); σ = 1/2, d = 1: Δ²/nσ² + τd/2; σ = 1, d = 100: (Δ/√n σ + τ√d)².
    [Theory]
    [InlineData(0.5, 1, 2.424024862)]
    [InlineData(1, 100, 0.507341516)]
    public void Discrete_noise_of_few_clients_costs_what_its_theorem_adds(double sigma, int dimension, double squared) =>
        Assert.Equal(squared, RenyiGaussian.Distributed(1, sigma, 2, dimension, 2), 1e-6);

    [Fact]
    public void Client_privacy_clips_adds_and_divides_by_what_was_expected()
    {
        using RandomStreams streams = RandomStreams.InsecureFromSeed(1);
        var strategy = new PrivateFedAvg(new ClientPrivacy(5, 0, 4), streams);
        ServerState next = strategy.Aggregate(
            ServerState.Start([1, 1]), [AggregationTests.Update(0, [3, 4]), AggregationTests.Update(1, [30, 40], 1000)], 4).State;
        Given.AssertClose([1 + (6 / 4.0), 1 + (8 / 4.0)], next.Parameters);
    }

    [Fact]
    public void Client_privacy_adds_noise_of_the_stated_size_that_a_replay_repeats()
    {
        using RandomStreams streams = RandomStreams.InsecureFromSeed(1);
        var strategy = new PrivateFedAvg(new ClientPrivacy(2, 1.5, 10), streams);
        double[] zero = new double[4000];
        ServerState one = strategy.Aggregate(ServerState.Start(zero), [AggregationTests.Update(0, zero)], 10).State;
        ServerState again = strategy.Aggregate(ServerState.Start(zero), [AggregationTests.Update(0, zero)], 10).State;
        Assert.Equal(one.Parameters, again.Parameters);
        double deviation = Math.Sqrt(one.Parameters.Sum(x => x * x) / zero.Length);
        Assert.InRange(deviation, 0.95 * 0.3, 1.05 * 0.3);
        Assert.NotEqual(one.Parameters, strategy.Aggregate(ServerState.Start(zero) with { Round = 1 }, [AggregationTests.Update(0, zero)], 10).State.Parameters);
    }

    [Fact]
    public void Adaptive_clipping_finds_the_quantile_of_the_norms()
    {
        using RandomStreams streams = RandomStreams.InsecureFromSeed(1);
        var strategy = new PrivateFedAvg(new ClientPrivacy(100, 0, 100, TargetQuantile: 0.5), streams);
        ServerState state = ServerState.Start([0]);
        for (int round = 0; round < 300; round++)
        {
            // Norms 0.1, 0.2, …, 10: the median lies at 5.
            state = strategy.Aggregate(state with { Parameters = [0] }, [.. Enumerable.Range(0, 100).Select(i => AggregationTests.Update(i, [(i + 1) / 10.0]))], 100).State;
        }

        Assert.InRange(strategy.Clip(state)!.Value, 4.5, 5.5);
        Assert.Equal(strategy.Clip(state), strategy.Order(state, new global::VertFed.Horizontal.Updates.LocalWork()).Clip);
    }

    [Fact]
    public void A_client_moves_the_count_of_adaptive_clipping_by_a_half_only()
    {
        using RandomStreams streams = RandomStreams.InsecureFromSeed(1);
        var strategy = new PrivateFedAvg(new ClientPrivacy(1, 1, 10, TargetQuantile: 0.5, CountDeviation: 5), streams);
        Assert.Equal([0.5, 0.5], strategy.Contribution(AggregationTests.Update(0, [0.5]), 1));
        Assert.Equal([1, -0.5], strategy.Contribution(AggregationTests.Update(0, [7]), 1));
    }

    [Fact]
    public void Adaptive_clipping_shares_the_noise_between_sum_and_count()
    {
        var privacy = new ClientPrivacy(1, 1, 100, TargetQuantile: 0.5, CountDeviation: 5);
        Assert.Equal(Math.Pow(1 - (1 / 100.0), -0.5), privacy.SumMultiplier, 1e-12);
        Assert.Throws<HorizontalException>(() => new ClientPrivacy(1, 1, 100, TargetQuantile: 0.5, CountDeviation: 0.5).Validate());
    }
}
