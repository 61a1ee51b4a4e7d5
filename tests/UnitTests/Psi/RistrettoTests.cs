using System.Numerics;
using System.Text;
using Org.BouncyCastle.Math.EC.Rfc7748;
using VertFed.Primitives;
using VertFed.Psi.Group;
using Xunit;

namespace VertFed.UnitTests.Psi;

/// <summary>The group against its RFCs' vectors, its own algebra, and another implementation of the curve.</summary>
public sealed class RistrettoTests
{
    [Fact]
    public void Multiples_of_the_generator()
    {
        byte[] generator = Hex(RistrettoVectors.Multiples[0]);
        for (int i = 0; i < RistrettoVectors.Multiples.Length; i++)
        {
            using Scalar k = SmallScalar(i + 1);
            Assert.Equal(RistrettoVectors.Multiples[i], Evaluate(generator, k));
        }
    }

    [Fact]
    public void Elements_derived_from_uniform_bytes()
    {
        using Scalar one = SmallScalar(1);
        foreach ((string uniform, string element) in RistrettoVectors.Derived)
        {
            Assert.Equal(element, Derive(Hex(uniform), one));
        }
    }

    [Fact]
    public void Bad_encodings_are_refused_in_every_place()
    {
        byte[] good = Hex(string.Concat(RistrettoVectors.Multiples[..9]));
        Assert.Equal(-1, RistrettoBatch.FindInvalid(good));
        using Scalar one = SmallScalar(1);
        foreach (string invalid in RistrettoVectors.Invalid)
        {
            for (int place = 0; place < 9; place++)
            {
                byte[] elements = [.. good];
                Hex(invalid).CopyTo(elements, place * 32);
                Assert.Equal(place, RistrettoBatch.FindInvalid(elements));
                Assert.Equal(place, RistrettoBatch.DecodeAndMultiply(elements, one, new byte[elements.Length]));
                Assert.Equal(place, LaneBatch<FieldElement>.FindInvalid(elements));
            }
        }
    }

    [Fact]
    public void The_identity_is_refused()
    {
        Assert.Equal(0, RistrettoBatch.FindInvalid(new byte[32]));
        Assert.Equal(0, LaneBatch<FieldElement>.FindInvalid(new byte[32]));
    }

    [Fact]
    public void Blinding_and_evaluation_of_the_oprf_vectors()
    {
        foreach ((string tag, string input, string blind, string blinded, string? key, string? evaluated) in RistrettoVectors.Oprf)
        {
            byte[] uniform = new byte[64];
            ExpandMessageXmd.Expand(Hex(input), Hex(tag), uniform);
            using Scalar k = Scalar.FromBytes(Hex(blind));
            Assert.Equal(blinded, Derive(uniform, k));
            if (key is not null)
            {
                using Scalar secret = Scalar.FromBytes(Hex(key));
                Assert.Equal(evaluated, Evaluate(Hex(blinded), secret));
            }
        }
    }

    [Fact]
    public void Expand_message_vectors()
    {
        byte[] tag = Encoding.ASCII.GetBytes("QUUX-V01-CS02-with-expander-SHA512-256");
        foreach ((string message, string expected) in RistrettoVectors.ExpandMessage)
        {
            byte[] uniform = new byte[expected.Length / 2];
            ExpandMessageXmd.Expand(Encoding.ASCII.GetBytes(message), tag, uniform);
            Assert.Equal(expected, Convert.ToHexStringLower(uniform));
        }
    }

