using System.Runtime.InteropServices;
using System.Security.Cryptography;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Horizontal.Simulation;
using VertFed.Primitives;
using Xunit;

namespace VertFed.UnitTests.Horizontal;

/// <summary>Hashes of results that have to be the same on every machine and in every later version that can resume or replay this one's jobs.</summary>
public sealed class GoldenTests
{
    [Theory]
    [InlineData("fedavg", "2E31A7A5EFD79F76")]
    [InlineData("scaffold", "954328BEDDD48C02")]
    [InlineData("fedyogi", "1C0CEB00D9C97F60")]
    [InlineData("geometric-median", "90FA6AFC65F58A20")]
    public void Simulated_models_are_pinned(string strategy, string hash)
    {
        FederatedModel model = FederatedModel.Perceptron(LossHead.Logistic, 4, Activation.Tanh, 5);
        SimulationResult result = SimulationEngine.Run(
            SimulationTests.Options(strategy) with { Model = model, Partition = Partition.Parse("dirichlet:0.5"), Codec = new QuantisingCodec(8) },
            Given.Logistic(1, 300, 4),
            Given.Logistic(2, 50, 4));
        Assert.Equal(hash, Hash(MemoryMarshal.AsBytes(result.Parameters.AsSpan())));
    }

    [Fact]
    public void Masked_vectors_are_pinned()
    {
        ulong[][] vectors = [[1, 2, 3], [4, 5, 6], [7, 8, 9]];
        (_, _, MaskedVector[] masked) = SecureSumTests.Run(new SecureSumPlan(2, 3, 2, 3), vectors, [3, 3, 3], 1);
        Assert.Equal("1DA9FA25FBD78597", Hash(MemoryMarshal.AsBytes(masked.SelectMany(vector => vector.Values).ToArray().AsSpan())));
    }

    [Fact]
    public void Draws_are_pinned()
    {
        using RandomStream stream = Given.Stream(1);
        long[] draws = [.. Enumerable.Range(0, 50).Select(_ => new global::VertFed.Horizontal.Privacy.DiscreteGaussian(1000, 7).Next(stream))];
        Assert.Equal("0CC27742D3A11954", Hash(MemoryMarshal.AsBytes(draws.AsSpan())));
    }

    private static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexString(SHA256.HashData(bytes))[..16];
}
