using System.Numerics;
using FsCheck;
using FsCheck.Fluent;
using VertFed.Lattice;
using VertFed.Primitives;
using Xunit;
using static VertFed.UnitTests.Lattice.LatticeFixtures;

namespace VertFed.UnitTests.Lattice;

public sealed class PlainFieldTests
{
    private static readonly ulong T = PlainField.Modulus;

    /// <summary>Residues, one in four of them at an edge.</summary>
    private static Arbitrary<ulong> Residues { get; } = Gen.OneOf(
        ArbMap.Default.GeneratorFor<DoNotSize<ulong>>().Select(x => x.Item % T),
        ArbMap.Default.GeneratorFor<DoNotSize<ulong>>().Select(x => x.Item % T),
        ArbMap.Default.GeneratorFor<DoNotSize<ulong>>().Select(x => x.Item % T),
        Gen.Elements(0UL, 1UL, 2UL, T - 1, T - 2, T / 2, (T / 2) + 1)).ToArbitrary();

    [Fact]
    public void The_modulus_is_the_largest_suitable_prime_below_two_to_the_58()
    {
        Assert.True(PrimeNumbers.IsPrime(T));
        Assert.Equal(1UL, T % 16384);
        for (ulong larger = T + 16384; larger < 1UL << 58; larger += 16384)
        {
            Assert.False(PrimeNumbers.IsPrime(larger));
        }

        Assert.Equal(T, LatticeParameters.Link.PlainModulus);
        Assert.Equal(T, LatticeParameters.Gradient.PlainModulus);
    }

    [Fact]
    public void Sums_differences_and_products_agree_with_big_integers() =>
        Prop.ForAll(Residues, Residues, (a, b) =>
            PlainField.Add(a, b) == (ulong)(((BigInteger)a + b) % T)
            && PlainField.Subtract(a, b) == (ulong)(((BigInteger)a + T - b) % T)
            && PlainField.Multiply(a, b) == (ulong)((BigInteger)a * b % T)).QuickCheckThrowOnFailure();

    [Fact]
    public void Products_agree_with_big_integers_for_moduli_of_every_size()
    {
        using RandomStream stream = Stream("moduli");
        for (int bits = 8; bits <= 58; bits++)
        {
            PlainModulus field = new((1UL << bits) - 1 - (2 * stream.NextBelow(1UL << (bits - 3))));
            for (int i = 0; i < 200; i++)
            {
                ulong a = i == 0 ? field.Value - 1 : stream.NextBelow(field.Value), b = i < 2 ? field.Value - 1 : stream.NextBelow(field.Value);
                Assert.Equal((ulong)((BigInteger)a * b % field.Value), field.Multiply(a, b));
                Assert.Equal((ulong)((BigInteger)a * b % field.Value), field.MultiplyConstant(a, b, field.Companion(b)));
            }
        }
    }

    [Fact]
    public void Centring_inverts_the_lift_of_signed_values() =>
        Prop.ForAll(Residues, a =>
        {
            long centred = PlainField.Centre(a);
            return Math.Abs(centred) <= PlainField.MaximumCentred && PlainField.FromSigned(centred) == a;
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public void Signed_values_beyond_half_the_modulus_are_refused(int sign)
    {
        Assert.Equal(sign * PlainField.MaximumCentred, PlainField.Centre(PlainField.FromSigned(sign * PlainField.MaximumCentred)));
        Assert.Throws<ArgumentOutOfRangeException>(() => PlainField.FromSigned(sign * (PlainField.MaximumCentred + 1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => PlainField.FromSigned(sign > 0 ? long.MaxValue : long.MinValue));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1023)]
    [InlineData(5000)]
    public void Inner_products_agree_with_big_integers(int length)
    {
        using RandomStream stream = Stream("inner " + length);
        ulong[] residues = new ulong[length];
        PlainField.FillRandom(stream, residues);
        long[] wide = RandomSigned(stream, length, 1UL << 58);
        int[] narrow = [.. wide.Select((x, i) => i % 7 == 0 ? int.MinValue : (int)x)];
        for (int i = 0; i < length; i += 5)
        {
            wide[i] = i % 2 == 0 ? 1L << 58 : -(1L << 58);
            residues[i] = T - 1;
        }

        BigInteger wideSum = 0, narrowSum = 0;
        for (int i = 0; i < length; i++)
        {
            wideSum += (BigInteger)wide[i] * residues[i];
            narrowSum += (BigInteger)narrow[i] * residues[i];
        }

        Assert.Equal(Mod(wideSum, T), PlainField.InnerProduct(wide, residues));
        Assert.Equal(Mod(narrowSum, T), PlainField.InnerProduct(narrow, residues));
        Assert.Throws<ArgumentException>(() => PlainField.InnerProduct(wide, new ulong[length + 1]));
    }

    [Fact]
    public void Slots_multiply_as_polynomials_do()
    {
        LatticeParameters p = Small;
        using RandomStream stream = Stream("slots as polynomials");
        ulong[] a = new ulong[p.Degree], b = new ulong[p.Degree];
        UniformSampler.FillBelow(stream, p.PlainModulus, a);
        UniformSampler.FillBelow(stream, p.PlainModulus, b);
        BigInteger[] expected = NegacyclicProduct([.. a.Select(x => (BigInteger)x)], [.. b.Select(x => (BigInteger)x)]);
        p.PlainTransform.Forward(a);
        p.PlainTransform.Forward(b);
        ulong[] product = [.. a.Zip(b, p.Plain.Multiply)];
        p.PlainTransform.Inverse(product);
        Assert.Equal(expected.Select(x => (ulong)Mod(x, p.PlainModulus)), product);
    }

    [Fact]
    public void Slots_round_trip_and_short_inputs_leave_zeros()
    {
        LatticeParameters p = LatticeParameters.Link;
        using RandomStream stream = Stream("slot round trip");
        long[] values = RandomSigned(stream, 1000, (ulong)PlainField.MaximumCentred);
        values[0] = PlainField.MaximumCentred;
        values[1] = -PlainField.MaximumCentred;
        Plaintext plain = new(p);
        plain.FillRandom(stream);
        SlotEncoder encoder = new(p);
        encoder.Encode(values, plain);
        long[] decoded = new long[p.Degree];
        encoder.Decode(plain, decoded);
        Assert.Equal(values, decoded[..1000]);
        Assert.All(decoded[1000..], x => Assert.Equal(0, x));
    }
}
