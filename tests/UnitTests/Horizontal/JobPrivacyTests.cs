using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Service;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

/// <summary>What a horizontal job spec's privacy means, to the coordinator and the parties alike.</summary>
public sealed class JobPrivacyTests
{
    [Fact]
    public void Parties_own_noise_is_that_of_the_vector_and_of_no_other()
    {
        JobPrivacy privacy = Read("level: distributed, clip: 1, noise: 1, budget: 100");
        using global::VertFed.Horizontal.RandomStreams own = global::VertFed.Horizontal.RandomStreams.InsecureFromSeed(1);
        ulong[] once = Noisy([1, 2, 3], 1);
        ulong[] again = Noisy([1, 2, 3], 1);
        ulong[] other = Noisy([1, 2, 4], 1);
        ulong[] later = Noisy([1, 2, 3], 2);

        Assert.Equal(once, again);
        Assert.NotEqual(once[0], other[0]);
        Assert.NotEqual(once[0], later[0]);

        ulong[] Noisy(ulong[] vector, uint round)
        {
            privacy.AddNoise(vector, own, round, 1);
            return vector;
        }
    }

    [Fact]
    public void Noise_of_the_fewest_parties_but_one_is_the_noise_that_the_spec_states()
    {
        // Nine are invited: six have to stay, and five do not know each other's noise.
        JobPrivacy privacy = Read("level: distributed, clip: 0.5, noise: 2, budget: 100");
        Assert.Equal((6, 5), (privacy.FewestParties, privacy.NoisyParties));
        using global::VertFed.Horizontal.RandomStreams streams = global::VertFed.Horizontal.RandomStreams.InsecureFromSeed(7);
        ulong[] sum = new ulong[4000];
        for (uint place = 1; place <= 5; place++)
        {
            ulong[] vector = new ulong[sum.Length];
            privacy.AddNoise(vector, streams, 1, place);
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] = unchecked(sum[i] + vector[i]);
            }
        }

        double[] decoded = privacy.Encoding.Decode(sum);
        Assert.Equal(1, Math.Sqrt(decoded.Sum(value => value * value) / decoded.Length), 0.05);
        double expected = PrivacyAccountant.Fresh.AfterSampledGaussian(1, 2, 10).Epsilon(1e-5);
        Assert.Equal(expected, privacy.PartyEpsilon(10), expected * 1e-3);
    }

    [Theory]
    [InlineData("level: client, clip: 3, noise: 2, budget: 100")]
    [InlineData("level: client, clip: 3, noise: 2, budget: 100, clip_quantile: 0.5")]
    [InlineData("level: distributed, clip: 3, noise: 2, budget: 100")]
    public void A_row_moves_its_partys_update_by_twice_the_clip(string privacy)
    {
        double expected = PrivacyAccountant.Fresh.AfterSampledGaussian(1, 1, 7).Epsilon(1e-5);

        Assert.Equal(expected, Read(privacy).RowAccount(PrivacyAccountant.Fresh, rows: 100, rounds: 7).Epsilon(1e-5), expected * 1e-3);
    }

    [Fact]
    public void A_clip_with_a_quantile_follows_the_updates()
    {
        using global::VertFed.Horizontal.RandomStreams streams = global::VertFed.Horizontal.RandomStreams.InsecureFromSeed(2);
        SumStrategy strategy = Read("level: client, clip: 1, noise: 0.01, budget: 1000, clip_quantile: 0.5").Strategy(streams)!;
        ServerState state = ServerState.Start([0, 0]);

        // All nine updates are longer than the clip: the indicator less one half is -1/2 each.
        ServerState after = strategy.Apply(state, [9, 0, -4.5], 9, 9);

        Assert.Equal(1, strategy.Clip(state));
        Assert.Equal(Math.Exp(0.2 * 0.5), strategy.Clip(after)!.Value, 0.05);
        Assert.Equal(1, Read("level: client, clip: 1, noise: 0.01, budget: 1000").Strategy(streams)!.Clip(after with { Slots = state.Slots }));
    }

    [Fact]
    public void Noise_that_no_secure_sum_holds_is_refused_by_the_field()
    {
        VertFedException error = Assert.Throws<VertFedException>(() => Read("level: distributed, clip: 1000000, noise: 1000, budget: 100"));

        Assert.Equal((ErrorCode.ProtocolViolation, "horizontal.privacy"), (error.Code, error.Field));
    }

    private static JobPrivacy Read(string privacy)
    {
        string text = $$"""
            job: 0123456789abcdef0123456789abcdef
            kind: horizontal
            parties:
            {{string.Concat(Enumerable.Range(1, 9).Select(place => $"  - {{name: p{place}, fingerprint: {new string((char)('0' + place), 64)}}}\n"))}}
            horizontal:
              model: logistic
              over_selection: 1
              minimum_clients: 3
              secure_aggregation: bonawitz
              privacy: { {{privacy}} }
            """;
        return JobPlan.Of(JobSpecificationYaml.Parse(text, "job.yaml")).Privacy!;
    }
}
