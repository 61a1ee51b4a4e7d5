using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Personal;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

public sealed class PersonalTests
{
    private static readonly FederatedModel Line = FederatedModel.Generalised(LossHead.Linear, 1);

    [Theory]
    [InlineData(0, 4)]
    [InlineData(1, 3)]
    [InlineData(3, 2.5)]
    public void Ditto_settles_between_the_clients_optimum_and_the_global_model(double lambda, double expected)
    {
        // f(v) = (v - 4)²/2 in the bias, the global model at 2: the fixed point is (4 + 2 λ) / (1 + λ).
        Examples rows = Examples.FromRows([0, 0], [4, 4], 1);
        using RandomStream stream = Given.Stream(1);
        double[] own = [0, 0];
        for (int round = 0; round < 200; round++)
        {
            own = PersonalModel.DittoRound(Line, rows, own, [0, 2], lambda, new LocalWork { Optimiser = OptimiserSpec.Sgd(0.1) }, stream);
        }

        Assert.Equal(expected, own[1], 1e-8);
    }

    [Fact]
    public void Ditto_takes_plain_steps_only()
    {
        using RandomStream stream = Given.Stream(1);
        Examples rows = Examples.FromRows([0], [4], 1);
        Assert.Throws<HorizontalException>(() => PersonalModel.DittoRound(Line, rows, [0, 0], [0, 0], 1, new LocalWork { Proximal = 1 }, stream));
        Assert.Throws<HorizontalException>(() => PersonalModel.DittoRound(Line, rows, [0, 0], [0, 0], -1, new LocalWork(), stream));
    }

    [Fact]
    public void Fine_tuning_lowers_the_clients_loss_and_leaves_the_global_model_alone()
    {
        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, 3);
        Examples rows = Given.Logistic(1, 40, 3);
        double[] global = [-1, 1, -1, 0];
        using RandomStream stream = Given.Stream(1);
        double[] own = PersonalModel.FineTune(model, 0, rows, global, new LocalWork { Epochs = 5 }, stream);
        Assert.True(Objective.Loss(model, own, rows, 0) < Objective.Loss(model, global, rows, 0));
        Assert.Equal([-1, 1, -1, 0], global);
    }

    [Fact]
    public void Clustered_training_separates_two_kinds_of_clients_and_finds_each_ones_optimum()
    {
        Examples[] clients = [.. Enumerable.Range(0, 6).Select(i => Examples.FromRows([0, 0], i % 2 == 0 ? [5, 5] : [-3, -3], 1))];
        var clusters = new Clusters(new FedAvg());
        IReadOnlyList<ServerState> states = [ServerState.Start([0, 0.5]), ServerState.Start([0, -0.5]), ServerState.Start([0, 1000])];
        for (int round = 0; round < 60; round++)
        {
            var updates = new List<(int, ClientUpdate)>();
            for (int i = 0; i < clients.Length; i++)
            {
                using RandomStream stream = Given.Stream(1);
                int choice = Clusters.Choose(Line, states, clients[i]);
                Assert.Equal(i % 2, choice);
                updates.Add((choice, LocalTrainer.Run(Line, i, clients[i], new FedAvg().Order(states[choice], new LocalWork { Optimiser = OptimiserSpec.Sgd(0.5) }), null, stream)));
            }

            states = clusters.Aggregate(states, updates, clients.Length);
        }

        Assert.Equal(5, states[0].Parameters[1], 1e-9);
        Assert.Equal(-3, states[1].Parameters[1], 1e-9);
        Assert.Equal((1000, 60), (states[2].Parameters[1], states[2].Round));
        Assert.Throws<HorizontalException>(() => clusters.Aggregate(states, [(3, AggregationTests.Update(0, [1, 1]))], 1));
    }

    [Fact]
    public void The_consensus_is_the_weighted_mean_of_outputs()
    {
        Given.AssertClose([1.75, 3], Distillation.Consensus([[1, 0], [2, 4]], [1, 3]));
        Assert.Equal(HorizontalError.WrongShape, Assert.Throws<HorizontalException>(() => Distillation.Consensus([[1], [1, 2]], [1, 1])).Error);
        Assert.Equal(HorizontalError.NotFinite, Assert.Throws<HorizontalException>(() => Distillation.Consensus([[double.NaN]], [1])).Error);
    }

    [Theory]
    [InlineData("logistic")]
    [InlineData("softmax")]
    [InlineData("linear")]
    public void The_gradient_of_distillation_agrees_with_finite_differences(string head)
    {
        FederatedModel model = FederatedModel.Perceptron(head switch { "logistic" => LossHead.Logistic, "softmax" => LossHead.Softmax(3), _ => LossHead.Linear }, 2, Activation.Tanh, 4);
        Examples rows = Given.Logistic(1, 8, 2);
        double[] parameters = Given.Vector(2, model.Layout.Length, 0.5);
        double[] consensus = Given.Vector(3, 8 * model.Head.Outputs);
        double[] gradient = new double[parameters.Length];
        double[] unused = new double[parameters.Length];
        Distillation.LossAndGradient(model, parameters, rows, consensus, gradient);
        for (int i = 0; i < parameters.Length; i++)
        {
            double kept = parameters[i];
            parameters[i] = kept + 1e-5;
            double above = Distillation.LossAndGradient(model, parameters, rows, consensus, unused);
            parameters[i] = kept - 1e-5;
            double below = Distillation.LossAndGradient(model, parameters, rows, consensus, unused);
            parameters[i] = kept;
            Assert.Equal((above - below) / 2e-5, gradient[i], 1e-7);
        }
    }

    [Fact]
    public void A_student_without_labels_learns_what_teachers_of_another_shape_know()
    {
        Examples rows = Given.Logistic(1, 300, 3);
        FederatedModel teacher = FederatedModel.Generalised(LossHead.Logistic, 3);
        FederatedModel student = FederatedModel.Perceptron(LossHead.Logistic, 3, Activation.Tanh, 6);
        double[][] teachers = [[1.5, -0.75, 0.5, -0.5], [1.4, -0.8, 0.6, -0.4]];
        double[] consensus = Distillation.Consensus([.. teachers.Select(t => Distillation.Outputs(teacher, t, rows))], [1, 1]);
        using RandomStream stream = Given.Stream(1);
        double[] start = student.Initial(stream);
        var work = new LocalWork { Epochs = 300, Optimiser = new OptimiserSpec(OptimiserKind.Adam, 0.02) };
        double[] learnt = Distillation.Distil(student, start, rows, consensus, work);

        double best = Evaluation.Of(teacher, teachers[0], rows).Score;
        Assert.InRange(Evaluation.Of(student, learnt, rows).Score, best - 0.01, 1);
        Assert.True(Evaluation.Of(student, start, rows).Score < best - 0.05);
    }

    [Fact]
    public void Distillation_stops_before_its_next_step_when_it_is_cancelled()
    {
        Examples rows = Given.Logistic(1, 10, 2);
        FederatedModel student = FederatedModel.Generalised(LossHead.Logistic, 2);
        LocalWork work = new() { Epochs = 1, Optimiser = OptimiserSpec.Sgd(0.5) };

        Assert.Throws<OperationCanceledException>(() => Distillation.Distil(student, new double[3], rows, new double[10], work, new CancellationToken(canceled: true)));
    }
}
