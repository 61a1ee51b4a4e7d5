using System.Text.Json;
using VertFed.Models;
using Xunit;

namespace VertFed.UnitTests.Models;

/// <summary>
/// The bars of the project, held by the optimiser on exactly the integers of an encrypted run: every standardised coefficient and the
/// intercept within 5e-3 of the centralised optimum, train log-loss within 1e-4, test AUC within 5e-4, KS within 3e-3; linear: train
/// loss within 1e-4 relative, RMSE within 1e-3. The tests hold a good deal more.
/// </summary>
public sealed class PlaintextOracleTests
{
    private const double Log2T = 57.99;
    private const double L2 = 1e-3;

    [SkippableFact]
    [Trait("Speed", "slow")]
    public void Default_credit_meets_the_centralised_optimum() => Meets(PairData.Shared("default_credit"), iterations: 12, coefficients: 5e-4);

    [SkippableFact]
    public void German_credit_meets_the_centralised_optimum() => Meets(PairData.Shared("german_credit"), iterations: 14, coefficients: 1.5e-3);

    [SkippableFact]
    public void Motor_meets_the_centralised_optimum() => Meets(PairData.Shared("motor"), iterations: 8, coefficients: 5e-5);

    [Fact]
    public void The_generated_pair_meets_its_committed_optimum() => Meets(PairData.Generated(), iterations: 10, coefficients: 5e-4);

    [Fact]
    public void Quantised_and_exact_runs_end_at_the_same_weights_to_the_rounding_of_the_plan()
    {
        (OracleProblem problem, _, _) = Problem(PairData.Generated());
        OracleResult quantised = PlaintextOracle.Run(problem, OracleMode.Quantised);
        OracleResult exact = PlaintextOracle.Run(problem, OracleMode.Exact);
        Assert.True(quantised.Converged && exact.Converged);
        foreach ((double a, double b) in quantised.LabelWeights.Zip(exact.LabelWeights).Concat(quantised.FeatureWeights.Zip(exact.FeatureWeights)))
        {
            Assert.Equal(b, a, 3e-4);
        }
    }

    [Fact]
    public void Runs_are_the_same_bit_for_bit()
    {
        (OracleProblem problem, _, _) = Problem(PairData.Generated());
        OracleResult first = PlaintextOracle.Run(problem, OracleMode.Quantised);
        OracleResult second = PlaintextOracle.Run(problem, OracleMode.Quantised);
        Assert.Equal(first.LabelWeights, second.LabelWeights);
        Assert.Equal(first.FeatureWeights, second.FeatureWeights);
        Assert.Equal(first.Rounds.SelectMany(r => r.FeatureSums), second.Rounds.SelectMany(r => r.FeatureSums));
    }

    [Fact]
    public void Gradient_integers_stay_below_half_of_the_plain_modulus()
    {
        (OracleProblem problem, _, _) = Problem(PairData.Generated());
        double limit = Math.Pow(2, Log2T - 1);
        Assert.All(
            PlaintextOracle.Run(problem, OracleMode.Quantised).Rounds.SelectMany(r => r.FeatureSums.Concat(r.LabelSums)),
            sum => Assert.True(Math.Abs((double)sum) < limit));
    }

    [Theory]
    [Trait("Speed", "slow")]
    [InlineData(0.97, -3.6)]
    [InlineData(0.9, 0)]
    [InlineData(0.99, -1)]
    public void Blocks_that_nearly_repeat_each_other_converge_within_thirty_rounds(double correlation, double intercept)
    {
        Random random = new(17);
        const int rows = 20_000;
        const int count = 6;
        double[][] bank = [.. Enumerable.Range(0, count).Select(_ => new double[rows])];
        double[][] retailer = [.. Enumerable.Range(0, count).Select(_ => new double[rows])];
        double[] y = new double[rows];
        for (int i = 0; i < rows; i++)
        {
            double eta = intercept;
            for (int j = 0; j < count; j++)
            {
                bank[j][i] = SmallData.Gauss(random);
                retailer[j][i] = (correlation * bank[j][i]) + (Math.Sqrt(1 - (correlation * correlation)) * SmallData.Gauss(random));
                eta += (0.6 * bank[j][i] / (1 + j)) - (0.4 * retailer[j][i] * (j % 2));
            }

            y[i] = random.NextDouble() < 1 / (1 + Math.Exp(-eta)) ? 1 : 0;
        }

        ScalePlan plan = ScalePlanner.Plan(rows, true, ScalePlanner.LogisticResidualBound, Log2T);
        OracleProblem problem = new()
        {
            Family = GlmFamily.Logistic,
            Label = SmallData.Quantise(bank, withIntercept: true, plan.FeatureBits),
            Feature = SmallData.Quantise(retailer, withIntercept: false, plan.FeatureBits),
            Y = y,
            Plan = plan,
            L2 = L2,
        };
        OracleResult result = PlaintextOracle.Run(problem, OracleMode.Quantised);
        Assert.True(result.Converged);

        // The pooled optimum, by Newton's method on all columns together.
        LocalFit pooled = LocalFit.Fit(SmallData.Quantise([.. bank, .. retailer], withIntercept: true, plan.FeatureBits), y, GlmFamily.Logistic, L2);
        double[] joint = [.. result.LabelWeights[..^1], .. result.FeatureWeights, result.LabelWeights[^1]];
        for (int j = 0; j < joint.Length; j++)
        {
            Assert.Equal(pooled.Weights[j], joint[j], 2e-3);
        }
    }

