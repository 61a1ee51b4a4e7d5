using System.Runtime.CompilerServices;

namespace VertFed.Psi.Group;

/// <summary>ristretto255 over edwards25519, RFC 9496, section 4.3, in every lane at once.</summary>
internal static class RistrettoFormulas
{
    /// <summary>
    /// Section 4.3.1 from step 2 on. Takes s, canonical and non-negative; returns the lanes in which s is the encoding of an
    /// element. In the others the point is meaningless.
    /// </summary>
    public static uint Decode<F>(in F s, out EdwardsPoint<F> p)
        where F : unmanaged, ILaneField<F>
    {
        F.Square(s, out F ss);
        F.Sub(CurveConstants<F>.One, ss, out F u1);
        F.Add(CurveConstants<F>.One, ss, out F u2);
        F.Square(u2, out F u2Squared);
        // v = −(D·u1²) − u2²
        F.Square(u1, out F v);
        F.Mul(v, CurveConstants<F>.D, out v);
        F.Add(v, u2Squared, out v);
        F.Reduce(v, out v);
        F.Sub(CurveConstants<F>.Zero, v, out v);
        F.Reduce(v, out v);
        F.Mul(v, u2Squared, out F radicand);
        uint valid = FieldPowers.SqrtRatio(CurveConstants<F>.One, radicand, out F invSqrt);
        F.Mul(u2, invSqrt, out F denX);
        F.Mul(invSqrt, denX, out F denY);
        F.Mul(denY, v, out denY);

        Unsafe.SkipInit(out p);
        F.Add(s, s, out F x);
        F.Mul(x, denX, out x);
        FieldPowers.Absolute(ref x);
        p.X = x;
        F.Mul(u1, denY, out p.Y);
        p.Z = CurveConstants<F>.One;
        F.Mul(p.X, p.Y, out p.T);
        return valid & ~FieldPowers.Negative(p.T) & ~FieldPowers.Zero(p.Y);
    }

    /// <summary>Section 4.3.2: the field element s whose canonical bytes are the encoding.</summary>
    public static void Encode<F>(in EdwardsPoint<F> p, out F s)
        where F : unmanaged, ILaneField<F>
    {
        U1U2(p, out F u1, out F u2);
        F.Square(u2, out F radicand);
        F.Mul(radicand, u1, out radicand);
        // The radicand is a square by construction, or zero for the identity, where the root is zero and so is s.
        _ = FieldPowers.SqrtRatio(CurveConstants<F>.One, radicand, out F invSqrt);
        EncodeWithRoot(p, u1, u2, invSqrt, out s);
    }

    /// <summary>
    /// What has to be inverted to encode 2P without a square root. With X = EF, Y = GH, Z = FG the radicand u1·u2² of the
    /// encoding is (Z² − Y²)·(XY)² = G²(F² − H²)·(XY)². From the curve equation F = Z² − dT², G = −(Z² + dT²) and
    /// H² = G² + E² (all of P), so F² − H² = −4dZ²T² − E² = (a − d)·E², and
    /// 1/sqrt(u1·u2²) = ± (1/sqrt(a − d)) / (E·G·X·Y). The sign does not reach s.
    /// </summary>
    public static void EncodingDenominator<F>(in DoubledPoint<F> d, in EdwardsPoint<F> p, out F r)
        where F : unmanaged, ILaneField<F>
    {
        F.Mul(d.E, d.G, out F eg);
        F.Mul(p.X, p.Y, out F xy);
        F.Mul(eg, xy, out r);
    }

    /// <summary>The encoding of a doubled point, given 1/(E·G·X·Y), or 0 where that denominator is zero.</summary>
    public static void EncodeDoubled<F>(in EdwardsPoint<F> p, in F inverse, out F s)
        where F : unmanaged, ILaneField<F>
    {
        U1U2(p, out F u1, out F u2);
        F.Mul(inverse, CurveConstants<F>.InvSqrtAMinusD, out F invSqrt);
        EncodeWithRoot(p, u1, u2, invSqrt, out s);
    }

