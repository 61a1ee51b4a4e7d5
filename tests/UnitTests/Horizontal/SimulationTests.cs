using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Simulation;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

public sealed class SimulationTests
{
    private static readonly FederatedModel Model = FederatedModel.Generalised(LossHead.Logistic, 4);
    private static readonly Examples Train = Given.Logistic(1, 600, 4);
    private static readonly Examples Test = Given.Logistic(2, 400, 4);

    [Theory]
    [InlineData("iid")]
    [InlineData("dirichlet:0.05")]
    [InlineData("dirichlet:100")]
    [InlineData("shards:2")]
    [InlineData("feature-skew")]
    public void Every_row_goes_to_one_client_and_no_client_is_left_without(string text)
    {
        using RandomStream stream = Given.Stream(1);
        int[][] dealt = Partition.Parse(text).Split(Train, classes: true, 50, stream);
        Assert.Equal(Enumerable.Range(0, 600), dealt.SelectMany(rows => rows).Order());
        Assert.All(dealt, Assert.NotEmpty);
        using RandomStream again = Given.Stream(1);
        Assert.Equal(dealt, Partition.Parse(text).Split(Train, classes: true, 50, again));
    }

    [Fact]
    public void Of_very_many_clients_none_is_left_without_rows_and_no_row_is_lost()
    {
        using RandomStream stream = Given.Stream(1);
        Examples many = Given.Logistic(3, 40_000, 1);
        int[][] dealt = Partition.Parse("dirichlet:0.001").Split(many, classes: true, 39_000, stream);
        Assert.All(dealt, Assert.NotEmpty);
        Assert.Equal(40_000, dealt.SelectMany(rows => rows).Distinct().Count());
    }

    [Fact]
    public void A_small_alpha_gives_unlike_clients_and_a_large_one_alike_clients()
    {
        Assert.True(Imbalance("dirichlet:0.1") > 2 * Imbalance("dirichlet:1000"));
        Assert.True(Imbalance("shards:1") > 0.35);

        static double Imbalance(string text)
        {
            using RandomStream stream = Given.Stream(3);
            int[][] dealt = Partition.Parse(text).Split(Train, classes: true, 20, stream);
            double mean = Train.Labels().Average();
            return dealt.Average(rows => Math.Abs(rows.Average(Train.Label) - mean));
        }
    }

    [Fact]
    public void Feature_skew_cuts_the_rows_along_one_direction()
    {
        using RandomStream stream = Given.Stream(1);
        int[][] dealt = Partition.Parse("feature-skew").Split(Train, classes: true, 2, stream);
        double[] gap = [.. Enumerable.Range(0, 4).Select(j => dealt[1].Average(i => Train.Row(i)[j]) - dealt[0].Average(i => Train.Row(i)[j]))];
        Assert.True(Kernels.Norm(gap) > 1, "halves of a standard normal are 1.6 apart");
    }

    [Theory]
    [InlineData("iid:1")]
    [InlineData("dirichlet")]
    [InlineData("dirichlet:0")]
    [InlineData("shards:1.5")]
    [InlineData("halves")]
    public void Partitions_that_do_not_parse_are_refused(string text) =>
        Assert.Equal(HorizontalError.InvalidInput, Assert.Throws<HorizontalException>(() => Partition.Parse(text)).Error);

    [Fact]
    public void Selection_by_size_prefers_large_clients_and_by_availability_those_that_are_there()
    {
        int[] rows = [.. Enumerable.Repeat(1, 50), .. Enumerable.Repeat(50, 50)];
        using RandomStream stream = Given.Stream(1);
        int large = Enumerable.Range(0, 40).Sum(_ => ClientSelection.Choose(SelectionPolicy.BySize, 10, rows, null, stream).Count(i => i >= 50));
        int uniform = Enumerable.Range(0, 40).Sum(_ => ClientSelection.Choose(SelectionPolicy.Uniform, 10, rows, null, stream).Count(i => i >= 50));
        Assert.InRange(large, 370, 400);
        Assert.InRange(uniform, 150, 250);
        bool[] available = [.. rows.Select((_, i) => i % 25 == 0)];
        Assert.Equal([0, 25, 50, 75], ClientSelection.Choose(SelectionPolicy.ByAvailability, 10, rows, available, stream));
        Assert.Equal(15, ClientSelection.Invitations(10, 1.5, 100));
        Assert.Equal(12, ClientSelection.Invitations(10, 1.5, 12));
    }

