using System.Numerics;
using FsCheck;
using FsCheck.Fluent;
using VertFed.Psi.Group;
using Xunit;

namespace VertFed.UnitTests.Psi;

/// <summary>Field arithmetic against big integers, for one lane and, where the processor has AVX2, for four.</summary>
public sealed class FieldTests
{
    private static readonly BigInteger s_p = BigInteger.Pow(2, 255) - 19;

    private static readonly byte[][] s_edges =
    [
        Bytes(0), Bytes(1), Bytes(2), Bytes(18), Bytes(19), Bytes(s_p - 1), Bytes(s_p), Bytes(s_p + 1),
        Bytes(BigInteger.Pow(2, 255) - 1), Bytes(BigInteger.Pow(2, 255) - 20), Bytes(BigInteger.Pow(2, 204) - 1),
        Bytes(s_p / 2), Bytes((s_p / 2) + 1), Bytes(BigInteger.Pow(2, 254) - 1),
    ];

    private static Arbitrary<byte[]> Encodings => Gen.OneOf(
        Gen.Choose(0, 255).Select(v => (byte)v).ArrayOf(32),
        Gen.Elements(s_edges)).ToArbitrary();

    [Fact]
    public void Encoding_is_canonical() => Check((a, b) =>
        FieldElement.FromBytes(a) is var x && Value(x) == Reduced(a) && Value(FieldElement.FromBytes(b)) == Reduced(b));

    [Fact]
    public void One_lane_agrees_with_big_integers() => Check(Agrees<FieldElement>);

    [SkippableFact]
    public void Four_lanes_agree_with_big_integers()
    {
        Skip.IfNot(FieldElementX4.IsSupported, "This processor has no AVX2.");
        Check(Agrees<FieldElementX4>);
    }

    [Fact]
    public void One_lane_holds_the_largest_unreduced_operands() => Check(Unreduced<FieldElement>);

    [SkippableFact]
    public void Four_lanes_hold_the_largest_unreduced_operands()
    {
        Skip.IfNot(FieldElementX4.IsSupported, "This processor has no AVX2.");
        Check(Unreduced<FieldElementX4>);
    }

    [Fact]
    public void Square_roots_and_inverses_in_one_lane() => Check(Roots<FieldElement>, 50);

    [SkippableFact]
    public void Square_roots_and_inverses_in_four_lanes()
    {
        Skip.IfNot(FieldElementX4.IsSupported, "This processor has no AVX2.");
        Check(Roots<FieldElementX4>, 50);
    }

    [Fact]
    public void Constants_are_those_of_the_curve()
    {
        BigInteger d = Mod(-121665 * BigInteger.ModPow(121666, s_p - 2, s_p));
        BigInteger i = Value(CurveConstants<FieldElement>.SqrtMinusOne);
        BigInteger ad = Value(CurveConstants<FieldElement>.SqrtAdMinusOne);
        BigInteger inv = Value(CurveConstants<FieldElement>.InvSqrtAMinusD);
        Assert.Equal(d, Value(CurveConstants<FieldElement>.D));
        Assert.Equal(Mod(2 * d), Value(CurveConstants<FieldElement>.TwiceD));
        Assert.Equal(s_p - 1, Mod(i * i));
        Assert.Equal(Mod(-d - 1), Mod(ad * ad));
        Assert.Equal(BigInteger.One, Mod(inv * inv * (-1 - d)));
        Assert.Equal(Mod(1 - (d * d)), Value(CurveConstants<FieldElement>.OneMinusDSquared));
        Assert.Equal(Mod((d - 1) * (d - 1)), Value(CurveConstants<FieldElement>.DMinusOneSquared));
    }

    private static bool Agrees<F>(byte[] left, byte[] right)
        where F : unmanaged, ILaneField<F>
    {
        F a = Lanes<F>(left);
        F b = Lanes<F>(right);
        bool good = true;
        F.Add(a, b, out F sum);
        F.Sub(a, b, out F difference);
        F.Mul(a, b, out F product);
        F.Square(a, out F square);
        F.Reduce(difference, out F reduced);
        for (int lane = 0; lane < F.Lanes; lane++)
        {
            BigInteger x = Value(F.GetLane(a, lane));
            BigInteger y = Value(F.GetLane(b, lane));
            good &= x == Reduced(Variant(left, lane)) && y == Reduced(Variant(right, lane));
            good &= Value(F.GetLane(sum, lane)) == Mod(x + y);
            good &= Value(F.GetLane(difference, lane)) == Mod(x - y);
            good &= Value(F.GetLane(product, lane)) == Mod(x * y);
            good &= Value(F.GetLane(square, lane)) == Mod(x * x);
            good &= Value(F.GetLane(reduced, lane)) == Mod(x - y);
            good &= ((FieldPowers.Zero(a) >> lane) & 1) == (x.IsZero ? 1u : 0u);
            good &= ((FieldPowers.Negative(a) >> lane) & 1) == (x.IsEven ? 0u : 1u);
        }

        return good;
    }

