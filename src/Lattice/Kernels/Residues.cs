using System.Runtime.CompilerServices;

namespace VertFed.Lattice;

/// <summary>
/// Modular arithmetic on integers held in doubles, for odd primes p &lt; 2^50 − 2^20.
/// </summary>
/// <remarks>
/// <para>Product by a constant w, |w| &lt; p/2, with c = fl(w/p): h = fl(x·w); q = x·c rounded to an integer (one rounding, by
/// the fused addition of 1.5·2^52); l = x·w − h exactly (fused); d = h − q·p, exact because it is an integer below 2^53;
/// r = l + d = x·w − q·p, exact for the same reason. For |x| ≤ 4p: |x·c| &lt; 2^51, so the rounding to an integer is the
/// nearest one, the error of c adds |x|·2^-54 to the half, and |r| ≤ p·(1/2 + (|x|/p)/16).</para>
/// <para>Product of two variables |a|, |b| ≤ p: the same with q = h·fl(1/p) rounded, |r| ≤ 3p/4.</para>
/// <para>Reduction of |x| ≤ 8p: |r| ≤ p/2 + 1.</para>
/// <para>So "loose" residues, |x| ≤ p, are what is kept in memory; the unique representative in [0, p) is made where
/// residues leave (serialisation, modulus switching). Every step is an addition, a multiplication or a fused
/// multiply-add: no branch, no table, no division depends on a value.</para>
/// </remarks>
internal static class Residues<TLanes, TVector>
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    /// <summary>1.5·2^52: adding and subtracting it rounds |v| &lt; 2^51 to the nearest integer.</summary>
    internal const double Rounder = 6755399441055744.0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TVector MultiplyConstant(TVector x, TVector w, TVector quotient, TVector minusPrime, TVector rounder)
    {
        TVector h = TLanes.Multiply(x, w);
        TVector q = TLanes.Subtract(TLanes.MultiplyAdd(x, quotient, rounder), rounder);
        TVector l = TLanes.MultiplySubtract(x, w, h);
        return TLanes.Add(l, TLanes.MultiplyAdd(q, minusPrime, h));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TVector MultiplyVariable(TVector a, TVector b, TVector inverse, TVector minusPrime, TVector rounder)
    {
        TVector h = TLanes.Multiply(a, b);
        TVector q = TLanes.Subtract(TLanes.MultiplyAdd(h, inverse, rounder), rounder);
        TVector l = TLanes.MultiplySubtract(a, b, h);
        return TLanes.Add(l, TLanes.MultiplyAdd(q, minusPrime, h));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TVector Reduce(TVector x, TVector inverse, TVector minusPrime, TVector rounder)
    {
        TVector q = TLanes.Subtract(TLanes.MultiplyAdd(x, inverse, rounder), rounder);
        return TLanes.MultiplyAdd(q, minusPrime, x);
    }
}
