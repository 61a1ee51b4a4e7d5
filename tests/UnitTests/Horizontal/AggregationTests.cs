using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

public sealed class AggregationTests
{
    private static readonly ServerState Start = ServerState.Start([1, 2]);

    [Fact]
    public void FedAvg_is_the_mean_weighted_by_rows() =>
        Given.AssertClose([1 + ((10 * 1) + (30 * 3)) / 40.0, 2 + ((10 * 2) - (30 * 2)) / 40.0], Apply(new FedAvg(), Start, Two()).Parameters);

    [Fact]
    public void FedAvg_with_one_full_batch_step_each_is_gradient_descent_on_all_rows()
    {
        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, 3);
        Examples all = Given.Logistic(1, 60, 3);
        Examples[] clients = [all.Take([.. Enumerable.Range(0, 10)]), all.Take([.. Enumerable.Range(10, 50)])];
        double[] start = Given.Vector(4, 4);
        double[] gradient = new double[4];
        Objective.LossAndGradient(model, start, all, 0.01, gradient);
        var work = new LocalWork { BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.3), L2 = 0.01 };

        Given.AssertClose([.. start.Zip(gradient, (x, g) => x - (0.3 * g))], Round(new FedAvg(), ServerState.Start(start), model, clients, work).Parameters);
    }

    [Fact]
    public void FedProx_asks_for_the_proximal_term_and_averages_as_FedAvg()
    {
        var strategy = new FedProx(0.01);
        Assert.Equal(0.01, strategy.Prepare(new LocalWork()).Proximal);
        Assert.Equal(Apply(new FedAvg(), Start, Two()).Parameters, Apply(strategy, Start, Two()).Parameters);
    }

    [Fact]
    public void FedAvgM_rolls_on_with_momentum()
    {
        var strategy = new FedAvgM(0.5);
        ServerState one = Apply(strategy, Start, [Update(0, [1, 0])]);
        ServerState two = Apply(strategy, one, [Update(0, [1, 4])]);
        Given.AssertClose([2, 2], one.Parameters);
        Given.AssertClose([2 + 1.5, 2 + 4], two.Parameters);
    }

    [Theory]
    [InlineData(AdaptiveRule.Adagrad)]
    [InlineData(AdaptiveRule.Adam)]
    [InlineData(AdaptiveRule.Yogi)]
    public void Adaptive_servers_follow_algorithm_2_of_their_paper(AdaptiveRule rule)
    {
        const double Tau = 0.01;
        var strategy = new FedAdaptive(rule, 0.1, 0.9, 0.99, Tau);
        ServerState state = Start;
        double m = 0;
        double v = Tau * Tau;
        double x = 1;
        double beta1 = rule == AdaptiveRule.Adagrad ? 0 : 0.9;
        foreach (double delta in (double[])[0.5, -2, 0.003])
        {
            state = Apply(strategy, state, [Update(0, [delta, 0])]);
            m = (beta1 * m) + ((1 - beta1) * delta);
            double d2 = delta * delta;
            v = rule switch
            {
                AdaptiveRule.Adagrad => v + d2,
                AdaptiveRule.Adam => (0.99 * v) + (0.01 * d2),
                _ => v - (0.01 * d2 * Math.Sign(v - d2)),
            };
            x += 0.1 * m / (Math.Sqrt(v) + Tau);
            Assert.Equal(x, state.Parameters[0], 1e-13);
        }
    }

    [Fact]
    public void FedNova_with_equal_work_is_FedAvg() =>
        Given.AssertClose(Apply(new FedAvg(), Start, Two()).Parameters, Apply(new FedNova(), Start, Two()).Parameters);

    [Fact]
    public void FedNova_with_unequal_work_keeps_the_optimum_that_FedAvg_loses()
    {
        // f_i(x) = (x - e_i)²/2 with equal rows: the optimum is the mean of e_i, 0.5; FedAvg leans to the client with more steps.
        double naive = Quadratic(new FedAvg());
        double nova = Quadratic(new FedNova());

        // With s = (1 − (1 − η)^20) / 20η, the mean gradient along the longer way, the fixed point is s / (1 + s): 0.5 but for the way's curvature.
        double s = (1 - Math.Pow(1 - 0.001, 20)) / (20 * 0.001);
        Assert.Equal(s / (1 + s), nova, 1e-9);
        Assert.InRange(nova, 0.497, 0.5);
        Assert.Equal(20 * s / (1 + (20 * s)), naive, 1e-9);

        static double Quadratic(AggregationStrategy strategy)
        {
            FederatedModel model = FederatedModel.Generalised(LossHead.Linear, 1);
            Examples[] clients = [Examples.FromRows([0], [0], 1), Examples.FromRows([0], [1], 1)];
            ServerState state = ServerState.Start([0, 0]);
            for (int round = 0; round < 3000; round++)
            {
                ClientUpdate[] updates =
                [
                    .. clients.Select((rows, i) =>
                    {
                        using RandomStream stream = Given.Stream((ulong)round);
                        var work = new LocalWork { Epochs = i == 0 ? 1 : 20, BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.001) };
                        return LocalTrainer.Run(model, i, rows, strategy.Order(state, work), null, stream);
                    }),
                ];
                state = strategy.Aggregate(state, updates, 2).State;
            }

            return state.Parameters[1];
        }
    }

    [Fact]
    public void Scaffold_averages_models_over_answers_and_controls_over_the_roster()
    {
        ServerState state = Start with { Slots = new Dictionary<string, double[]> { [ServerState.Control] = [0.1, 0.2] } };
        ClientUpdate[] updates = [Update(0, [1, 2]) with { ControlDelta = [4, 0] }, Update(2, [3, 0]) with { ControlDelta = [0, 8], Examples = 99 }];
        ServerState next = new Scaffold().Aggregate(state, updates, 4).State;
        Given.AssertClose([1 + 2, 2 + 1], next.Parameters);
        Given.AssertClose([0.1 + 1, 0.2 + 2], next.Slot(ServerState.Control)!);
    }

    [Fact]
    public void Scaffold_reaches_the_optimum_from_which_drift_keeps_FedAvg()
    {
        // Unlike curvatures: f_1 = (x - 0)²/2, f_2 = 9 (x - 1)²/2; the optimum of the sum is 0.9.
        double[] optimum = [0.9];
        Assert.True(Math.Abs(Drift(new FedAvg()) - optimum[0]) > 0.05);
        Assert.Equal(optimum[0], Drift(new Scaffold()), 1e-6);

        static double Drift(AggregationStrategy strategy)
        {
            FederatedModel model = FederatedModel.Generalised(LossHead.Linear, 1);

            // Without a bias in play: rows ±x with labels ±y make its gradient vanish.
            Examples[] clients = [Examples.FromRows([1, -1], [0, 0], 1), Examples.FromRows([3, -3], [3, -3], 1)];
            double[][] controls = [new double[2], new double[2]];
            ServerState state = ServerState.Start([0, 0]);
            for (int round = 0; round < 400; round++)
            {
                var updates = new List<ClientUpdate>();
                for (int i = 0; i < clients.Length; i++)
                {
                    using RandomStream stream = Given.Stream(1);
                    var work = new LocalWork { Epochs = 10, BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.05) };
                    ClientUpdate update = LocalTrainer.Run(model, i, clients[i], strategy.Order(state, work), controls[i], stream);
                    if (update.ControlDelta is not null)
                    {
                        Kernels.AddScaled(1, update.ControlDelta, controls[i]);
                    }

                    updates.Add(update);
                }

                state = strategy.Aggregate(state, updates, 2).State;
            }

            return state.Parameters[0];
        }
    }

    [Theory]
    [InlineData(new double[] { 5, 1, 100 }, 5)]
    [InlineData(new double[] { 5, 1, 100, 7 }, 6)]
    [InlineData(new double[] { 3 }, 3)]
    public void The_median_of_every_coordinate(double[] values, double expected) =>
        Given.AssertClose([1 + expected, 2], Apply(new CoordinateMedian(), Start, Column(values)).Parameters);

    [Fact]
    public void The_trimmed_mean_leaves_out_both_ends()
    {
        Given.AssertClose([1 + 3, 2], Apply(new TrimmedMean(0.2), Start, Column(4, -1000, 2, 3, 1000)).Parameters);
        Given.AssertClose([1 + 2, 2], Apply(new TrimmedMean(0), Start, Column(1, 3)).Parameters);
        Assert.Equal(
            HorizontalError.TooFewClients,
            Assert.Throws<HorizontalException>(() => Apply(new TrimmedMean(0.4), Start, Column(1, 2))).Error);
    }

    [Fact]
    public void Krum_takes_the_update_nearest_to_its_neighbours()
    {
        // m = 7, f = 2: three nearest each. Scores of 0, 1, 2, 3, 4: 1+4+9, 1+1+4, 1+1+4, 1+1+4, 1+4+9; the tie goes to the first.
        ClientUpdate[] updates = Column(0, 1, 2, 3, 4, 100, -70);
        Assert.Equal([14, 6, 6, 6, 14], Krum.Scores(updates, 3).Take(5));
        Aggregated krum = new Krum(0.3).Aggregate(Start, updates, 7);
        Given.AssertClose([1 + 1, 2], krum.State.Parameters);
        Aggregated multi = new Krum(0.3, 0).Aggregate(Start, updates, 7);
        Given.AssertClose([1 + 2, 2], multi.State.Parameters);
        Assert.Equal([5, 6], multi.Outliers.Select(outlier => outlier.Client));
        Assert.Equal(HorizontalError.TooFewClients, Assert.Throws<HorizontalException>(() => Apply(new Krum(0.4), Start, Column(1, 2, 3, 4, 5))).Error);
    }

    [Fact]
    public void The_geometric_median_of_a_triangle_is_its_fermat_point()
    {
        // An equilateral triangle, one corner pulled far out along its own axis: the Fermat point stays where it was.
        double height = Math.Sqrt(3) / 2;
        ServerState start = ServerState.Start([0, 0]);
        ClientUpdate[] near = [Update(0, [0, 0]), Update(1, [1, 0]), Update(2, [0.5, height])];
        ClientUpdate[] far = [near[0], near[1], Update(2, [0.5, 100])];
        var strategy = new GeometricMedian(500);
        Given.AssertClose([0.5, height / 3], Apply(strategy, start, near).Parameters, 1e-6);
        Given.AssertClose([0.5, height / 3], Apply(strategy, start, far).Parameters, 1e-4);
    }

    [Theory]
    [InlineData(1e3)]
    [InlineData(1e12)]
    [InlineData(1e200)]
    public void However_long_a_hostile_update_is_the_geometric_median_stays_among_the_others(double length)
    {
        ClientUpdate[] updates = [Update(0, [0, 0]), Update(1, [1, 0]), Update(2, [0, 1]), Update(3, [1, 1]), Update(4, [length, length])];
        double[] found = Apply(new GeometricMedian(), ServerState.Start([0, 0]), updates).Parameters;
        Assert.All(found, value => Assert.InRange(value, 0.5, 1));
    }

    [Fact]
    public void Norm_bounding_shortens_what_is_too_long_and_names_it()
    {
        Aggregated result = new NormBounding(2).Aggregate(Start, [Update(0, [3, 4]), Update(1, [0, 5]), Update(2, [60, 80])], 3);
        Given.AssertClose([1 + ((3 + 6) / 3.0), 2 + ((4 + 5 + 8) / 3.0)], result.State.Parameters);
        Outlier outlier = Assert.Single(result.Outliers);
        Assert.Equal(2, outlier.Client);
        Assert.Equal(0.1, outlier.Weight, 1e-15);
    }

    [Theory]
    [InlineData("geometric-median", 1)]
    [InlineData("norm-bound:1", 0.6)]
    public void A_claim_of_many_rows_does_not_buy_a_robust_average(string strategy, double expected)
    {
        ClientUpdate[] updates = [.. Column(1, 1, 1, 1), Update(4, [-50, 0], int.MaxValue)];
        Given.AssertClose([1 + expected, 2], Apply(StrategyParser.Parse(strategy), Start, updates).Parameters, 1e-6);
    }

    [Theory]
    [InlineData("median")]
    [InlineData("trimmed-mean:0.2")]
    [InlineData("geometric-median")]
    public void Whoever_is_far_from_the_outcome_is_named_with_what_it_kept(string strategy)
    {
        double[] values = [4, -1000, 2, 3, 1000];
        ClientUpdate[] updates = [.. values.Select((value, i) => Update(i, [value]))];
        IReadOnlyList<Outlier> outliers = StrategyParser.Parse(strategy).Aggregate(ServerState.Start([0]), updates, 5).Outliers;
        Assert.Equal([1, 4], outliers.Select(outlier => outlier.Client));
        Assert.All(outliers, outlier => Assert.InRange(outlier.Weight, 0, 0.01));
        Assert.Empty(StrategyParser.Parse(strategy).Aggregate(ServerState.Start([0]), [updates[0], updates[2], updates[3]], 5).Outliers);
    }

    [Fact]
    public void Shares_are_of_their_decimals_and_not_of_the_last_bit_of_a_product()
    {
        Assert.Equal((7, 8, 0), (Shares.Up(0.07, 100), Shares.Up(0.0701, 100), Shares.Up(0, 100)));
        Assert.Equal((29, 28), (Shares.Down(0.29, 100), Shares.Down(0.2899, 100)));
        double[] values = [.. Enumerable.Range(0, 100).Select(i => (double)(i * i))];
        Assert.Equal(29, new Krum(0.29, 0).Aggregate(Start, Column(values), 100).Outliers.Count);
        Given.AssertClose([1 + values[7..93].Average(), 2], Apply(new TrimmedMean(0.07), Start, Column(values)).Parameters, 1e-9);
    }

    [Fact]
    public void The_order_in_which_updates_are_given_is_the_order_of_clients()
    {
        Assert.Throws<HorizontalException>(() => new FedAvg().Aggregate(Start, [Update(1, [1, 1]), Update(0, [1, 1])], 2));
        Assert.Equal(HorizontalError.TooFewClients, Assert.Throws<HorizontalException>(() => new FedAvg().Aggregate(Start, [], 2)).Error);
        Assert.Equal(HorizontalError.WrongShape, Assert.Throws<HorizontalException>(() => new FedAvg().Aggregate(Start, [Update(0, [1])], 2)).Error);
    }

    [Fact]
    public void What_a_server_carries_stays_finite_or_the_round_is_refused()
    {
        // The square overflows, and the step by it would be 0 from then on.
        ClientUpdate[] updates = [Update(0, [1e200, 0])];
        Assert.Equal(HorizontalError.NotFinite, Assert.Throws<HorizontalException>(() => Apply(StrategyParser.Parse("fedadam"), Start, updates)).Error);
    }

    [Fact]
    public void No_strategy_writes_into_the_state_or_the_updates_it_was_given()
    {
        foreach (string name in (string[])["fedavg", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "fednova", "scaffold", "median", "trimmed-mean", "krum:0", "multi-krum:0", "geometric-median", "norm-bound"])
        {
            AggregationStrategy strategy = StrategyParser.Parse(name);
            ClientUpdate[] updates = [.. Column(1, 2, 5).Select(update => update with { ControlDelta = [1, 1] })];
            ServerState one = strategy.Aggregate(Start, updates, 3).State;
            string before = Text(one);
            ServerState two = strategy.Aggregate(one, updates, 3).State;
            Assert.Equal(before, Text(one));
            Assert.Equal([1, 2], Start.Parameters);
            Assert.Equal(5, updates[2].Delta[0]);
            Assert.Equal(2, two.Round);
        }

        static string Text(ServerState state) =>
            string.Join(';', state.Slots.OrderBy(slot => slot.Key, StringComparer.Ordinal).Select(slot => $"{slot.Key}={string.Join(',', slot.Value)}").Prepend(string.Join(',', state.Parameters)));
    }

    [Fact]
    public void A_full_buffer_makes_a_version_from_updates_weighted_by_staleness()
    {
        var strategy = new FedBuff(2, 3, 0.5);
        var limits = new UpdateLimits(2, 0, 100, 1000, 100, WithControl: false);
        ServerState state = Start;
        state = strategy.Receive(state, Update(0, [4, 0]), limits);
        Assert.Equal((0, 1.0), (state.Round, state.Parameters[0]));
        state = strategy.Receive(state, Update(1, [0, 4]), limits);
        Assert.Equal(1, state.Round);
        Given.AssertClose([2, 3], state.Parameters);
        state = strategy.Receive(state, Update(0, [4, 0]), limits);
        state = strategy.Receive(state, Update(1, [0, 4]) with { Round = 1 }, limits);
        Given.AssertClose([2 + (1 / Math.Sqrt(2)), 4], state.Parameters);
    }

    [Fact]
    public void FedBuff_refuses_what_is_too_stale_or_not_there_yet_and_keeps_its_state()
    {
        var strategy = new FedBuff(1, 1);
        var limits = new UpdateLimits(2, 0, 100, 1000, 100, WithControl: false);
        ServerState state = strategy.Receive(strategy.Receive(Start, Update(0, [1, 1]), limits), Update(0, [1, 1]), limits);
        Assert.Equal(2, state.Round);
        Assert.Equal(HorizontalError.WrongRound, Assert.Throws<HorizontalException>(() => strategy.Receive(state, Update(0, [1, 1]), limits)).Error);
        Assert.Equal(HorizontalError.WrongRound, Assert.Throws<HorizontalException>(() => strategy.Receive(state, Update(0, [1, 1]) with { Round = 3 }, limits)).Error);
        Assert.Equal(HorizontalError.NotFinite, Assert.Throws<HorizontalException>(() => strategy.Receive(state, Update(0, [1, double.NaN]) with { Round = 2 }, limits)).Error);
        Assert.Equal(1, FedBuff.Weight(0));
        Assert.Equal(0.5, FedBuff.Weight(3));
    }

    [Theory]
    [InlineData("fedsomething")]
    [InlineData("fedprox")]
    [InlineData("fedprox:x")]
    [InlineData("fedprox:-1")]
    [InlineData("fedavg:1")]
    [InlineData("trimmed-mean:0.5")]
    [InlineData("krum:0.7")]
    public void Strategies_that_do_not_parse_are_refused(string text) =>
        Assert.Equal(HorizontalError.InvalidInput, Assert.Throws<HorizontalException>(() => StrategyParser.Parse(text)).Error);

    internal static ServerState Round(AggregationStrategy strategy, ServerState state, FederatedModel model, Examples[] clients, LocalWork work)
    {
        ClientUpdate[] updates =
        [
            .. clients.Select((rows, i) =>
            {
                using RandomStream stream = Given.Stream((ulong)i);
                return LocalTrainer.Run(model, i, rows, strategy.Order(state, work), null, stream);
            }),
        ];
        return strategy.Aggregate(state, updates, clients.Length).State;
    }

    internal static ClientUpdate Update(int client, double[] delta, long examples = 10) => new()
    {
        Client = client, Round = 0, Delta = delta, Examples = examples, Steps = 5, NormalisedSteps = 5, LossBefore = 1, LossAfter = 0.5,
    };

    private static ServerState Apply(AggregationStrategy strategy, ServerState state, ClientUpdate[] updates) => strategy.Aggregate(state, updates, updates.Length).State;

    private static ClientUpdate[] Two() => [Update(0, [1, 2]), Update(1, [3, -2], 30)];

    private static ClientUpdate[] Column(params double[] values) => [.. values.Select((value, i) => Update(i, [value, 0]))];
}