    [Fact]
    public void Expand_message_refuses_tags_and_lengths_out_of_bounds()
    {
        Assert.Throws<ArgumentException>(() => ExpandMessageXmd.Expand([], [], new byte[32]));
        Assert.Throws<ArgumentException>(() => ExpandMessageXmd.Expand([], new byte[256], new byte[32]));
        Assert.Throws<ArgumentException>(() => ExpandMessageXmd.Expand([], new byte[1], new byte[(255 * 64) + 1]));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(129)]
    [InlineData(301)]
    public void Batches_of_any_size_give_what_single_elements_give(int count)
    {
        using RandomStream stream = new(new byte[32]);
        byte[] uniform = new byte[count * 64];
        stream.Fill(uniform);
        using Scalar k = Scalar.Random(stream);
        byte[] blinded = new byte[count * 32];
        byte[] evaluated = new byte[count * 32];
        byte[] oneLane = new byte[count * 32];
        RistrettoBatch.DeriveAndMultiply(uniform, k, blinded);
        LaneBatch<FieldElement>.DeriveAndMultiply(uniform, k, oneLane);
        Assert.Equal(oneLane, blinded);
        Assert.Equal(-1, RistrettoBatch.DecodeAndMultiply(blinded, k, evaluated));
        Assert.Equal(-1, LaneBatch<FieldElement>.DecodeAndMultiply(blinded, k, oneLane));
        Assert.Equal(oneLane, evaluated);
        foreach (int i in new[] { 0, count / 2, count - 1 })
        {
            Assert.Equal(Derive(uniform[(64 * i)..(64 * (i + 1))], k), Convert.ToHexStringLower(blinded, 32 * i, 32));
            Assert.Equal(Evaluate(blinded[(32 * i)..(32 * (i + 1))], k), Convert.ToHexStringLower(evaluated, 32 * i, 32));
        }
    }

    [Fact]
    public void The_batched_encoding_is_the_plain_one()
    {
        using RandomStream stream = new(new byte[32]);
        byte[] uniform = new byte[64];
        byte[] bytes = new byte[32];
        using Scalar two = SmallScalar(2);
        for (int i = 0; i < 200; i++)
        {
            stream.Fill(uniform);
            RistrettoFormulas.Map(FieldElement.FromBytes(uniform), out EdwardsPoint<FieldElement> a);
            RistrettoFormulas.Map(FieldElement.FromBytes(uniform.AsSpan(32)), out EdwardsPoint<FieldElement> b);
            Edwards.ToAddend(b, out EdwardsAddend<FieldElement> addend);
            Edwards.Add(a, addend, out EdwardsPoint<FieldElement> sum);
            Edwards.ToAddend(sum, out addend);
            Edwards.Add(sum, addend, out EdwardsPoint<FieldElement> twice);
            RistrettoFormulas.Encode(twice, out FieldElement s);
            s.ToBytes(bytes);
            Assert.Equal(Convert.ToHexStringLower(bytes), Derive(uniform, two));
        }
    }

    [Fact]
    public void The_identity_among_others_does_not_spoil_the_shared_inversion()
    {
        // MAP(t) is the identity where v = 0, as for t² = i·D, which is a square since neither i nor D is one.
        FieldElement.Mul(CurveConstants<FieldElement>.SqrtMinusOne, CurveConstants<FieldElement>.D, out FieldElement radicand);
        Assert.Equal(1u, FieldPowers.SqrtRatio(radicand, CurveConstants<FieldElement>.One, out FieldElement t) & 1);
        byte[] identity = new byte[64];
        t.ToBytes(identity);
        t.ToBytes(identity.AsSpan(32));
        using RandomStream stream = new(new byte[32]);
        byte[] uniform = new byte[5 * 64];
        stream.Fill(uniform);
        using Scalar k = Scalar.Random(stream);
        byte[] expected = new byte[5 * 32];
        RistrettoBatch.DeriveAndMultiply(uniform, k, expected);
        identity.CopyTo(uniform, 2 * 64);
        byte[] actual = new byte[5 * 32];
        RistrettoBatch.DeriveAndMultiply(uniform, k, actual);
        byte[] oneLane = new byte[5 * 32];
        LaneBatch<FieldElement>.DeriveAndMultiply(uniform, k, oneLane);
        Assert.Equal(oneLane, actual);
        for (int i = 0; i < 5; i++)
        {
            string want = i == 2 ? new string('0', 64) : Convert.ToHexStringLower(expected, 32 * i, 32);
            Assert.Equal(want, Convert.ToHexStringLower(actual, 32 * i, 32));
        }
    }

    [Fact]
    public void Exponents_commute()
    {
        using RandomStream stream = new(new byte[32]);
        byte[] uniform = new byte[64];
        for (int i = 0; i < 50; i++)
        {
            stream.Fill(uniform);
            using Scalar a = Scalar.Random(stream);
            using Scalar b = Scalar.Random(stream);
            string ab = Evaluate(Hex(Derive(uniform, a)), b);
            string ba = Evaluate(Hex(Derive(uniform, b)), a);
            Assert.Equal(ab, ba);
        }
    }

