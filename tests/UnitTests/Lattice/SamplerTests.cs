using VertFed.Lattice;
using VertFed.Primitives;
using Xunit;
using static VertFed.UnitTests.Lattice.LatticeFixtures;

namespace VertFed.UnitTests.Lattice;

/// <summary>
/// Distributions on fixed seeds. Chi-square limits are mean + 5 standard deviations: a right sampler fails one seed in some million, and
/// these seeds pass.
/// </summary>
public sealed class SamplerTests
{
    private const int Count = 1 << 18;

    [Fact]
    public void Errors_follow_the_centred_binomial_distribution()
    {
        double[] errors = new double[Count];
        using RandomStream stream = Stream("errors");
        ErrorSampler.Fill(stream, errors);
        Assert.All(errors, e => Assert.InRange(e, -21, 21));

        // P(e) = C(42, 21 + e) / 2^42; tails pooled where fewer than 20 are expected.
        double[] expected = [.. Enumerable.Range(0, 43).Select(k => Count * Binomial(42, k) / Math.Pow(2, 42))];
        double[] observed = new double[43];
        foreach (double e in errors)
        {
            observed[(int)e + 21]++;
        }

        AssertChiSquare(observed, expected);
        Assert.InRange(errors.Average(e => e * e), 10.5 * 0.98, 10.5 * 1.02);
    }

    [Fact]
    public void Secrets_are_uniform_and_independent_ternary()
    {
        double[] secrets = new double[Count];
        using RandomStream stream = Stream("secrets");
        TernarySampler.Fill(stream, secrets);
        double[] observed = new double[9];
        for (int i = 0; i < Count; i += 2)
        {
            observed[(int)(((secrets[i] + 1) * 3) + secrets[i + 1] + 1)]++;
        }

        AssertChiSquare(observed, [.. Enumerable.Repeat(Count / 18.0, 9)]);
    }

    [Fact]
    public void A_rejected_byte_is_skipped_and_the_digits_are_base_three()
    {
        using RandomStream stream = Stream("digits"), again = Stream("digits");
        double[] secrets = new double[1000];
        TernarySampler.Fill(stream, secrets);
        byte[] bytes = new byte[512];
        again.Fill(bytes);
        IEnumerable<double> expected = bytes.Where(b => b < 243).SelectMany(b => Enumerable.Range(0, 5).Select(d => (double)(b / (int)Math.Pow(3, d) % 3) - 1));
        Assert.Contains(bytes[..200], b => b >= 243);
        Assert.Equal(expected.Take(1000), secrets);
    }

    [Fact]
    public void Uniform_polynomials_are_uniform_below_their_primes_and_differ_by_prime_and_purpose()
    {
        LatticeParameters p = LatticeParameters.Link;
        RingElement a = new(p), b = new(p);
        UniformSampler.Expand(p, Seed("uniform"), "one purpose"u8, a);
        UniformSampler.Expand(p, Seed("uniform"), "another purpose"u8, b);
        for (int i = 0; i < p.PrimeCount; i++)
        {
            double[] top = new double[64], bottom = new double[64];
            foreach (double x in a[i])
            {
                Assert.InRange(x, 0, p.Primes[i].P - 1);
                top[(int)(x / p.Primes[i].P * 64)]++;
                bottom[(int)(x % 64)]++;
            }

            double[] expected = [.. Enumerable.Repeat(p.Degree / 64.0, 64)];
            AssertChiSquare(top, expected);
            AssertChiSquare(bottom, expected);
            Assert.False(a[i].SequenceEqual(b[i]));
            Assert.False(a[i].SequenceEqual(a[(i + 1) % p.PrimeCount]));
        }
    }

    [Fact]
    public void Draws_at_or_above_a_bound_are_drawn_again()
    {
        // Three quarters of the draws are rejected: 2^57 + 1 needs 58 bits.
        const ulong bound = (1UL << 57) + 1;
        ulong[] values = new ulong[20000];
        using RandomStream stream = Stream("rejection");
        UniformSampler.FillBelow(stream, bound, values);
        double[] observed = new double[32];
        foreach (ulong value in values)
        {
            Assert.True(value < bound);
            observed[Math.Min(31, value >> 52)]++;
        }

        AssertChiSquare(observed, [.. Enumerable.Repeat(20000 / 32.0, 32)]);
    }

    [Theory]
    [InlineData(40)]
    [InlineData(47)]
    [InlineData(48)]
    [InlineData(120)]
    public void Floods_are_uniform_down_to_the_lowest_bit(int exponent)
    {
        LatticeParameters p = Tiny;
        double[] low = new double[16], high = new double[16];
        using RandomStream stream = Stream("flood bits " + exponent);
        for (int round = 0; round < 40; round++)
        {
            RingElement flood = new(p);
            FloodSampler.Add(p, exponent, stream, flood.Residues, p.Degree, p.Degree);
            for (int k = 0; k < p.Degree; k++)
            {
                System.Numerics.BigInteger shifted = Centred(Coefficient(p, flood, k), Q(p)) + (System.Numerics.BigInteger.One << exponent);
                Assert.True(shifted.Sign >= 0 && shifted >> (exponent + 1) == 0);
                low[(int)(shifted & 15)]++;
                high[(int)(shifted >> (exponent - 3))]++;
            }
        }

        double[] expected = [.. Enumerable.Repeat(40 * p.Degree / 16.0, 16)];
        AssertChiSquare(low, expected);
        AssertChiSquare(high, expected);
    }

    private static double Binomial(int n, int k) => Enumerable.Range(1, k).Aggregate(1.0, (value, i) => value * (n - k + i) / i);

    private static void AssertChiSquare(double[] observed, double[] expected)
    {
        double statistic = 0, pooledObserved = 0, pooledExpected = 0;
        int cells = 0;
        for (int i = 0; i < observed.Length; i++)
        {
            if (expected[i] < 20)
            {
                pooledObserved += observed[i];
                pooledExpected += expected[i];
                continue;
            }

            statistic += (observed[i] - expected[i]) * (observed[i] - expected[i]) / expected[i];
            cells++;
        }

        if (pooledExpected > 0)
        {
            statistic += (pooledObserved - pooledExpected) * (pooledObserved - pooledExpected) / pooledExpected;
            cells++;
        }

        Assert.InRange(statistic, 0, cells - 1 + (5 * Math.Sqrt(2.0 * (cells - 1))));
    }
}
