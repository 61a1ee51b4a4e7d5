using System.Numerics;
using VertFed.Lattice;
using VertFed.Primitives;
using Xunit;
using Xunit.Abstractions;
using static VertFed.UnitTests.Lattice.LatticeFixtures;

namespace VertFed.UnitTests.Lattice;

/// <summary>Noise measured with big integers at the real sizes, beside the bounds that flooding relies on.</summary>
public sealed class NoiseTests(ITestOutputHelper output)
{
    [Fact]
    public void Twelve_slot_products_at_the_link_level_stay_within_the_bound()
    {
        LatticeParameters p = LatticeParameters.Link;
        const int pairs = 12;
        using TestKeys keys = new(p, "noise link keys");
        using RandomStream data = Stream("noise link data");
        SlotEncoder encoder = new(p);
        ResponseBuilder builder = new(p);
        ulong[] sum = new ulong[p.Degree], phi = new ulong[p.Degree], psi = new ulong[p.Degree];
        Plaintext plain = new(p), other = new(p);
        for (int k = 0; k < pairs; k++)
        {
            PlainField.FillRandom(data, phi);
            PlainField.FillRandom(data, psi);
            encoder.Encode(phi, plain);
            encoder.Encode(psi, other);
            using PreparedPlaintext prepared = PreparedPlaintext.FromPlaintext(p, other);
            builder.MultiplyAdd(keys.Encrypt(plain, "noise link " + k), prepared);
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] = PlainField.Add(sum[i], PlainField.Multiply(phi[i], psi[i]));
            }
        }

        encoder.Encode(sum, plain);
        double bound = FloodingBound.SlotProductNoise(p, pairs);
        (double rms, double largest) = MeasureSum(builder, keys, plain);
        output.WriteLine($"link sum: rms 2^{Math.Log2(rms):F2}, largest 2^{Math.Log2(largest):F2}, V 2^{Math.Log2(bound):F2}");
        Assert.InRange(largest, 0, bound);
        Assert.InRange(rms, bound / 40, bound / 10);

        FloodingBound flood = new(p, bound, 1L << 24);
        MeasureResponse(builder, keys, flood, plain, "noise link response");
    }

    [Fact]
    public void Column_products_at_the_gradient_level_stay_within_the_bound()
    {
        LatticeParameters p = LatticeParameters.Gradient;
        using TestKeys keys = new(p, "noise gradient keys");
        using RandomStream data = Stream("noise gradient data");
        ResponseBuilder builder = new(p);
        Plaintext plain = new(p), sum = new(p);
        double squares = 0;
        for (int block = 0; block < 4; block++)
        {
            long[] column = RandomSigned(data, p.Degree, 1UL << 15);
            squares += column.Sum(x => (double)x * x);
            plain.FillRandom(data);
            using PreparedPlaintext prepared = PreparedPlaintext.FromSignedCoefficients(p, column);
            builder.MultiplyAdd(keys.Encrypt(plain, "noise gradient " + block), prepared);

            // The product of the plaintexts, negacyclic modulo t, by the transform modulo t.
            SlotEncoder encoder = new(p);
            ulong[] a = new ulong[p.Degree], b = new ulong[p.Degree];
            encoder.Decode(plain, a);
            CoefficientEncoder.Encode(column, plain);
            encoder.Decode(plain, b);
            encoder.Encode(a.Zip(b, PlainField.Multiply).ToArray().AsSpan(), plain);
            for (int k = 0; k < p.Degree; k++)
            {
                sum.Coefficients[k] = PlainField.Add(sum.Coefficients[k], plain.Coefficients[k]);
            }
        }

        double bound = FloodingBound.ColumnProductNoise(Math.Sqrt(squares));
        (double rms, double largest) = MeasureSum(builder, keys, sum);
        output.WriteLine($"gradient sum: rms 2^{Math.Log2(rms):F2}, largest 2^{Math.Log2(largest):F2}, V 2^{Math.Log2(bound):F2}");
        Assert.InRange(largest, 0, bound);
        Assert.InRange(rms, bound / 12, bound / 8);

        FloodingBound flood = new(p, bound, 1L << 16);
        MeasureResponse(builder, keys, flood, sum, "noise gradient response");
    }

    [Fact]
    public void Decryption_fails_only_when_the_noise_leaves_its_limit()
    {
        // A key and message at the real size; phases are moved by hand around the rounding boundary.
        LatticeParameters p = LatticeParameters.Gradient;
        using TestKeys keys = new(p, "boundary keys");
        const ulong message = 123456789;
        BigInteger half = BigInteger.One << 72, t = p.PlainModulus;
        BigInteger centre = ((2 * half * message) + t) / (2 * t), limit = half / (2 * t);
        foreach ((BigInteger offset, ulong expected) in (IEnumerable<(BigInteger, ulong)>)
            [(0, message), (limit - 257, message), (257 - limit, message), (limit + 257, message + 1), (-limit - 257, message - 1)])
        {
            // c1 with a single unit in X^0 puts s_0 into the phase: choose c0 to make up for it.
            double[] low = new double[p.Degree];
            low[0] = 1;
            BigInteger first = Mod(centre + offset - (BigInteger)keys.Secret.Reversed[^1], half) >> 8;
            SwitchedCiphertext crafted = new(p, [(ulong)first], new double[p.Degree], low);
            Assert.Equal([expected], crafted.DecryptCoefficients(keys.Secret, [0]));
        }
    }

    /// <summary>c0 + c1·s − round(q·m/t), centred: the noise of the bare sum.</summary>
    private static (double Rms, double Largest) MeasureSum(ResponseBuilder builder, TestKeys keys, Plaintext expected)
    {
        LatticeParameters p = builder.Parameters;
        (RingElement first, RingElement second) = builder.UnmaskedSum;
        RingElement phase = Copy(first);
        phase.MultiplyAdd(second, keys.Secret.Evaluations);
        phase.ToCoefficients();
        BigInteger q = Q(p), t = p.PlainModulus;
        double squares = 0, largest = 0;
        for (int k = 0; k < p.Degree; k++)
        {
            double noise = (double)Centred(Coefficient(p, phase, k) - (((2 * q * expected.Coefficients[k]) + t) / (2 * t)), q);
            squares += noise * noise;
            largest = Math.Max(largest, Math.Abs(noise));
        }

        return (Math.Sqrt(squares / p.Degree), largest);
    }

    /// <summary>The noise of the response as sent, in units of 2^-72, beside 2^72/2t.</summary>
    private void MeasureResponse(ResponseBuilder builder, TestKeys keys, FloodingBound flood, Plaintext expected, string label)
    {
        LatticeParameters p = builder.Parameters;
        using RandomStream own = Stream(label);
        SwitchedCiphertext response = builder.Finish(keys.Public, flood, own);
        int[] positions = [.. Enumerable.Range(0, 200).Select(i => i * 41)];
        UInt128[] phases = response.PhaseForTests(keys.Secret, positions);
        BigInteger scale = BigInteger.One << 72, t = p.PlainModulus;
        double largest = positions.Select((k, i) =>
            Math.Abs((double)Centred(((BigInteger)phases[i] * t) - (scale * expected.Coefficients[k]), scale * t) / (double)t)).Max();
        double limit = Math.ScaleB(1, 72) / (2.0 * p.PlainModulus);
        output.WriteLine($"{label}: B 2^{flood.Exponent}, largest {largest:F1} of {limit:F0} units, proven margin {flood.MarginBits:F2} bits");
        Assert.InRange(largest, 0, limit / Math.Pow(2, flood.MarginBits));
        Assert.Equal(expected.Coefficients, response.Decrypt(keys.Secret).Coefficients);
    }
}
