using VertFed.Lattice;
using VertFed.Primitives;
using Xunit;
using static VertFed.UnitTests.Lattice.LatticeFixtures;

namespace VertFed.UnitTests.Lattice;

/// <summary>What the receiver of a response could compute from it about the other party's plaintext.</summary>
public sealed class RerandomisationTests
{
    private static readonly LatticeParameters P = LatticeParameters.Gradient;

    [Fact]
    public void Division_recovers_the_plaintext_from_a_bare_product_and_nothing_after_rerandomisation()
    {
        using TestKeys keys = new(P, "attack keys");
        using RandomStream data = Stream("attack data");
        long[] column = RandomSigned(data, P.Degree, 1 << 13);
        Plaintext plain = new(P);
        plain.FillRandom(data);
        Ciphertext sent = keys.Encrypt(plain, "attack");
        using PreparedPlaintext prepared = PreparedPlaintext.FromSignedCoefficients(P, column);
        ResponseBuilder builder = new(P);
        builder.MultiplyAdd(sent, prepared);
        Assert.Equal(column, Divide(builder.UnmaskedSum.Second, sent.Second));

        using RandomStream own = Stream("attack response");
        builder.Rerandomise(keys.Public, own);
        RingElement second = Copy(builder.UnmaskedSum.Second);
        second.ToEvaluations();
        long[] found = Divide(second, sent.Second);
        Assert.True(found.Zip(column).Count(pair => pair.First == pair.Second) < 3);

        // Not even the size shows: the quotient is uniform modulo the prime, where the column has 14 bits.
        double prime = P.Primes[0].P;
        Assert.InRange(found.Average(x => Math.Abs(x) / prime), 0.24, 0.26);
    }

    [Fact]
    public void Responses_from_the_same_inputs_differ_in_everything_when_their_streams_differ()
    {
        using TestKeys keys = new(P, "fresh keys");
        Plaintext plain = new(P);
        Ciphertext sent = keys.Encrypt(plain, "fresh");
        ResponseBuilder builder = new(P);
        FloodingBound flood = new(P, 1000, P.Degree);
        List<byte[]> responses = [];
        foreach (string label in (string[])["one", "two", "one"])
        {
            builder.Add(sent);
            using RandomStream own = Stream("fresh " + label);
            responses.Add(builder.Finish(keys.Public, flood, own).Serialize());
        }

        Assert.Equal(responses[0], responses[2]);
        int equal = responses[0].Zip(responses[1]).Skip(9).Count(pair => pair.First == pair.Second);
        double expected = (responses[0].Length - 9) / 256.0;
        Assert.InRange(equal, expected * 0.8, expected * 1.2);
    }

    [Fact]
    public void A_finished_builder_starts_from_zero()
    {
        using TestKeys keys = new(P, "reuse keys");
        using RandomStream data = Stream("reuse data");
        Plaintext plain = new(P);
        plain.FillRandom(data);
        ResponseBuilder builder = new(P);
        builder.AddPlain(plain);
        builder.Add(keys.Encrypt(plain, "reuse"));
        FloodingBound flood = new(P, 1000, P.Degree);
        builder.Finish(keys.Public, flood, data);
        Assert.All(builder.Finish(keys.Public, flood, data).Decrypt(keys.Secret).Coefficients, x => Assert.Equal(0UL, x));
    }

    [Fact]
    public void The_noise_that_the_receiver_sees_is_the_flood_whatever_was_multiplied()
    {
        // The receiver knows its key: with the message known too, what is left is noise. It must look alike for a zero and a large column.
        using TestKeys keys = new(P, "flood keys");
        Plaintext zero = new(P);
        Ciphertext sent = keys.Encrypt(zero, "flood");
        FloodingBound flood = new(P, Math.ScaleB(1, 30), 1L << 14);
        double[] spread = new double[2];
        for (int which = 0; which < 2; which++)
        {
            long[] column = new long[P.Degree];
            Array.Fill(column, which == 0 ? 0 : 8191);
            using PreparedPlaintext prepared = PreparedPlaintext.FromSignedCoefficients(P, column);
            ResponseBuilder builder = new(P);
            builder.MultiplyAdd(sent, prepared);
            using RandomStream own = Stream("flood response " + which);
            builder.Rerandomise(keys.Public, own);
            (RingElement first, RingElement second) = builder.UnmaskedSum;
            FloodSampler.Add(P, flood.Exponent, own, first.Residues, P.Degree, P.Degree);
            second.ToEvaluations();
            first.ToEvaluations();
            first.MultiplyAdd(second, keys.Secret.Evaluations);
            first.ToCoefficients();
            spread[which] = Enumerable.Range(0, P.Degree).Average(k => Math.Abs((double)Centred(Coefficient(P, first, k), Q(P))));
        }

        double expected = Math.ScaleB(0.5, flood.Exponent);
        Assert.All(spread, s => Assert.InRange(s, expected * 0.97, expected * 1.03));
    }

    [Fact]
    public void A_disposed_secret_key_is_zeroed_and_refuses_to_serve()
    {
        TestKeys keys = new(P, "dispose keys");
        RingElement evaluations = keys.Secret.Evaluations;
        Assert.Contains(evaluations.Residues, x => x != 0);
        keys.Dispose();
        Assert.All(evaluations.Residues, x => Assert.Equal(0, x));
        Assert.Throws<ObjectDisposedException>(() => keys.Secret.Evaluations);
        Assert.Throws<ObjectDisposedException>(() => keys.Encrypt(new Plaintext(P), "dispose"));
        keys.Dispose();
    }

    /// <summary>a/b in the transform domain of the first prime, back to centred coefficients.</summary>
    private static long[] Divide(RingElement a, RingElement b)
    {
        NttTables tables = P.Primes[0];
        double[] quotient = new double[P.Degree];
        for (int k = 0; k < quotient.Length; k++)
        {
            ulong inverse = PrimeNumbers.InverseMod(tables.Lift(b[0][k]), tables.Prime);
            quotient[k] = PrimeNumbers.MulMod(tables.Lift(a[0][k]), inverse, tables.Prime);
        }

        P.Kernel.Inverse(tables, quotient);
        return [.. quotient.Select(x => (long)tables.Centred(tables.Lift(x)))];
    }
}
