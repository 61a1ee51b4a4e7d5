using System.Numerics;
using FsCheck;
using FsCheck.Fluent;
using VertFed.Lattice;
using VertFed.Primitives;
using Xunit;
using static VertFed.UnitTests.Lattice.LatticeFixtures;

namespace VertFed.UnitTests.Lattice;

/// <summary>Ring operations against naive polynomials of big integers, on small rings with real primes.</summary>
public sealed class RingPropertyTests
{
    private static readonly Config Few = Config.QuickThrowOnFailure.WithMaxTest(12);

    private static Arbitrary<int> Seeds { get; } = Gen.Choose(0, int.MaxValue - 1).ToArbitrary();

    private static LatticeParameters Ring(int seed) => seed % 2 == 0 ? Tiny : Small;

    [Fact]
    public void Products_are_negacyclic_products_of_the_integers() =>
        Prop.ForAll(Seeds, seed =>
        {
            LatticeParameters p = Ring(seed);
            using RandomStream stream = Stream("product " + seed);
            BigInteger q = Q(p);
            BigInteger[] a = RandomPolynomial(stream, p), b = RandomPolynomial(stream, p);
            RingElement x = FromIntegers(p, a), y = FromIntegers(p, b), sum = new(p);
            x.ToEvaluations();
            y.ToEvaluations();
            sum.MultiplyAdd(x, y);
            sum.ToCoefficients();
            BigInteger[] expected = NegacyclicProduct(a, b);
            return Enumerable.Range(0, p.Degree).All(k => Coefficient(p, sum, k) == Mod(expected[k], q));
        }).Check(Few);

    [Fact]
    public void Scaling_is_the_rounded_quotient_exactly() =>
        Prop.ForAll(Seeds, seed =>
        {
            LatticeParameters p = Ring(seed);
            using RandomStream stream = Stream("scale " + seed);
            ulong[] plain = new ulong[p.Degree];
            UniformSampler.FillBelow(stream, p.PlainModulus, plain);
            plain[0] = 0;
            plain[1] = 1;
            plain[2] = p.PlainModulus - 1;
            plain[3] = p.PlainModulus / 2;
            plain[4] = (p.PlainModulus / 2) + 1;
            RingElement scaled = new(p);
            p.Scaling.Add(plain, scaled.Residues, p.Degree);
            BigInteger q = Q(p);
            return Enumerable.Range(0, p.Degree).All(k =>
                Coefficient(p, scaled, k) == Mod(((2 * q * plain[k]) + p.PlainModulus) / (2 * (BigInteger)p.PlainModulus), q));
        }).Check(Few);

    [Fact]
    public void Switching_stays_within_its_stated_distance() =>
        Prop.ForAll(Seeds, seed =>
        {
            LatticeParameters p = Ring(seed);
            using RandomStream stream = Stream("switch " + seed);
            BigInteger q = Q(p);
            BigInteger[] a = RandomPolynomial(stream, p);
            a[0] = 0;
            a[1] = q - 1;
            a[2] = q / 2;
            RingElement x = FromIntegers(p, a);
            double[] high = new double[p.Degree], low = new double[p.Degree];
            p.Switching.ToSecond(Copy(x).Residues, p.Degree, high, low);
            ulong[] first = new ulong[p.Degree];
            p.Switching.ToFirst(Copy(x).Residues, p.Degree, first);
            return Enumerable.Range(0, p.Degree).All(k =>
                IsWithin(a[k], ((BigInteger)high[k] << 36) + (BigInteger)low[k], q, 72)
                && high[k] < 1L << 36 && low[k] < 1L << 36
                && IsWithin(a[k], first[k], q, 64));
        }).Check(Few);

    [Fact]
    public void The_flood_that_is_added_is_the_integer_that_was_drawn()
    {
        LatticeParameters p = Tiny;
        foreach (int exponent in (int[])[1, 20, 46, 47, 48, 63, 95, 96, 120, 137])
        {
            RingElement flooded = new(p);
            using RandomStream stream = Stream("flood " + exponent), again = Stream("flood " + exponent);
            FloodSampler.Add(p, exponent, stream, flooded.Residues, p.Degree, p.Degree - 3);
            int bytes = (exponent + 48) / 48 * 6;
            byte[] drawn = new byte[bytes];
            for (int k = 0; k < p.Degree; k++)
            {
                BigInteger expected = 0;
                if (k < p.Degree - 3)
                {
                    again.Fill(drawn);
                    expected = (new BigInteger(drawn, isUnsigned: true) & ((BigInteger.One << (exponent + 1)) - 1)) - (BigInteger.One << exponent);
                }

                Assert.Equal(expected, Centred(Coefficient(p, flooded, k), Q(p)));
            }
        }
    }

