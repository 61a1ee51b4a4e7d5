using System.Text.Json;
using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Updates;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>Privacy of horizontal jobs over the service: what noise does to the model, what the report says it costs, and what a party keeps of it.</summary>
public sealed class RoundPrivacyTests
{
    [Fact]
    public async Task Noise_that_parties_add_under_masks_leaves_the_sum_near_the_plain_one_and_costs_what_the_accountant_says()
    {
        await using RoundFixture fixture = await RoundFixture.StartAsync(4);
        fixture.StartNodes();
        string job = await fixture.SubmitAsync(fixture.NewJob(spec =>
        {
            spec.Rounds = 2;
            spec.Rate = 0.1;
            spec.SecureAggregation = SumProtection.Bonawitz;
            spec.Privacy = new PrivacySpec { Level = PrivacyLevel.Distributed, Clip = 1, Noise = 0.05, Delta = 1e-5, Budget = 1000 };
        }));

        JobStatus end = await fixture.EndOfAsync(job);

        Assert.True(end.State == JobState.Done, end.ToString());
        double[] reference = MeanOfUpdates(fixture, 2, 0.1);
        double[] noisy = fixture.ParametersAt(0, job);

        // Each of four adds a third of (0.05)², which nobody's own noise is counted in: a round's mean has deviation 0.05 √(4/3) / 4.
        double deviation = Math.Sqrt(2) * 0.05 * Math.Sqrt(4.0 / 3) / 4;
        Assert.All(noisy.Zip(reference), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 1e-9, 6 * deviation));
        JsonElement rounds = (await fixture.RoundsAsync(job)).GetProperty("rounds");
        for (int round = 1; round <= 2; round++)
        {
            double gaussian = PrivacyAccountant.Fresh.AfterSampledGaussian(1, 0.05, round).Epsilon(1e-5);
            Assert.Equal(gaussian, rounds[round].GetProperty("epsilon").GetDouble(), gaussian * 1e-4);
            Assert.Equal(JsonValueKind.Null, rounds[round].GetProperty("loss").ValueKind);
        }
    }

    /// <summary>Every party alike, one full step a round.</summary>
    private static double[] MeanOfUpdates(RoundFixture fixture, int rounds, double rate)
    {
        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, fixture.Pooled.Features);
        FederatedScaling scaling = FederatedScaling.FromSum(FederatedScaling.Contribution(fixture.Pooled));
        LocalWork work = new() { BatchSize = 0, Optimiser = OptimiserSpec.Sgd(rate) };
        using RandomStreams streams = RandomStreams.InsecureFromSeed(1);
        double[] parameters = new double[model.Layout.Length];
        for (int round = 0; round < rounds; round++)
        {
            double[] next = [.. parameters];
            for (int party = 0; party < fixture.Names.Length; party++)
            {
                using global::VertFed.Primitives.RandomStream stream = streams.For("reference", round, party);
                RoundOrder order = new(round, parameters, null, work);
                double[] delta = LocalTrainer.Run(model, party, scaling.Apply(fixture.RowsAt(party)), order, null, stream).Delta;
                for (int i = 0; i < next.Length; i++)
                {
                    next[i] += delta[i] / fixture.Names.Length;
                }
            }

            parameters = next;
        }

        return parameters;
    }
}
