using VertFed.Models;
using VertFed.Protocol;
using VertFed.Vertical;
using Xunit;
using Family = VertFed.Protocol.V1.Family;

namespace VertFed.UnitTests.Vertical;

/// <summary>Both roles, encrypted, against the same optimiser in one process without encryption.</summary>
public sealed class EncryptedTrainingTests
{
    [Theory]
    [InlineData(900, 3, 4)]
    [InlineData(11_000, 2, 3)]
    public async Task Logistic_training_under_encryption_gives_the_oracles_weights_to_the_last_bit(int rows, int labelColumns, int featureColumns)
    {
        (VerticalInput label, VerticalInput feature) = VerticalPair.Data(rows, labelColumns, featureColumns);
        JobSpecification specification = VerticalPair.Specification();
        OracleResult oracle = VerticalPair.Oracle(label, feature, specification);

        (VerticalResult bank, VerticalResult retailer) = await VerticalPair.RunAsync(label, feature, specification);

        Assert.Equal(oracle.Converged, bank.Converged);
        Assert.Equal(oracle.Rounds.Count, bank.Iterations);
        Assert.Equal([oracle.LabelWeights[^1], .. oracle.LabelWeights[..^1]], bank.Coefficients.Select(c => c.Value));
        Assert.Equal(oracle.FeatureWeights, retailer.Coefficients.Select(c => c.Value));
        Assert.InRange(bank.TrainLoss, oracle.TrainLoss - 1e-5, oracle.TrainLoss + 1e-5);
        Assert.Equal(bank.TrainLoss, retailer.TrainLoss);
    }

    [Fact]
    public async Task Linear_training_under_encryption_gives_the_oracles_weights_on_the_labels_own_scale()
    {
        (VerticalInput label, VerticalInput feature) = VerticalPair.Data(700, 3, 4, linear: true);
        JobSpecification specification = VerticalPair.Specification(Family.Linear);
        OracleResult oracle = VerticalPair.Oracle(label, feature, specification);
        double[] train = label.Select(label.Labels!, test: false);
        double mean = train.Average();
        double deviation = Math.Sqrt(train.Average(y => (y - mean) * (y - mean)));

        (VerticalResult bank, VerticalResult retailer) = await VerticalPair.RunAsync(label, feature, specification);

        Assert.True(bank.Converged);
        Assert.Equal((oracle.LabelWeights[^1] * deviation) + mean, bank.Coefficients[0].Value, 1e-9);
        Assert.All(
            oracle.FeatureWeights.Zip(retailer.Coefficients), pair => Assert.Equal(pair.First * deviation, pair.Second.Value, 1e-9));
        Assert.Equal(oracle.TrainLoss * deviation * deviation, bank.TrainLoss, 1e-6);
        Assert.InRange(bank.Test.Rmse!.Value, 0.27, 0.33);
        Assert.Equal(bank.Test.Rmse, retailer.Test.Rmse);
    }

    [Fact]
    public async Task Test_metrics_are_those_of_the_joint_scores()
    {
        (VerticalInput label, VerticalInput feature) = VerticalPair.Data(2_000, 2, 3);
        (VerticalResult bank, VerticalResult retailer) = await VerticalPair.RunAsync(label, feature, VerticalPair.Specification());
        double[] scores = Scores(label, bank);
        double[] others = Scores(feature, retailer);
        for (int i = 0; i < scores.Length; i++)
        {
            scores[i] += others[i];
        }

        double[] y = label.Select(label.Labels!, test: true);
        Assert.Equal(Metrics.Auc(scores, y), bank.Test.Auc!.Value, 2e-4);
        Assert.Equal(Metrics.Ks(scores, y), bank.Test.Ks!.Value, 5e-3);
        Assert.True(bank.Test.Auc > bank.Test.AucLabelPartyOnly, "the joint model adds nothing");
        Assert.Equal(bank.Test.Auc, retailer.Test.Auc);
        Assert.Null(retailer.Test.AucLabelPartyOnly);
    }

    [Fact]
    public async Task Another_seed_gives_the_same_model()
    {
        (VerticalInput label, VerticalInput feature) = VerticalPair.Data(600, 2, 2);
        JobSpecification specification = VerticalPair.Specification(maxIterations: 3);
        (VerticalResult first, _) = await VerticalPair.RunAsync(label, feature, specification, seed: 1);
        (VerticalResult second, _) = await VerticalPair.RunAsync(label, feature, specification, seed: 99);
        Assert.Equal(first.Coefficients, second.Coefficients);
    }

    [Fact]
    public async Task A_column_without_variance_ends_the_job_as_bad_input_naming_the_column()
    {
        (VerticalInput label, VerticalInput feature) = VerticalPair.Data(300, 2, 2);
        Array.Fill(feature.Features[1], 5);
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(VerticalPair.Specification(), 1);
        VertFedException exception = await Assert.ThrowsAsync<VertFedException>(
            () => new FeatureParty(pair.Feature, feature, VerticalPair.Specification(), new SilentObserver()).RunAsync(default));
        Assert.Equal(ErrorCode.BadInput, exception.Code);
        Assert.Contains("'r1'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusing_guard_ends_the_job_at_both_parties_before_any_ciphertext()
    {
        (VerticalInput label, VerticalInput feature) = VerticalPair.Data(300, 3, 3);
        JobSpecification specification = VerticalPair.Specification(acceptRisk: false);
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(specification, 1);
        Task<VerticalResult> bank = new LabelParty(pair.Label, label, specification, new SilentObserver()).RunAsync(default);
        Task<VerticalResult> retailer = new FeatureParty(pair.Feature, feature, specification, new SilentObserver()).RunAsync(default);
        VertFedException atBank = await Assert.ThrowsAsync<VertFedException>(() => bank);
        VertFedException atRetailer = await Assert.ThrowsAsync<VertFedException>(() => retailer);
        Assert.Equal(ErrorCode.Refused, atBank.Code);
        Assert.Equal(ErrorCode.Refused, atRetailer.Code);
        Assert.Contains("rows_per_feature", atBank.Message, StringComparison.Ordinal);
    }

    private static double[] Scores(VerticalInput input, VerticalResult result)
    {
        double[] scores = new double[input.IsTest.Count(t => t)];
        Dictionary<string, double> weights = result.Coefficients.ToDictionary(c => c.Key, c => c.Value);
        Array.Fill(scores, weights.GetValueOrDefault(VerticalResult.InterceptName));
        for (int j = 0; j < input.Columns.Length; j++)
        {
            double[] values = input.Select(input.Features[j], test: true);
            (double mean, double deviation) = result.Scaling[j];
            for (int i = 0; i < scores.Length; i++)
            {
                scores[i] += weights[input.Columns[j]] * (values[i] - mean) / deviation;
            }
        }

        return scores;
    }
}