    [Fact]
    public void The_number_of_threads_changes_no_bit()
    {
        SimulationOptions options = Options("scaffold") with
        {
            Clients = 30, Fraction = 0.4, OverSelection = 1.5, DropoutRate = 0.1, SlowestSpeed = 0.3, AdaptiveWork = true, Codec = UpdateCodec.Parse("top-k:0.5"),
        };
        SimulationResult one = SimulationEngine.Run(options, Train, Test);
        SimulationResult four = SimulationEngine.Run(options with { Threads = 4 }, Train, Test);
        Assert.Equal(one.Parameters, four.Parameters);
        Assert.Equal(one.Rounds.Select(r => (r.Answered, r.BytesUp, r.BytesDown, r.Test)), four.Rounds.Select(r => (r.Answered, r.BytesUp, r.BytesDown, r.Test)));
        Assert.NotEqual(one.Parameters, SimulationEngine.Run(options with { Seed = 2 }, Train, Test).Parameters);
    }

    [Fact]
    public void Fedavg_on_alike_clients_comes_near_the_fit_of_all_rows()
    {
        SimulationResult result = SimulationEngine.Run(Options("fedavg") with { Rounds = 40 }, Train, Test);
        double[] central = new double[5];
        double[] gradient = new double[5];
        for (int step = 0; step < 500; step++)
        {
            Objective.LossAndGradient(Model, central, Train, 0, gradient);
            Kernels.AddScaled(-0.5, gradient, central);
        }

        Assert.Equal(Evaluation.Of(Model, central, Test).Score, result.Rounds[^1].Test.Score, 0.005);
        Assert.Equal(20, result.RowsOfClients.Count);
        Assert.True(result.Spread.WorstDecile <= result.Spread.Mean && result.Spread.Mean <= result.Spread.Best);
    }

    [Fact]
    public void Stragglers_and_clients_that_drop_out_are_done_without()
    {
        SimulationResult result = SimulationEngine.Run(
            Options("fednova") with { Clients = 40, Fraction = 0.5, OverSelection = 1.5, DropoutRate = 0.2, SlowestSpeed = 0.1, Deadline = 2 }, Train, Test);
        Assert.All(result.Rounds, round => Assert.Equal(30, round.Invited));
        Assert.All(result.Rounds, round => Assert.InRange(round.Answered, 1, 20));
        Assert.Contains(result.Rounds, round => round.Answered < 20);
        Assert.True(result.Rounds[^1].Test.Score > 0.75);
    }

    [Fact]
    public void A_deadline_is_the_same_whoever_else_is_invited()
    {
        SimulationOptions options = Options("fedavg") with { Partition = Partition.Parse("dirichlet:0.1"), Deadline = 0.45 };
        using var clients = new SimulatedClients(options, Train, usesControl: false);
        int large = Array.IndexOf(clients.Rows, clients.Rows.Max());
        int small = Enumerable.Range(0, large).First(i => 5 * clients.Rows[i] < clients.Rows[large]);
        Assert.Contains(small, clients.Answering([small, large], options.Work, 0));
        Assert.Contains(small, clients.Answering([small], options.Work, 0));
    }

    [Fact]
    public void A_round_with_too_few_answers_leaves_the_model_as_it_is()
    {
        SimulationResult result = SimulationEngine.Run(Options("fedavg") with { LeastClients = 20, DropoutRate = 0.9, Rounds = 2 }, Train, Test);
        Assert.Equal(new double[5], result.Parameters);
    }