    [Fact]
    public void Products_of_switched_polynomials_with_the_secret_are_exact() =>
        Prop.ForAll(Seeds, seed =>
        {
            LatticeParameters p = Ring(seed);
            using RandomStream stream = Stream("switched product " + seed);
            using SecretKey key = SecretKey.Generate(p, stream);
            double[] high = RandomResidues(stream, p.Degree, 1UL << 36), low = RandomResidues(stream, p.Degree, 1UL << 36);
            Array.Fill(high, (1L << 36) - 1, 0, p.Degree / 2);
            BigInteger[] secret = [.. key.Reversed.ToArray().Reverse().Select(s => (BigInteger)s)];
            BigInteger[] expected = NegacyclicProduct([.. high.Zip(low, (h, l) => ((BigInteger)h << 36) + (BigInteger)l)], secret);
            double[] scratch = new double[p.Degree * p.PrimeCount];
            SwitchedProduct.Multiply(key, high, low, scratch, p.Degree);
            return Enumerable.Range(0, p.Degree).All(k =>
                SwitchedProduct.OneCoefficient(key, high, low, k) == (Int128)expected[k]
                && SwitchedProduct.Combine(p, scratch, k) == (Int128)expected[k]);
        }).Check(Few);

    [Fact]
    public void Prepared_plaintexts_hold_the_same_integers_modulo_every_prime() =>
        Prop.ForAll(Seeds, seed =>
        {
            LatticeParameters p = Small;
            using RandomStream stream = Stream("prepared " + seed);
            ulong bound = 1UL << (seed % 57);
            long[] values = RandomSigned(stream, 1 + (seed % p.Degree), bound);
            values[0] = (long)bound;
            using (PreparedPlaintext dirty = PreparedPlaintext.FromSignedCoefficients(p, RandomSigned(stream, p.Degree, bound)))
            {
                Assert.Same(p, dirty.Parameters);
            }

            using PreparedPlaintext prepared = PreparedPlaintext.FromSignedCoefficients(p, values);
            RingElement element = Copy(prepared.Evaluations);
            element.ToCoefficients();
            return Enumerable.Range(0, p.Degree).All(k =>
                Centred(Coefficient(p, element, k), Q(p)) == (k < values.Length ? values[k] : 0));
        }).Check(Few);

    [Fact]
    public void Packing_round_trips_at_fifty_bits()
    {
        using RandomStream stream = Stream("packing");
        ulong prime = PrimeNumbers.LargestBelow(1UL << 50, 128, 1)[0];
        double[] values = RandomResidues(stream, 64, prime), read = new double[64];
        values[3] = prime - 1;
        values[60] = 0;
        byte[] bytes = new byte[ResiduePacking.PackedBytes(64)];
        ResiduePacking.Pack(values, bytes);
        BigInteger whole = new(bytes, isUnsigned: true);
        Assert.Equal(values.Select(v => (ulong)v), Enumerable.Range(0, 64).Select(k => (ulong)((whole >> (50 * k)) & ((1UL << 50) - 1))));
        Assert.True(ResiduePacking.Unpack(bytes, read, prime));
        Assert.Equal(values, read);
    }

    private static bool IsWithin(BigInteger value, BigInteger switched, BigInteger q, int bits)
    {
        // |x·2^w − switched·q| ≤ 0.5625·q, modulo 2^w·q.
        BigInteger distance = Centred((value << bits) - (switched * q), q << bits);
        return 16 * BigInteger.Abs(distance) <= 9 * q;
    }

    private static BigInteger[] RandomPolynomial(RandomStream stream, LatticeParameters p)
    {
        byte[] bytes = new byte[40];
        BigInteger[] values = new BigInteger[p.Degree];
        for (int k = 0; k < values.Length; k++)
        {
            stream.Fill(bytes);
            values[k] = new BigInteger(bytes, isUnsigned: true) % Q(p);
        }

        return values;
    }

    private static RingElement FromIntegers(LatticeParameters p, BigInteger[] values)
    {
        RingElement element = new(p);
        for (int i = 0; i < p.PrimeCount; i++)
        {
            for (int k = 0; k < values.Length; k++)
            {
                element[i][k] = (double)(values[k] % p.Literal.Primes[i]);
            }
        }

        return element;
    }
}
