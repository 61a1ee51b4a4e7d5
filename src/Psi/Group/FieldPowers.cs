using System.Runtime.CompilerServices;

namespace VertFed.Psi.Group;

/// <summary>Powers, signs and square roots modulo 2^255 − 19, in every lane at once.</summary>
internal static class FieldPowers
{
    /// <summary>The lanes whose value is zero.</summary>
    public static uint Zero<F>(in F a)
        where F : unmanaged, ILaneField<F>
    {
        uint lanes = 0;
        for (int i = 0; i < F.Lanes; i++)
        {
            lanes |= F.GetLane(a, i).Zero() << i;
        }

        return lanes;
    }

    /// <summary>The lanes whose value is odd ("negative").</summary>
    public static uint Negative<F>(in F a)
        where F : unmanaged, ILaneField<F>
    {
        uint lanes = 0;
        for (int i = 0; i < F.Lanes; i++)
        {
            lanes |= F.GetLane(a, i).Negative() << i;
        }

        return lanes;
    }

    /// <summary>The lanes in which a = b; both tight.</summary>
    public static uint Equal<F>(in F a, in F b)
        where F : unmanaged, ILaneField<F>
    {
        F.Sub(a, b, out F difference);
        return Zero(difference);
    }

    /// <summary>r = −r in the given lanes; tight in, tight out.</summary>
    public static void NegateIf<F>(ref F r, uint lanes)
        where F : unmanaged, ILaneField<F>
    {
        F.Sub(CurveConstants<F>.Zero, r, out F negated);
        F.Reduce(negated, out negated);
        F.Assign(ref r, negated, lanes);
    }

    /// <summary>The one of r and −r that is even.</summary>
    public static void Absolute<F>(ref F r)
        where F : unmanaged, ILaneField<F> => NegateIf(ref r, Negative(r));

    /// <summary>1/a = a^(p−2), and 0 for 0.</summary>
    public static void Invert<F>(in F a, out F r)
        where F : unmanaged, ILaneField<F>
    {
        F input = a;
        Ladder(input, out F a11, out F e250);
        // p − 2 = 2^255 − 21 = (2^250 − 1)·2^5 + 11.
        SquareTimes(e250, 5, out F t);
        F.Mul(t, a11, out r);
    }

    /// <summary>
    /// SQRT_RATIO_M1 of RFC 9496, section 3.1.3: the non-negative square root of u/v, or of i·u/v where u/v is no square
    /// (i = sqrt(−1)). Returns the lanes in which u/v is a square; u and v are tight.
    /// </summary>
    public static uint SqrtRatio<F>(in F u, in F v, out F r)
        where F : unmanaged, ILaneField<F>
    {
        F uCopy = u;
        F.Square(v, out F v3);
        F.Mul(v3, v, out v3);
        F.Square(v3, out F v7);
        F.Mul(v7, v, out v7);
        F.Mul(uCopy, v7, out F t);
        // (p − 5)/8 = 2^252 − 3 = (2^250 − 1)·2^2 + 1.
        Ladder(t, out _, out F power);
        SquareTimes(power, 2, out power);
        F.Mul(power, t, out power);
        F.Mul(uCopy, v3, out F root);
        F.Mul(root, power, out root);

        F.Square(root, out F check);
        F.Mul(check, v, out check);
        F.Sub(CurveConstants<F>.Zero, uCopy, out F minusU);
        F.Reduce(minusU, out minusU);
        F.Mul(minusU, CurveConstants<F>.SqrtMinusOne, out F minusUi);
        uint correct = Equal(check, uCopy);
        uint flipped = Equal(check, minusU);
        uint flippedI = Equal(check, minusUi);
        F.Mul(root, CurveConstants<F>.SqrtMinusOne, out F rotated);
        F.Assign(ref root, rotated, flipped | flippedI);
        Absolute(ref root);
        r = root;
        return correct | flipped;
    }

    private static void SquareTimes<F>(in F a, int times, out F r)
        where F : unmanaged, ILaneField<F>
    {
        F.Square(a, out r);
        for (int i = 1; i < times; i++)
        {
            F.Square(r, out r);
        }
    }

    /// <summary>a^11 and a^(2^250 − 1), by doubling the length of the run of ones in the exponent.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Ladder<F>(in F a, out F a11, out F e250)
        where F : unmanaged, ILaneField<F>
    {
        F.Square(a, out F a2);
        SquareTimes(a2, 2, out F t);
        F.Mul(t, a, out F a9);
        F.Mul(a9, a2, out a11);
        F.Square(a11, out t);
        F.Mul(t, a9, out F e5);
        SquareTimes(e5, 5, out t);
        F.Mul(t, e5, out F e10);
        SquareTimes(e10, 10, out t);
        F.Mul(t, e10, out F e20);
        SquareTimes(e20, 20, out t);
        F.Mul(t, e20, out F e40);
        SquareTimes(e40, 10, out t);
        F.Mul(t, e10, out F e50);
        SquareTimes(e50, 50, out t);
        F.Mul(t, e50, out F e100);
        SquareTimes(e100, 100, out t);
        F.Mul(t, e100, out F e200);
        SquareTimes(e200, 50, out t);
        F.Mul(t, e50, out e250);
    }
}