    [Fact]
    public void Client_privacy_costs_what_the_accountant_says_and_grows_with_rounds()
    {
        SimulationOptions options = Options("fedavg") with
        {
            Clients = 100, Fraction = 0.3, Selection = SelectionPolicy.Poisson, Privacy = new SimulatedPrivacy(1, 0.8, 1e-5, TargetQuantile: 0.5),
        };
        SimulationResult result = SimulationEngine.Run(options, Train, Test);
        Assert.Equal(PrivacyAccountant.Fresh.AfterSampledGaussian(0.3, 0.8, 10).Epsilon(1e-5), result.Rounds[^1].Epsilon, 1e-9);
        Assert.True(result.Rounds[0].Epsilon < result.Rounds[^1].Epsilon);
        Assert.True(result.Rounds.Select(round => round.Answered).Distinct().Count() > 3, "Poisson sampling varies the number of clients");
        Assert.InRange(result.Rounds.Average(round => round.Answered), 20, 40);
        Assert.True(double.IsNaN(SimulationEngine.Run(Options("fedavg") with { Rounds = 1 }, Train, Test).Rounds[0].Epsilon));
        Assert.Throws<HorizontalException>(() => SimulationEngine.Run(options with { Selection = SelectionPolicy.Uniform }, Train, Test));
        Assert.Throws<HorizontalException>(() => SimulationEngine.Run(options with { Strategy = new CoordinateMedian() }, Train, Test));
    }

    [Fact]
    public void A_private_round_without_answers_is_published_with_its_noise()
    {
        SimulationOptions options = Options("fedavg") with
        {
            Rounds = 1, DropoutRate = 1 - 1e-9, Selection = SelectionPolicy.Poisson, Privacy = new SimulatedPrivacy(1, 1, 1e-5),
        };
        SimulationResult result = SimulationEngine.Run(options, Train, Test);
        Assert.Equal(0, result.Rounds[0].Answered);
        Assert.DoesNotContain(0, result.Parameters);
    }

    [Fact]
    public void Bytes_are_those_of_the_messages()
    {
        RoundRecord plain = SimulationEngine.Run(Options("fedavg") with { Rounds = 1 }, Train, Test).Rounds[0];
        Assert.Equal((20 * (44 + 40), 20 * 40), (plain.BytesUp, plain.BytesDown));
        RoundRecord control = SimulationEngine.Run(Options("scaffold") with { Rounds = 1 }, Train, Test).Rounds[0];
        Assert.Equal((20 * (44 + 80), 20 * 80), (control.BytesUp, control.BytesDown));
        RoundRecord four = SimulationEngine.Run(Options("fedavg") with { Rounds = 1, Codec = new QuantisingCodec(4) }, Train, Test).Rounds[0];
        Assert.Equal(20 * (44 + 8 + 3), four.BytesUp);
    }

    [Fact]
    public void Sums_of_clients_scale_as_all_rows_do()
    {
        Examples all = Given.Logistic(5, 200, 3, shift: 10);
        double[] sum = new double[7];
        foreach (int[] rows in (int[][])[[.. Enumerable.Range(0, 30)], [.. Enumerable.Range(30, 170)]])
        {
            Kernels.AddScaled(1, FederatedScaling.Contribution(all.Take(rows)), sum);
        }

        Examples scaled = FederatedScaling.FromSum(sum).Apply(all);
        for (int j = 0; j < 3; j++)
        {
            double[] column = [.. Enumerable.Range(0, 200).Select(i => scaled.Row(i)[j])];
            Assert.Equal(0, column.Average(), 1e-10);
            Assert.Equal(1, column.Sum(x => x * x) / 200, 1e-10);
        }

        Assert.Throws<HorizontalException>(() => FederatedScaling.FromSum([10, 100, 1]));
    }

    internal static SimulationOptions Options(string strategy) => new()
    {
        Model = Model,
        Strategy = StrategyParser.Parse(strategy),
        Partition = Partition.Parse("iid"),
        Clients = 20,
        Rounds = 10,
        Seed = 1,
        Work = new LocalWork { Epochs = 2, BatchSize = 10, Optimiser = OptimiserSpec.Sgd(0.1) },
    };
}
