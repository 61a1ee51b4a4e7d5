using System.Runtime.CompilerServices;

namespace VertFed.Psi.Group;

/// <summary>A point of edwards25519 in extended coordinates: x = X/Z, y = Y/Z, XY = ZT; every coordinate is tight.</summary>
internal struct EdwardsPoint<F>
    where F : unmanaged, ILaneField<F>
{
    public F X;
    public F Y;
    public F Z;
    public F T;

    public static EdwardsPoint<F> Identity => new()
    {
        X = CurveConstants<F>.Zero,
        Y = CurveConstants<F>.One,
        Z = CurveConstants<F>.One,
        T = CurveConstants<F>.Zero,
    };
}

/// <summary>A point as an addend: Y + X, Y − X, 2Z and 2dT; every coordinate is tight.</summary>
internal struct EdwardsAddend<F>
    where F : unmanaged, ILaneField<F>
{
    public F YPlusX;
    public F YMinusX;
    public F TwiceZ;
    public F TwiceDT;
}

/// <summary>
/// A doubled point before its last products: X = E·F, Y = G·H, Z = F·G, T = E·H. Batched encoding needs the factors.
/// E is wide, G and H are loose, F is tight.
/// </summary>
internal struct DoubledPoint<F>
    where F : unmanaged, ILaneField<F>
{
    public F E;
    public F FactorF;
    public F G;
    public F H;
}

/// <summary>
/// The group law of edwards25519, −x² + y² = 1 + d·x²·y², complete for all points: Hisil, Wong, Carter, Dawson, "Twisted
/// Edwards Curves Revisited" (2008), sections 3.1 (unified addition) and 3.3 (doubling), a = −1.
/// </summary>
internal static class Edwards
{
    /// <summary>The factors of 2P. Uses X, Y and Z of the input only.</summary>
    public static void Double<F>(in EdwardsPoint<F> p, out DoubledPoint<F> r)
        where F : unmanaged, ILaneField<F>
    {
        Unsafe.SkipInit(out r);
        F.Square(p.X, out F a);
        F.Square(p.Y, out F b);
        F.Square(p.Z, out F c);
        F.Add(c, c, out c);
        F.Add(p.X, p.Y, out F s);
        F.Square(s, out s);
        F.Add(a, b, out r.H);
        F.Sub(r.H, s, out r.E);
        F.Sub(a, b, out r.G);
        F.Add(c, r.G, out r.FactorF);
        F.Reduce(r.FactorF, out r.FactorF);
    }

    /// <summary>Multiplies out X, Y and Z; T is left as it is, which is enough before another doubling.</summary>
    public static void CompleteWithoutT<F>(in DoubledPoint<F> d, ref EdwardsPoint<F> r)
        where F : unmanaged, ILaneField<F>
    {
        F.Mul(d.E, d.FactorF, out r.X);
        F.Mul(d.G, d.H, out r.Y);
        F.Mul(d.FactorF, d.G, out r.Z);
    }

    /// <summary>Multiplies out all four coordinates.</summary>
    public static void Complete<F>(in DoubledPoint<F> d, ref EdwardsPoint<F> r)
        where F : unmanaged, ILaneField<F>
    {
        CompleteWithoutT(d, ref r);
        F.Mul(d.E, d.H, out r.T);
    }

    /// <summary>P + Q.</summary>
    public static void Add<F>(in EdwardsPoint<F> p, in EdwardsAddend<F> q, out EdwardsPoint<F> r)
        where F : unmanaged, ILaneField<F>
    {
        F.Sub(p.Y, p.X, out F a);
        F.Mul(a, q.YMinusX, out a);
        F.Add(p.Y, p.X, out F b);
        F.Mul(b, q.YPlusX, out b);
        F.Mul(p.T, q.TwiceDT, out F c);
        F.Mul(p.Z, q.TwiceZ, out F d);
        F.Sub(b, a, out F e);
        F.Sub(d, c, out F f);
        F.Add(d, c, out F g);
        F.Add(b, a, out F h);
        Unsafe.SkipInit(out r);
        F.Mul(e, f, out r.X);
        F.Mul(g, h, out r.Y);
        F.Mul(f, g, out r.Z);
        F.Mul(e, h, out r.T);
    }

    public static void ToAddend<F>(in EdwardsPoint<F> p, out EdwardsAddend<F> r)
        where F : unmanaged, ILaneField<F>
    {
        Unsafe.SkipInit(out r);
        F.Add(p.Y, p.X, out r.YPlusX);
        F.Reduce(r.YPlusX, out r.YPlusX);
        F.Sub(p.Y, p.X, out r.YMinusX);
        F.Reduce(r.YMinusX, out r.YMinusX);
        F.Add(p.Z, p.Z, out r.TwiceZ);
        F.Reduce(r.TwiceZ, out r.TwiceZ);
        F.Mul(p.T, CurveConstants<F>.TwiceD, out r.TwiceDT);
    }

    /// <summary>Negates the addend if the mask is all ones: swaps Y + X with Y − X and negates 2dT.</summary>
    public static void NegateIf<F>(ref EdwardsAddend<F> q, ulong mask)
        where F : unmanaged, ILaneField<F>
    {
        uint lanes = (uint)mask;
        F plus = q.YPlusX;
        F.Assign(ref q.YPlusX, q.YMinusX, lanes);
        F.Assign(ref q.YMinusX, plus, lanes);
        F.Sub(CurveConstants<F>.Zero, q.TwiceDT, out F negated);
        F.Reduce(negated, out negated);
        F.Assign(ref q.TwiceDT, negated, lanes);
    }
}
