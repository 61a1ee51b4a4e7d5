using VertFed.Lattice;
using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.Vertical;

/// <summary>The exchanges of a round against plain integer arithmetic.</summary>
public sealed class ExchangeTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(527, 5, 7)]
    [InlineData(8191, 3, 1)]
    [InlineData(8192, 2, 3)]
    [InlineData(8193, 1, 2)]
    [InlineData(20_000, 4, 30)]
    public async Task Each_party_gets_the_inner_products_of_its_columns_with_the_sum_of_both_shares(int rows, int labelColumns, int featureColumns)
    {
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(VerticalPair.Specification(), 3);
        QuantisedColumns label = VerticalPair.QuantisedColumns(rows, labelColumns, 11);
        QuantisedColumns feature = VerticalPair.QuantisedColumns(rows, featureColumns, 12);
        long[] residuals = [.. Enumerable.Range(0, rows).Select(i => ((i * 7919L) % 2_000_003) - 1_000_001)];
        ulong[] first = VerticalPair.RandomResidues(rows, 13);
        ulong[] second = [.. residuals.Zip(first, (r, share) => PlainField.Subtract(PlainField.FromSigned(r), share))];
        PackingPlan labelPlan = PackingPlan.Choose(rows, labelColumns, LatticeParameters.Gradient);
        PackingPlan featurePlan = PackingPlan.Choose(rows, featureColumns, LatticeParameters.Gradient);
        await VerticalPair.PassSetupAsync(pair);

        using GradientExchange atLabel = new(pair.Label, label, labelPlan, featurePlan, VerticalPair.Flood(label, labelPlan));
        using GradientExchange atFeature = new(pair.Feature, feature, featurePlan, labelPlan, VerticalPair.Flood(feature, featurePlan));
        Task<long[]> labelSums = atLabel.RunAsync(1, first, default);
        Task<long[]> featureSums = atFeature.RunAsync(1, second, default);
        await Task.WhenAll(labelSums, featureSums);

        Assert.Equal(Enumerable.Range(0, labelColumns).Select(j => label.Dot(j, residuals)), await labelSums);
        Assert.Equal(Enumerable.Range(0, featureColumns).Select(j => feature.Dot(j, residuals)), await featureSums);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(700, 12)]
    [InlineData(8193, 4)]
    public async Task The_link_leaves_a_sum_of_products_shared_between_the_parties(int rows, int pairs)
    {
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(VerticalPair.Specification(), 3);
        await VerticalPair.PassSetupAsync(pair);
        await pair.Label.SendAsync(Step.LinkTables, 1, new VertFed.Protocol.V1.LinkTables(), default);
        await pair.Feature.ReceiveAsync(Step.LinkTables, 1, VertFed.Protocol.V1.LinkTables.Parser, default);
        FloodingBound flood = new(LatticeParameters.Link, FloodingBound.SlotProductNoise(LatticeParameters.Link, pairs), 1 << 20);

        Task<ulong[]> crossed = new LinkRequester(pair.Feature).RunAsync(1, rows, pairs, Phi, default);
        Task<ulong[]> masks = new LinkResponder(pair.Label).RunAsync(1, rows, pairs, Psi, flood, default);
        await Task.WhenAll(crossed, masks);

        for (int i = 0; i < rows; i++)
        {
            long expected = Enumerable.Range(0, pairs).Sum(k => Value(k, i, 31) * Value(k, i, 57));
            Assert.Equal(expected, PlainField.Centre(PlainField.Subtract((await crossed)[i], (await masks)[i])));
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(9000, 3)]
    public async Task The_loss_crosses_as_one_masked_sum_over_all_rows_and_pairs(int rows, int pairs)
    {
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(VerticalPair.Specification(), 3);
        await VerticalPair.PassSetupAsync(pair);
        await PassRoundAsync(pair);
        FloodingBound flood = new(LatticeParameters.Link, FloodingBound.SlotProductNoise(LatticeParameters.Link, pairs * 2), 4);

        Task<ulong> crossed = new LinkRequester(pair.Feature).RunLossAsync(0, rows, pairs, Phi, default);
        Task<ulong> mask = new LinkResponder(pair.Label).RunLossAsync(0, rows, pairs, Psi, flood, default);
        await Task.WhenAll(crossed, mask);

        long expected = Enumerable.Range(0, rows).Sum(i => Enumerable.Range(0, pairs).Sum(k => Value(k, i, 31) * Value(k, i, 57)));
        Assert.Equal(expected, PlainField.Centre(PlainField.Subtract(await crossed, await mask)));
    }

    private static async Task PassRoundAsync(InMemoryChannelPair pair)
    {
        foreach ((Step step, Google.Protobuf.IMessage message) in new (Step, Google.Protobuf.IMessage)[]
        {
            (Step.ResidualShare, new ResidualShare()),
            (Step.GradientResponse, new GradientResponse()),
            (Step.MaskedScalars, new MaskedScalars()),
            (Step.OptimiserScalars, new OptimiserScalars()),
        })
        {
            await pair.Label.SendAsync(step, 1, message, default);
            await pair.Feature.SendAsync(step, 1, message, default);
        }

        foreach (SealedChannel end in new[] { pair.Label, pair.Feature })
        {
            await end.ReceiveAsync(Step.ResidualShare, 1, ResidualShare.Parser, default);
            await end.ReceiveAsync(Step.GradientResponse, 1, GradientResponse.Parser, default);
            await end.ReceiveAsync(Step.MaskedScalars, 1, MaskedScalars.Parser, default);
            await end.ReceiveAsync(Step.OptimiserScalars, 1, OptimiserScalars.Parser, default);
        }
    }

    private static void Phi(int pair, int start, Span<long> values) => Fill(pair, start, values, 31);

    private static void Psi(int pair, int start, Span<long> values) => Fill(pair, start, values, 57);

    private static void Fill(int pair, int start, Span<long> values, int salt)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Value(pair, start + i, salt);
        }
    }

    private static long Value(int pair, int row, int salt) => ((((row + 1L) * salt) + (pair * 101)) % 8191) - 4095;
}
