using Google.Protobuf;
using VertFed.Lattice;
using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;
using Xunit;

namespace VertFed.UnitTests.Vertical;

/// <summary>A peer that keeps the envelope rules but sends wrong contents: each is refused, naming the step.</summary>
public sealed class HostileStepTests
{
    private const int Rows = 100;

    [Fact]
    public Task A_residual_share_of_the_wrong_block_is_refused() =>
        RefusesShareAsync(share => share.Block = 1, "block");

    [Fact]
    public Task A_residual_share_with_too_few_ciphertexts_is_refused() =>
        RefusesShareAsync(share => share.Ciphertexts.Clear(), "ciphertexts");

    [Fact]
    public Task A_residual_share_without_its_public_key_is_refused() =>
        RefusesShareAsync(share => share.PublicKey = ByteString.Empty, "ResidualShare");

    [Fact]
    public Task A_truncated_ciphertext_is_refused() =>
        RefusesShareAsync(share => share.Ciphertexts[0] = ByteString.CopyFrom(share.Ciphertexts[0].Span[..^1]), "ResidualShare");

    [Fact]
    public Task A_ring_element_at_or_above_its_prime_is_refused() =>
        RefusesShareAsync(
            share =>
            {
                byte[] bytes = share.Ciphertexts[0].ToByteArray();
                bytes.AsSpan(^1024..).Fill(0xff);
                share.Ciphertexts[0] = ByteString.CopyFrom(bytes);
            },
            "ResidualShare");

    [Fact]
    public Task A_ciphertext_of_other_parameters_is_refused() =>
        RefusesShareAsync(
            share =>
            {
                byte[] bytes = share.Ciphertexts[0].ToByteArray();
                bytes[0] ^= 1;
                share.Ciphertexts[0] = ByteString.CopyFrom(bytes);
            },
            "ResidualShare");