    private static bool Unreduced<F>(byte[] left, byte[] right)
        where F : unmanaged, ILaneField<F>
    {
        // wide = 2a + (2p − b) + (2p − a), the widest that the formulas make; loose = a + (2p − b).
        F a = Lanes<F>(left);
        F b = Lanes<F>(right);
        F.Add(a, a, out F wide);
        F.Sub(wide, b, out wide);
        F.Sub(a, b, out F loose);
        F.Mul(wide, loose, out F product);
        F.Square(loose, out F square);
        F.Add(loose, a, out F wider);
        F.Add(wider, a, out wider);
        F.Reduce(wider, out F reduced);
        bool good = true;
        for (int lane = 0; lane < F.Lanes; lane++)
        {
            BigInteger x = Value(F.GetLane(a, lane));
            BigInteger y = Value(F.GetLane(b, lane));
            good &= Value(F.GetLane(product, lane)) == Mod(((2 * x) - y) * (x - y));
            good &= Value(F.GetLane(square, lane)) == Mod((x - y) * (x - y));
            good &= Value(F.GetLane(reduced, lane)) == Mod((3 * x) - y);
        }

        return good;
    }

    private static bool Roots<F>(byte[] left, byte[] right)
        where F : unmanaged, ILaneField<F>
    {
        F u = Lanes<F>(left);
        F v = Lanes<F>(right);
        BigInteger i = Value(CurveConstants<FieldElement>.SqrtMinusOne);
        uint squares = FieldPowers.SqrtRatio(u, v, out F root);
        FieldPowers.Invert(u, out F inverse);
        bool good = true;
        for (int lane = 0; lane < F.Lanes; lane++)
        {
            BigInteger x = Value(F.GetLane(u, lane));
            BigInteger y = Value(F.GetLane(v, lane));
            BigInteger r = Value(F.GetLane(root, lane));
            bool square = ((squares >> lane) & 1) == 1;
            BigInteger euler = BigInteger.ModPow(x * y, (s_p - 1) / 2, s_p);
            // By section 3.1.3: 0/v is a square with root 0; u/0 is none and has root 0 as well.
            good &= square == (x.IsZero || (!y.IsZero && euler.IsOne));
            good &= r.IsEven && (y.IsZero ? r.IsZero : Mod(r * r * y) == (square ? x : Mod(i * x)));
            good &= Value(F.GetLane(inverse, lane)) == BigInteger.ModPow(x, s_p - 2, s_p);
        }

        return good;
    }

    /// <summary>Different values in the lanes: the bytes rotated by the lane's number.</summary>
    private static F Lanes<F>(byte[] bytes)
        where F : unmanaged, ILaneField<F>
    {
        F r = CurveConstants<F>.Zero;
        for (int lane = 0; lane < F.Lanes; lane++)
        {
            F.SetLane(ref r, lane, FieldElement.FromBytes(Variant(bytes, lane)));
        }

        return r;
    }

    private static byte[] Variant(byte[] bytes, int lane) => [.. bytes[lane..], .. bytes[..lane]];

    private static void Check(Func<byte[], byte[], bool> property, int tests = 300) =>
        Prop.ForAll(Encodings, Encodings, property).Check(Config.QuickThrowOnFailure.WithMaxTest(tests));

    private static BigInteger Mod(BigInteger value) => ((value % s_p) + s_p) % s_p;

    private static BigInteger Reduced(byte[] bytes)
    {
        byte[] copy = [.. bytes];
        copy[31] &= 0x7f;
        return Mod(new BigInteger(copy, isUnsigned: true));
    }

    private static BigInteger Value(FieldElement a)
    {
        byte[] bytes = new byte[32];
        a.ToBytes(bytes);
        BigInteger value = new(bytes, isUnsigned: true);
        Assert.True(value < s_p);
        return value;
    }

    private static byte[] Bytes(BigInteger value)
    {
        byte[] bytes = new byte[32];
        value.TryWriteBytes(bytes, out _, isUnsigned: true);
        return bytes;
    }
}