    /// <summary>MAP of section 4.3.4: t, tight, to a point.</summary>
    public static void Map<F>(in F t, out EdwardsPoint<F> p)
        where F : unmanaged, ILaneField<F>
    {
        F.Square(t, out F r);
        F.Mul(r, CurveConstants<F>.SqrtMinusOne, out r);
        F.Add(r, CurveConstants<F>.One, out F u);
        F.Mul(u, CurveConstants<F>.OneMinusDSquared, out u);
        // v = (−1 − r·D)·(r + D)
        F.Mul(r, CurveConstants<F>.D, out F rd);
        F.Sub(CurveConstants<F>.MinusOne, rd, out rd);
        F.Add(r, CurveConstants<F>.D, out F v);
        F.Mul(rd, v, out v);
        uint square = FieldPowers.SqrtRatio(u, v, out F s);
        // Where u/v is no square: s = −|s·t| and c = r instead of −1.
        F.Mul(s, t, out F other);
        FieldPowers.NegateIf(ref other, ~FieldPowers.Negative(other));
        F.Assign(ref s, other, ~square);
        F c = CurveConstants<F>.MinusOne;
        F.Assign(ref c, r, ~square);
        // N = c·(r − 1)·(D − 1)² − v
        F.Sub(r, CurveConstants<F>.One, out F n);
        F.Mul(n, c, out n);
        F.Mul(n, CurveConstants<F>.DMinusOneSquared, out n);
        F.Sub(n, v, out n);

        F.Mul(s, v, out F w0);
        F.Add(w0, w0, out w0);
        F.Mul(n, CurveConstants<F>.SqrtAdMinusOne, out F w1);
        F.Square(s, out F ss);
        F.Sub(CurveConstants<F>.One, ss, out F w2);
        F.Add(CurveConstants<F>.One, ss, out F w3);
        Unsafe.SkipInit(out p);
        F.Mul(w0, w3, out p.X);
        F.Mul(w2, w1, out p.Y);
        F.Mul(w1, w3, out p.Z);
        F.Mul(w0, w2, out p.T);
    }

    private static void U1U2<F>(in EdwardsPoint<F> p, out F u1, out F u2)
        where F : unmanaged, ILaneField<F>
    {
        F.Add(p.Z, p.Y, out F sum);
        F.Sub(p.Z, p.Y, out F difference);
        F.Mul(sum, difference, out u1);
        F.Mul(p.X, p.Y, out u2);
    }

    private static void EncodeWithRoot<F>(in EdwardsPoint<F> p, in F u1, in F u2, in F invSqrt, out F s)
        where F : unmanaged, ILaneField<F>
    {
        F.Mul(invSqrt, u1, out F den1);
        F.Mul(invSqrt, u2, out F den2);
        F.Mul(den1, den2, out F zInverse);
        F.Mul(zInverse, p.T, out zInverse);

        F.Mul(p.T, zInverse, out F tOverZ);
        uint rotate = FieldPowers.Negative(tOverZ);
        F.Mul(p.X, CurveConstants<F>.SqrtMinusOne, out F ix);
        F.Mul(p.Y, CurveConstants<F>.SqrtMinusOne, out F iy);
        F.Mul(den1, CurveConstants<F>.InvSqrtAMinusD, out F enchanted);
        F x = p.X;
        F y = p.Y;
        F.Assign(ref x, iy, rotate);
        F.Assign(ref y, ix, rotate);
        F.Assign(ref den2, enchanted, rotate);

        F.Mul(x, zInverse, out F xOverZ);
        FieldPowers.NegateIf(ref y, FieldPowers.Negative(xOverZ));
        F.Sub(p.Z, y, out s);
        F.Mul(s, den2, out s);
        FieldPowers.Absolute(ref s);
    }
}