    [Fact]
    public void Multiplication_agrees_with_another_implementation_of_the_curve()
    {
        // X25519 works on the Montgomery form: u = (1 + y)/(1 − y). It clamps, so take scalars that are clamped already;
        // modulo l they are ours, since the generator has order l.
        BigInteger order = BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493");
        using RandomStream stream = new(new byte[32]);
        byte[] clamped = new byte[32];
        byte[] theirs = new byte[32];
        byte[] ours = new byte[32];
        EdwardsPoint<FieldElement> generator = Ed25519Generator();
        for (int i = 0; i < 50; i++)
        {
            stream.Fill(clamped);
            clamped[0] &= 248;
            clamped[31] = (byte)((clamped[31] & 127) | 64);
            X25519.ScalarMultBase(clamped, 0, theirs, 0);
            byte[] reduced = new byte[32];
            (new BigInteger(clamped, isUnsigned: true) % order).TryWriteBytes(reduced, out _, isUnsigned: true);
            using Scalar k = Scalar.FromBytes(reduced);
            ScalarMultiplication.Multiply(k.HalfDigits, generator, out EdwardsPoint<FieldElement> p);
            Edwards.Double(p, out DoubledPoint<FieldElement> d);
            Edwards.Complete(d, ref p);
            FieldElement.Add(p.Z, p.Y, out FieldElement above);
            FieldElement.Sub(p.Z, p.Y, out FieldElement below);
            FieldPowers.Invert(below, out below);
            FieldElement.Mul(above, below, out FieldElement u);
            u.ToBytes(ours);
            Assert.Equal(theirs, ours);
        }
    }

    [Fact]
    public void Lengths_that_do_not_fit_are_refused()
    {
        using Scalar k = SmallScalar(1);
        Assert.Throws<ArgumentException>(() => RistrettoBatch.DeriveAndMultiply(new byte[65], k, new byte[32]));
        Assert.Throws<ArgumentException>(() => RistrettoBatch.DeriveAndMultiply(new byte[64], k, new byte[64]));
        Assert.Throws<ArgumentException>(() => RistrettoBatch.DecodeAndMultiply(new byte[31], k, new byte[31]));
        Assert.Throws<ArgumentException>(() => RistrettoBatch.DecodeAndMultiply(new byte[32], k, new byte[64]));
        Assert.Throws<ArgumentException>(() => RistrettoBatch.FindInvalid(new byte[33]));
    }

    internal static byte[] Hex(string hex) => Convert.FromHexString(hex);

    /// <summary>y = 4/5, x even: RFC 8032, section 5.1. The generator of RFC 9496 is another point of its coset.</summary>
    private static EdwardsPoint<FieldElement> Ed25519Generator()
    {
        EdwardsPoint<FieldElement> p = EdwardsPoint<FieldElement>.Identity;
        FieldPowers.Invert(new FieldElement(5), out FieldElement fifth);
        FieldElement.Mul(new FieldElement(4), fifth, out p.Y);
        FieldElement.Square(p.Y, out FieldElement yy);
        FieldElement.Sub(yy, CurveConstants<FieldElement>.One, out FieldElement u);
        FieldElement.Reduce(u, out u);
        FieldElement.Mul(yy, CurveConstants<FieldElement>.D, out FieldElement v);
        FieldElement.Add(v, CurveConstants<FieldElement>.One, out v);
        FieldElement.Reduce(v, out v);
        Assert.Equal(1u, FieldPowers.SqrtRatio(u, v, out p.X) & 1);
        FieldElement.Mul(p.X, p.Y, out p.T);
        return p;
    }

    private static Scalar SmallScalar(int value)
    {
        byte[] bytes = new byte[32];
        bytes[0] = (byte)value;
        return Scalar.FromBytes(bytes);
    }

    private static string Derive(byte[] uniform, Scalar k)
    {
        byte[] element = new byte[32];
        RistrettoBatch.DeriveAndMultiply(uniform, k, element);
        return Convert.ToHexStringLower(element);
    }

    private static string Evaluate(byte[] element, Scalar k)
    {
        byte[] result = new byte[32];
        Assert.Equal(-1, RistrettoBatch.DecodeAndMultiply(element, k, result));
        return Convert.ToHexStringLower(result);
    }
}
