using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Models;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

public sealed class LearningTests
{
    private const int Features = 5;

    public static TheoryData<string> Models => new("logistic", "linear", "poisson", "softmax", "mlp-tanh", "mlp-relu-3", "mlp-softmax");

    [Theory]
    [MemberData(nameof(Models))]
    public void The_gradient_agrees_with_finite_differences(string name)
    {
        (FederatedModel model, Examples examples) = Create(name);
        double[] parameters = Given.Vector(3, model.Layout.Length, 0.3);
        double[] gradient = new double[parameters.Length];
        double loss = Objective.LossAndGradient(model, parameters, examples, 0.1, gradient);

        Assert.Equal(Objective.Loss(model, parameters, examples, 0.1), loss, 1e-13);
        for (int i = 0; i < parameters.Length; i++)
        {
            const double Step = 1e-5;
            double kept = parameters[i];
            parameters[i] = kept + Step;
            double above = Objective.Loss(model, parameters, examples, 0.1);
            parameters[i] = kept - Step;
            double below = Objective.Loss(model, parameters, examples, 0.1);
            parameters[i] = kept;
            Assert.Equal((above - below) / (2 * Step), gradient[i], 1e-7);
        }
    }

    [Fact]
    public void A_logistic_model_without_hidden_layers_is_the_glm_of_the_vertical_mode()
    {
        Examples examples = Given.Logistic(1, 40, Features);
        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, Features);
        double[] parameters = Given.Vector(2, model.Layout.Length);
        double expected = 0;
        for (int i = 0; i < examples.Count; i++)
        {
            double eta = parameters[Features];
            for (int j = 0; j < Features; j++)
            {
                eta += parameters[j] * examples.Row(i)[j];
            }

            expected += GlmFamily.Logistic.Loss(eta, examples.Label(i)) / examples.Count;
        }

