using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

/// <summary>
/// The row behind an update of one row: in the first layer ∂ℓ/∂W_k = δ_k xᵀ and ∂ℓ/∂b_k = δ_k, so x is the quotient, for every unit with δ_k ≠ 0
/// (Phong et al. 2018). One step of SGD sends −η times both.
/// </summary>
public sealed class GradientInversionTests
{
    private const int Features = 8;

    public static TheoryData<string> Models => new("logistic", "linear", "softmax", "mlp");

    [Theory]
    [MemberData(nameof(Models))]
    public void An_unprotected_update_of_one_row_gives_the_row_away(string name)
    {
        (FederatedModel model, Examples row) = Create(name);
        Assert.Equal(1, Likeness(row, Invert(model, Update(model, row, null, 1).Delta)), 1e-9);
        Given.AssertClose(row.Row(0), Invert(model, Update(model, row, null, 1).Delta), 1e-9);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void Private_training_keeps_the_row(string name)
    {
        (FederatedModel model, Examples row) = Create(name);
        var privacy = new RecordPrivacy(1, 4);
        double[] likeness = [.. Enumerable.Range(0, 200).Select(seed => Likeness(row, Invert(model, Update(model, row, privacy, 1000 + (ulong)seed).Delta)))];

        // A direction drawn at random has a mean likeness of 0 and a mean square of 1/8.
        Assert.InRange(likeness.Average(), -0.25, 0.25);
        Assert.InRange(likeness.Average(value => value * value), 0, 0.25);
        Assert.DoesNotContain(likeness, value => value > 0.99);
    }

    [Fact]
    public void What_the_server_sees_under_secure_aggregation_gives_no_row()
    {
        (FederatedModel model, Examples row) = Create("logistic");
        var encoding = new RingEncoding(32, 1000, 5);
        var strategy = new FedAvg();
        RoundOrder order = strategy.Order(ServerState.Start(Start(model)), Work(null));
        Examples[] rows = [row, .. Enumerable.Range(1, 4).Select(i => Given.Logistic(100 + (ulong)i, 1, Features))];
        ulong[][] vectors = [.. rows.Select((one, i) => SecureRound.Contribution(strategy, Update(model, one, null, (ulong)i) with { Client = i }, order, encoding))];
        double plain = Likeness(row, Invert(model, encoding.Decode(vectors[0])[..^1]));
        Assert.Equal(1, plain, 1e-6);

        double[] masked = [.. Enumerable.Range(0, 40).Select(seed =>
        {
            (_, _, MaskedVector[] seen) = SecureSumTests.Run(SecureSumPlan.For(0, 5, vectors[0].Length), vectors, [3, 3, 3, 3, 3], (ulong)seed);
            return Likeness(row, Invert(model, encoding.Decode(seen[0].Values)[..^1]));
        })];
        Assert.InRange(masked.Average(value => value * value), 0, 0.3);
        Assert.DoesNotContain(masked, value => value > 0.99);

        // The sum itself is of five rows, and is none of them.
        (ulong[] sum, _, _) = SecureSumTests.Run(SecureSumPlan.For(0, 5, vectors[0].Length), vectors, [3, 3, 3, 3, 3], 1);
        double[] fromSum = Invert(model, encoding.Decode(sum)[..^1]);
        Assert.All(rows, one => Assert.True(Likeness(one, fromSum) < 0.95));
    }

    // Every unit's quotient, weighted by |δ|: the attacker takes the unit it trusts most.
    private static double[] Invert(FederatedModel model, double[] delta)
    {
        ParameterBlock weights = model.Layout.Blocks[0];
        ParameterBlock bias = model.Layout.Blocks[1];
        int unit = Enumerable.Range(0, bias.Length).MaxBy(k => Math.Abs(delta[bias.Offset + k]));
        return [.. delta.AsSpan(weights.Offset + (unit * weights.Columns), weights.Columns).ToArray().Select(value => value / delta[bias.Offset + unit])];
    }

    // The cosine between the row and the guess.
    private static double Likeness(Examples row, double[] guess) => Kernels.Dot(row.Row(0), guess) / (Kernels.Norm(row.Row(0)) * Kernels.Norm(guess));

    private static ClientUpdate Update(FederatedModel model, Examples row, RecordPrivacy? privacy, ulong seed)
    {
        using RandomStream stream = Given.Stream(seed);
        return LocalTrainer.Run(model, 0, row, new RoundOrder(0, Start(model), null, Work(privacy)), null, stream);
    }

    private static LocalWork Work(RecordPrivacy? privacy) => new() { BatchSize = 0, Optimiser = OptimiserSpec.Sgd(0.1), Privacy = privacy };

    private static double[] Start(FederatedModel model)
    {
        using RandomStream stream = Given.Stream(77);
        return model.Initial(stream);
    }

    private static (FederatedModel Model, Examples Row) Create(string name) => name switch
    {
        "logistic" => (FederatedModel.Generalised(LossHead.Logistic, Features), Given.Logistic(3, 1, Features)),
        "linear" => (FederatedModel.Generalised(LossHead.Linear, Features), Given.WithLabels(3, 1, Features, _ => 2)),
        "softmax" => (FederatedModel.Generalised(LossHead.Softmax(3), Features), Given.WithLabels(3, 1, Features, _ => 1)),
        _ => (FederatedModel.Perceptron(LossHead.Logistic, Features, Activation.Relu, 10, 5), Given.Logistic(3, 1, Features)),
    };
}