    [Fact]
    public void Too_few_iterations_end_exhausted_and_say_so()
    {
        (OracleProblem problem, _, _) = Problem(PairData.Generated());
        OracleResult result = PlaintextOracle.Run(problem with { MaxIterations = 3 }, OracleMode.Quantised);
        Assert.False(result.Converged);
        Assert.Equal(3, result.Rounds.Count);
    }

    private static void Meets(PairData data, int iterations, double coefficients)
    {
        (OracleProblem problem, Standardiser bank, Standardiser retailer) = Problem(data);
        (double mean, double scale) = data.Family.HasLink ? (0, 1) : Moments(data);
        OracleResult result = PlaintextOracle.Run(problem, OracleMode.Quantised);
        Assert.True(result.Converged);
        Assert.InRange(result.Rounds.Count, 1, iterations);

        JsonElement joint = data.Model.GetProperty("joint");
        double[] truth = [.. joint.GetProperty("features").EnumerateArray().Select(f => f.GetProperty("coef_standardised").GetDouble())];
        double[] found = [.. result.LabelWeights[..^1].Concat(result.FeatureWeights).Select(w => w * scale)];
        for (int j = 0; j < truth.Length; j++)
        {
            Assert.Equal(truth[j], found[j], coefficients);
        }

        double intercept = (result.LabelWeights[^1] * scale) + mean;
        Assert.Equal(joint.GetProperty("intercept").GetDouble(), intercept, coefficients);

        double[] eta = bank.LinearPredictor(data.Bank, data.Test, result.LabelWeights.AsSpan()[..^1], result.LabelWeights[^1]);
        Reductions.MultiplyAdd(1, retailer.LinearPredictor(data.Retailer, data.Test, result.FeatureWeights, 0), eta);
        double[] y = [.. data.Test.Select(i => data.Y[i])];
        JsonElement train = joint.GetProperty("train");
        JsonElement test = joint.GetProperty("test");
        if (data.Family.HasLink)
        {
            Assert.Equal(train.GetProperty("log_loss").GetDouble(), result.TrainLoss, 2e-6);
            Assert.Equal(test.GetProperty("auc").GetDouble(), Metrics.Auc(eta, y), 5e-5);
            Assert.Equal(test.GetProperty("ks").GetDouble(), Metrics.Ks(eta, y), 3e-4);
            double[] alone = bank.LinearPredictor(
                data.Bank, data.Test, LocalWeights(problem).AsSpan()[..^1], LocalWeights(problem)[^1]);
            Assert.Equal(data.Model.GetProperty("bank_only").GetProperty("test").GetProperty("auc").GetDouble(), Metrics.Auc(alone, y), 5e-5);
        }
        else
        {
            double loss = train.GetProperty("loss").GetDouble();
            Assert.Equal(loss, result.TrainLoss * scale * scale, 1e-5 * loss);
            Assert.Equal(test.GetProperty("rmse").GetDouble(), Metrics.Rmse([.. eta.Select(e => (e * scale) + mean)], y), 1e-5);
        }
    }

    private static double[] LocalWeights(OracleProblem problem) =>
        LocalFit.Fit(problem.Label, problem.Y, problem.Family, problem.L2).Weights;

    private static (double Mean, double Scale) Moments(PairData data)
    {
        Standardiser scaling = Standardiser.Fit(["y"], [data.Y], data.Train);
        return (scaling.Means[0], scaling.Deviations[0]);
    }

    private static (OracleProblem Problem, Standardiser Bank, Standardiser Retailer) Problem(PairData data)
    {
        ScalePlan plan = ScalePlanner.Plan(data.Train.Length, data.Family.HasLink, data.Family.ResidualBound, Log2T);
        Standardiser bank = Standardiser.Fit(data.BankNames, data.Bank, data.Train);
        Standardiser retailer = Standardiser.Fit(data.RetailerNames, data.Retailer, data.Train);
        double[] y = [.. data.Train.Select(i => data.Y[i])];
        if (!data.Family.HasLink)
        {
            (double mean, double scale) = Moments(data);
            y = [.. y.Select(value => (value - mean) / scale)];
        }

        OracleProblem problem = new()
        {
            Family = data.Family,
            Label = bank.Quantise(data.Bank, data.Train, plan.FeatureBits, withIntercept: true),
            Feature = retailer.Quantise(data.Retailer, data.Train, plan.FeatureBits, withIntercept: false),
            Y = y,
            Plan = plan,
            L2 = L2,
        };
        return (problem, bank, retailer);
    }
}