        Assert.Equal(expected, Objective.Loss(model, parameters, examples, 0), 1e-13);
    }

    [Fact]
    public void Softmax_with_two_classes_is_logistic_regression()
    {
        Examples examples = Given.Logistic(4, 30, Features);
        double[] weights = Given.Vector(5, Features + 1);
        FederatedModel logistic = FederatedModel.Generalised(LossHead.Logistic, Features);
        FederatedModel softmax = FederatedModel.Generalised(LossHead.Softmax(2), Features);
        double[] both = [.. new double[Features], .. weights[..Features], 0, weights[Features]];

        Assert.Equal(Objective.Loss(logistic, weights, examples, 0), Objective.Loss(softmax, both, examples, 0), 1e-12);
    }

    [Fact]
    public void The_penalty_leaves_biases_out()
    {
        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, 2);
        Assert.Equal(0.5 * 0.1 * (9 + 16), Objective.Penalty(model, [3, 4, 100], 0.1), 1e-12);
    }

    [Fact]
    public void Dot_products_have_one_order_of_summing_whatever_the_length()
    {
        for (int length = 0; length <= 40; length++)
        {
            double[] a = Given.Vector(1, length);
            double[] b = Given.Vector(2, length);
            double[] lanes = new double[8];
            for (int i = 0; i < length; i++)
            {
                lanes[i % 8] = Math.FusedMultiplyAdd(a[i], b[i], lanes[i % 8]);
            }

            double expected = (lanes[0] + lanes[4] + (lanes[2] + lanes[6])) + (lanes[1] + lanes[5] + (lanes[3] + lanes[7]));
            Assert.Equal(BitConverter.DoubleToInt64Bits(expected), BitConverter.DoubleToInt64Bits(Kernels.Dot(a, b)));
        }
    }

    [Fact]
    public void Norms_survive_numbers_whose_squares_do_not()
    {
        Assert.Equal(5e200, Kernels.Norm([3e200, 4e200]), 1e186);
        Assert.Equal(5e-200, Kernels.Norm([3e-200, 4e-200]), 1e-214);
        Assert.Equal(0, Kernels.Norm([0, 0]));
    }

    [Fact]
    public void Optimisers_take_the_steps_of_their_papers()
    {
        double[] x = [1];
        LocalOptimiser momentum = new OptimiserSpec(OptimiserKind.Momentum, 0.1, 0.5).Create(1);
        momentum.Step(x, [2]);
        momentum.Step(x, [1]);
        Assert.Equal(1 - (0.1 * 2) - (0.1 * ((0.5 * 2) + 1)), x[0], 1e-15);

        double[] z = [1];
        LocalOptimiser adam = new OptimiserSpec(OptimiserKind.Adam, 0.1).Create(1);
        adam.Step(z, [2]);
        Assert.Equal(1 - (0.1 * 2 / (2 + 1e-8)), z[0], 1e-12);
        adam.Step(z, [1]);
        double m = ((0.9 * 0.1 * 2) + (0.1 * 1)) / (1 - 0.81);
        double v = ((0.999 * 0.001 * 4) + (0.001 * 1)) / (1 - (0.999 * 0.999));
        Assert.Equal(1 - (0.1 * 2 / (2 + 1e-8)) - (0.1 * m / (Math.Sqrt(v) + 1e-8)), z[0], 1e-12);
    }

    [Fact]
    public void Evaluation_measures_each_kind_of_model_in_its_own_way()
    {
        Examples two = Examples.FromRows([-2, -1, 1, 2], [0, 1, 0, 1], 1);
        Evaluation logistic = Evaluation.Of(FederatedModel.Generalised(LossHead.Logistic, 1), [1, 0], two);
        Assert.Equal(0.75, logistic.Score, 1e-15);
        Assert.Equal(0.5, logistic.Accuracy, 1e-15);
        Evaluation linear = Evaluation.Of(FederatedModel.Generalised(LossHead.Linear, 1), [0, 1], two);
        Assert.Equal(Math.Sqrt(0.5), linear.Score, 1e-15);
        Evaluation poisson = Evaluation.Of(FederatedModel.Generalised(LossHead.Poisson, 1), [0, 0], two);
        Assert.Equal(Math.Sqrt(0.5), poisson.Score, 1e-15);
        Evaluation softmax = Evaluation.Of(FederatedModel.Generalised(LossHead.Softmax(2), 1), [0, 1, 0, 0], two);
        Assert.Equal(0.5, softmax.Score, 1e-15);
    }

    [Theory]
    [InlineData("logistic", 2)]
    [InlineData("poisson", 0.5)]
    [InlineData("poisson", -1)]
    [InlineData("softmax", 3)]
    public void Labels_that_the_loss_cannot_take_are_refused(string name, double label) =>
        Assert.Equal(HorizontalError.InvalidLabels, Assert.Throws<HorizontalException>(() => Create(name).Model.Head.ValidateLabel(label)).Error);

    [Fact]
    public void Shapes_that_do_not_match_are_refused()
    {
        (FederatedModel model, Examples examples) = Create("logistic");
        Assert.Equal(HorizontalError.WrongShape, Assert.Throws<HorizontalException>(() => Objective.Loss(model, [1, 2], examples, 0)).Error);
        Assert.Throws<HorizontalException>(() => Examples.FromRows([1, 2, 3], [0], 2));
        Assert.Throws<HorizontalException>(() => Examples.FromRows([1, double.NaN], [0], 2));
        Assert.Throws<HorizontalException>(() => FederatedModel.Perceptron(LossHead.Logistic, 2, Activation.Relu, 3, 3, 3, 3));
        Assert.Throws<HorizontalException>(() => new ParameterLayout(("a", 1, 1, true), ("a", 1, 1, true)));
    }

    [Fact]
    public void Layouts_are_equal_if_their_blocks_are()
    {
        FederatedModel model = FederatedModel.Perceptron(LossHead.Softmax(3), 4, Activation.Relu, 6);
        Assert.Equal(["hidden1.weights", "hidden1.bias", "output.weights", "output.bias"], model.Layout.Blocks.Select(block => block.Name));
        Assert.Equal((4 * 6) + 6 + (6 * 3) + 3, model.Layout.Length);
        Assert.Equal(model.Layout, FederatedModel.Perceptron(LossHead.Softmax(3), 4, Activation.Tanh, 6).Layout);
        Assert.NotEqual(model.Layout, FederatedModel.Perceptron(LossHead.Softmax(3), 4, Activation.Relu, 7).Layout);
    }

    [Fact]
    public void Gamma_variates_have_the_mean_and_variance_of_their_shape()
    {
        using RandomStream stream = Given.Stream(9);
        foreach (double shape in (double[])[0.3, 2.5])
        {
            double[] draws = [.. Enumerable.Range(0, 20_000).Select(_ => Draws.Gamma(stream, shape))];
            double mean = draws.Average();
            double deviation = Math.Sqrt(shape / draws.Length);
            Assert.InRange(mean, shape - (5 * deviation), shape + (5 * deviation));
            Assert.InRange(draws.Sum(d => (d - mean) * (d - mean)) / draws.Length, 0.85 * shape, 1.15 * shape);
        }
    }

    private static (FederatedModel Model, Examples Examples) Create(string name) => name switch
    {
        "logistic" => (FederatedModel.Generalised(LossHead.Logistic, Features), Given.Logistic(1, 12, Features)),
        "linear" => (FederatedModel.Generalised(LossHead.Linear, Features), Given.WithLabels(1, 12, Features, Draws.Normal)),
        "poisson" => (FederatedModel.Generalised(LossHead.Poisson, Features), Given.WithLabels(1, 12, Features, s => s.NextBelow(4))),
        "softmax" => (FederatedModel.Generalised(LossHead.Softmax(3), Features), Given.WithLabels(1, 12, Features, s => s.NextBelow(3))),
        "mlp-tanh" => (FederatedModel.Perceptron(LossHead.Logistic, Features, Activation.Tanh, 7), Given.Logistic(1, 12, Features)),
        "mlp-relu-3" => (FederatedModel.Perceptron(LossHead.Linear, Features, Activation.Relu, 6, 5, 4), Given.WithLabels(1, 12, Features, Draws.Normal)),
        "mlp-softmax" => (FederatedModel.Perceptron(LossHead.Softmax(3), Features, Activation.Tanh, 6, 5), Given.WithLabels(1, 12, Features, s => s.NextBelow(3))),
        _ => throw new ArgumentOutOfRangeException(nameof(name)),
    };
}