    [Fact]
    public async Task A_masked_scalar_outside_the_plaintext_field_is_refused()
    {
        VertFedException exception = await AgainstAsync(async pair =>
        {
            await SendHonestShareAsync(pair.Feature, _ => { });
            await pair.Feature.ReceiveAsync(Step.ResidualShare, 1, ResidualShare.Parser, default);
            await pair.Feature.ReceiveAsync(Step.GradientResponse, 1, GradientResponse.Parser, default);
            await SendResponseAsync(pair);
            await pair.Feature.SendAsync(Step.MaskedScalars, 1, new MaskedScalars { Values = { PlainField.Modulus } }, default);
        });
        Assert.Contains("outside its modulus", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_masked_scalars_than_columns_are_refused()
    {
        VertFedException exception = await AgainstAsync(async pair =>
        {
            await SendHonestShareAsync(pair.Feature, _ => { });
            await pair.Feature.ReceiveAsync(Step.ResidualShare, 1, ResidualShare.Parser, default);
            await pair.Feature.ReceiveAsync(Step.GradientResponse, 1, GradientResponse.Parser, default);
            await SendResponseAsync(pair);
            await pair.Feature.SendAsync(Step.MaskedScalars, 1, new MaskedScalars { Values = { 1, 2 } }, default);
        });
        Assert.Contains("'values' has 2 elements, expected 1", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Link_tables_with_a_number_that_is_not_finite_are_refused()
    {
        (_, VerticalInput feature) = VerticalPair.Data(300, 2, 2);
        JobSpecification specification = VerticalPair.Specification();
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(specification, 5);
        Task<VerticalResult> honest = new FeatureParty(pair.Feature, feature, specification, new SilentObserver()).RunAsync(default);
        TrainSetup setup = await pair.Label.ReceiveAsync(Step.TrainSetup, 0, TrainSetup.Parser, default);
        await pair.Label.SendAsync(Step.TrainSetup, 0, setup, default);
        VertFed.Protocol.V1.LinkTables tables = new() { Version = 0, Pairs = 1, RmsError = 0.1 };
        tables.Coefficients.AddRange(Enumerable.Repeat(double.NaN, 2 * (ChebyshevSeries.Degree + 1)));
        await pair.Label.SendAsync(Step.LinkTables, 1, tables, default);
        VertFedException exception = await Assert.ThrowsAsync<VertFedException>(() => honest);
        Assert.Equal(ErrorCode.ProtocolViolation, exception.Code);
        Assert.Equal("LinkTables", exception.Step);
    }

    [Theory]
    [InlineData("train_rows")]
    [InlineData("columns")]
    [InlineData("max_column_norm")]
    [InlineData("guards")]
    public async Task A_train_setup_that_contradicts_the_alignment_or_the_format_is_refused(string field)
    {
        (_, VerticalInput feature) = VerticalPair.Data(300, 2, 2);
        JobSpecification specification = VerticalPair.Specification();
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(specification, 5);
        Task<VerticalResult> honest = new FeatureParty(pair.Feature, feature, specification, new SilentObserver()).RunAsync(default);
        TrainSetup setup = await pair.Label.ReceiveAsync(Step.TrainSetup, 0, TrainSetup.Parser, default);
        switch (field)
        {
            case "train_rows":
                setup.TrainRows++;
                break;
            case "columns":
                setup.Columns.Add(setup.Columns[0]);
                break;
            case "max_column_norm":
                setup.MaxColumnNorm *= 10;
                break;
            default:
                setup.Guards.Add(new GuardResult { Name = "x", Verdict = "perhaps" });
                break;
        }

        await pair.Label.SendAsync(Step.TrainSetup, 0, setup, default);
        VertFedException exception = await Assert.ThrowsAsync<VertFedException>(() => honest);
        Assert.Equal(ErrorCode.ProtocolViolation, exception.Code);
        Assert.Contains(field, exception.Message, StringComparison.Ordinal);
    }

    private static async Task RefusesShareAsync(Action<ResidualShare> spoil, string named)
    {
        VertFedException exception = await AgainstAsync(pair => SendHonestShareAsync(pair.Feature, spoil));
        Assert.Equal("ResidualShare", exception.Step);
        Assert.Contains(named, exception.Message, StringComparison.Ordinal);
    }

    /// <summary>Runs the label party's gradient exchange against what a hostile feature party does.</summary>
    private static async Task<VertFedException> AgainstAsync(Func<InMemoryChannelPair, Task> hostile)
    {
        using InMemoryChannelPair pair = await VerticalPair.OpenAsync(VerticalPair.Specification(), 3);
        await VerticalPair.PassSetupAsync(pair);
        QuantisedColumns columns = VerticalPair.QuantisedColumns(Rows, 1, 1);
        PackingPlan plan = PackingPlan.Choose(Rows, 1, LatticeParameters.Gradient);
        using GradientExchange honest = new(pair.Label, columns, plan, plan, VerticalPair.Flood(columns, plan));
        Task<long[]> run = honest.RunAsync(1, VerticalPair.RandomResidues(Rows, 2), default);
        await hostile(pair);
        VertFedException exception = await Assert.ThrowsAsync<VertFedException>(() => run);
        Assert.Equal(ErrorCode.ProtocolViolation, exception.Code);
        return exception;
    }

    private static async Task SendHonestShareAsync(SealedChannel channel, Action<ResidualShare> spoil)
    {
        using Primitives.RandomStream random = new(new byte[32]);
        using SecretKey key = SecretKey.Generate(LatticeParameters.Gradient, random);
        VertFed.Lattice.PublicKey publicKey = VertFed.Lattice.PublicKey.Generate(
            key, channel.DerivePublic("gradient-public-key", channel.Self, 1), random);
        Plaintext plaintext = new(LatticeParameters.Gradient);
        CoefficientEncoder.Encode(VerticalPair.RandomResidues(Rows, 3), plaintext);
        ResidualShare share = new()
        {
            PublicKey = ByteString.CopyFrom(publicKey.Serialize()),
            Ciphertexts = { ByteString.CopyFrom(SeededCiphertext.Encrypt(key, plaintext, new byte[32], random).Serialize()) },
        };
        spoil(share);
        await channel.SendAsync(Step.ResidualShare, 1, share, default);
    }

    /// <summary>A well-formed response to the label party's own share: zero times its ciphertext.</summary>
    private static async Task SendResponseAsync(InMemoryChannelPair pair)
    {
        QuantisedColumns columns = VerticalPair.QuantisedColumns(Rows, 1, 4);
        PackingPlan plan = PackingPlan.Choose(Rows, 1, LatticeParameters.Gradient);
        using Primitives.RandomStream random = new(Enumerable.Repeat((byte)9, 32).ToArray());
        using SecretKey stranger = SecretKey.Generate(LatticeParameters.Gradient, random);
        VertFed.Lattice.PublicKey key = VertFed.Lattice.PublicKey.Generate(stranger, new byte[32], random);
        ResponseBuilder sum = new(LatticeParameters.Gradient);
        sum.AddPlain(plan.PositionsOf(0)[0], 1);
        byte[] bytes = sum.Finish(key, VerticalPair.Flood(columns, plan), random, plan.PositionsOf(0)).Serialize();
        await pair.Feature.SendAsync(
            Step.GradientResponse, 1, new GradientResponse { Ciphertexts = { ByteString.CopyFrom(bytes) } }, default);
    }
}
