using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VertFed.Psi.Group;

/// <summary>
/// Four elements of the field of p = 2^255 − 19 side by side, one a 64-bit lane of AVX2 registers. Each element has ten
/// limbs, alternately of 26 and 25 bits (radix 2^25.5), so that 32 × 32 → 64-bit products add up without overflow.
/// </summary>
/// <remarks>
/// <para>Limb i has weight 2^ceil(25.5·i). Products of two odd limbs weigh double; what passes limb 9 comes back nineteenfold.</para>
/// <para>With even limbs bounded by 2^e (odd ones by half that), a product sums to less than 2^(e1+e2+7). Tight is 2^26 (odd
/// limbs 2^25 + 2^18), loose 1.5·2^27, wide 2^28.4: the largest sum stays below 2^63, and 19 times a loose limb below 2^32.</para>
/// </remarks>
internal struct FieldElementX4 : ILaneField<FieldElementX4>
{
    private const ulong Mask25 = (1UL << 25) - 1;
    private const ulong Mask26 = (1UL << 26) - 1;

    private Vector256<ulong> _l0;
    private Vector256<ulong> _l1;
    private Vector256<ulong> _l2;
    private Vector256<ulong> _l3;
    private Vector256<ulong> _l4;
    private Vector256<ulong> _l5;
    private Vector256<ulong> _l6;
    private Vector256<ulong> _l7;
    private Vector256<ulong> _l8;
    private Vector256<ulong> _l9;

    /// <summary>True where the processor has AVX2; elsewhere <see cref="FieldElement"/> does the same work.</summary>
    public static bool IsSupported => Avx2.IsSupported;

    public static int Lanes => 4;

    private static Vector256<ulong> TwoP0 => Vector256.Create(2 * (Mask26 - 18));

    private static Vector256<ulong> TwoPEven => Vector256.Create(2 * Mask26);

    private static Vector256<ulong> TwoPOdd => Vector256.Create(2 * Mask25);

    public static void Add(in FieldElementX4 a, in FieldElementX4 b, out FieldElementX4 r)
    {
        Unsafe.SkipInit(out r);
        r._l0 = a._l0 + b._l0;
        r._l1 = a._l1 + b._l1;
        r._l2 = a._l2 + b._l2;
        r._l3 = a._l3 + b._l3;
        r._l4 = a._l4 + b._l4;
        r._l5 = a._l5 + b._l5;
        r._l6 = a._l6 + b._l6;
        r._l7 = a._l7 + b._l7;
        r._l8 = a._l8 + b._l8;
        r._l9 = a._l9 + b._l9;
    }

    public static void Sub(in FieldElementX4 a, in FieldElementX4 b, out FieldElementX4 r)
    {
        Unsafe.SkipInit(out r);
        r._l0 = a._l0 + TwoP0 - b._l0;
        r._l1 = a._l1 + TwoPOdd - b._l1;
        r._l2 = a._l2 + TwoPEven - b._l2;
        r._l3 = a._l3 + TwoPOdd - b._l3;
        r._l4 = a._l4 + TwoPEven - b._l4;
        r._l5 = a._l5 + TwoPOdd - b._l5;
        r._l6 = a._l6 + TwoPEven - b._l6;
        r._l7 = a._l7 + TwoPOdd - b._l7;
        r._l8 = a._l8 + TwoPEven - b._l8;
        r._l9 = a._l9 + TwoPOdd - b._l9;
    }

    public static void Mul(in FieldElementX4 a, in FieldElementX4 b, out FieldElementX4 r)
    {
        Vector256<ulong> a0 = a._l0, b0 = b._l0;
        Vector256<ulong> a1 = a._l1, b1 = b._l1;
        Vector256<ulong> a2 = a._l2, b2 = b._l2;
        Vector256<ulong> a3 = a._l3, b3 = b._l3;
        Vector256<ulong> a4 = a._l4, b4 = b._l4;
        Vector256<ulong> a5 = a._l5, b5 = b._l5;
        Vector256<ulong> a6 = a._l6, b6 = b._l6;
        Vector256<ulong> a7 = a._l7, b7 = b._l7;
        Vector256<ulong> a8 = a._l8, b8 = b._l8;
        Vector256<ulong> a9 = a._l9, b9 = b._l9;
        Vector256<ulong> c1 = Times19(b1);
        Vector256<ulong> c2 = Times19(b2);
        Vector256<ulong> c3 = Times19(b3);
        Vector256<ulong> c4 = Times19(b4);
        Vector256<ulong> c5 = Times19(b5);
        Vector256<ulong> c6 = Times19(b6);
        Vector256<ulong> c7 = Times19(b7);
        Vector256<ulong> c8 = Times19(b8);
        Vector256<ulong> c9 = Times19(b9);
        Vector256<ulong> d1 = a1 + a1;
        Vector256<ulong> d3 = a3 + a3;
        Vector256<ulong> d5 = a5 + a5;
        Vector256<ulong> d7 = a7 + a7;
        Vector256<ulong> d9 = a9 + a9;
        Vector256<ulong> z0 = Product(a0, b0) + Product(d1, c9) + Product(a2, c8) + Product(d3, c7) + Product(a4, c6)
            + Product(d5, c5) + Product(a6, c4) + Product(d7, c3) + Product(a8, c2) + Product(d9, c1);
        Vector256<ulong> z1 = Product(a0, b1) + Product(a1, b0) + Product(a2, c9) + Product(a3, c8) + Product(a4, c7)
            + Product(a5, c6) + Product(a6, c5) + Product(a7, c4) + Product(a8, c3) + Product(a9, c2);
        Vector256<ulong> z2 = Product(a0, b2) + Product(d1, b1) + Product(a2, b0) + Product(d3, c9) + Product(a4, c8)
            + Product(d5, c7) + Product(a6, c6) + Product(d7, c5) + Product(a8, c4) + Product(d9, c3);
        Vector256<ulong> z3 = Product(a0, b3) + Product(a1, b2) + Product(a2, b1) + Product(a3, b0) + Product(a4, c9)
            + Product(a5, c8) + Product(a6, c7) + Product(a7, c6) + Product(a8, c5) + Product(a9, c4);
        Vector256<ulong> z4 = Product(a0, b4) + Product(d1, b3) + Product(a2, b2) + Product(d3, b1) + Product(a4, b0)
            + Product(d5, c9) + Product(a6, c8) + Product(d7, c7) + Product(a8, c6) + Product(d9, c5);
        Vector256<ulong> z5 = Product(a0, b5) + Product(a1, b4) + Product(a2, b3) + Product(a3, b2) + Product(a4, b1)
            + Product(a5, b0) + Product(a6, c9) + Product(a7, c8) + Product(a8, c7) + Product(a9, c6);
        Vector256<ulong> z6 = Product(a0, b6) + Product(d1, b5) + Product(a2, b4) + Product(d3, b3) + Product(a4, b2)
            + Product(d5, b1) + Product(a6, b0) + Product(d7, c9) + Product(a8, c8) + Product(d9, c7);
        Vector256<ulong> z7 = Product(a0, b7) + Product(a1, b6) + Product(a2, b5) + Product(a3, b4) + Product(a4, b3)
            + Product(a5, b2) + Product(a6, b1) + Product(a7, b0) + Product(a8, c9) + Product(a9, c8);
        Vector256<ulong> z8 = Product(a0, b8) + Product(d1, b7) + Product(a2, b6) + Product(d3, b5) + Product(a4, b4)
            + Product(d5, b3) + Product(a6, b2) + Product(d7, b1) + Product(a8, b0) + Product(d9, c9);
        Vector256<ulong> z9 = Product(a0, b9) + Product(a1, b8) + Product(a2, b7) + Product(a3, b6) + Product(a4, b5)
            + Product(a5, b4) + Product(a6, b3) + Product(a7, b2) + Product(a8, b1) + Product(a9, b0);
        Carry(z0, z1, z2, z3, z4, z5, z6, z7, z8, z9, out r);
    }

    public static void Square(in FieldElementX4 a, out FieldElementX4 r)
    {
        Vector256<ulong> a0 = a._l0;
        Vector256<ulong> a1 = a._l1;
        Vector256<ulong> a2 = a._l2;
        Vector256<ulong> a3 = a._l3;
        Vector256<ulong> a4 = a._l4;
        Vector256<ulong> a5 = a._l5;
        Vector256<ulong> a6 = a._l6;
        Vector256<ulong> a7 = a._l7;
        Vector256<ulong> a8 = a._l8;
        Vector256<ulong> a9 = a._l9;
        Vector256<ulong> d0 = a0 + a0;
        Vector256<ulong> d1 = a1 + a1;
        Vector256<ulong> d2 = a2 + a2;
        Vector256<ulong> d3 = a3 + a3;
        Vector256<ulong> d4 = a4 + a4;
        Vector256<ulong> d5 = a5 + a5;
        Vector256<ulong> d6 = a6 + a6;
        Vector256<ulong> d7 = a7 + a7;
        Vector256<ulong> d8 = a8 + a8;
        Vector256<ulong> d9 = a9 + a9;
        Vector256<ulong> q1 = d1 + d1;
        Vector256<ulong> q3 = d3 + d3;
        Vector256<ulong> q5 = d5 + d5;
        Vector256<ulong> q7 = d7 + d7;
        Vector256<ulong> c5 = Times19(a5);
        Vector256<ulong> c6 = Times19(a6);
        Vector256<ulong> c7 = Times19(a7);
        Vector256<ulong> c8 = Times19(a8);
        Vector256<ulong> c9 = Times19(a9);
        Vector256<ulong> z0 = Product(a0, a0) + Product(q1, c9) + Product(d2, c8) + Product(q3, c7) + Product(d4, c6) + Product(d5, c5);
        Vector256<ulong> z1 = Product(d0, a1) + Product(d2, c9) + Product(d3, c8) + Product(d4, c7) + Product(d5, c6);
        Vector256<ulong> z2 = Product(d0, a2) + Product(d1, a1) + Product(q3, c9) + Product(d4, c8) + Product(q5, c7) + Product(a6, c6);
        Vector256<ulong> z3 = Product(d0, a3) + Product(d1, a2) + Product(d4, c9) + Product(d5, c8) + Product(d6, c7);
        Vector256<ulong> z4 = Product(d0, a4) + Product(q1, a3) + Product(a2, a2) + Product(q5, c9) + Product(d6, c8) + Product(d7, c7);
        Vector256<ulong> z5 = Product(d0, a5) + Product(d1, a4) + Product(d2, a3) + Product(d6, c9) + Product(d7, c8);
        Vector256<ulong> z6 = Product(d0, a6) + Product(q1, a5) + Product(d2, a4) + Product(d3, a3) + Product(q7, c9) + Product(a8, c8);
        Vector256<ulong> z7 = Product(d0, a7) + Product(d1, a6) + Product(d2, a5) + Product(d3, a4) + Product(d8, c9);
        Vector256<ulong> z8 = Product(d0, a8) + Product(q1, a7) + Product(d2, a6) + Product(q3, a5) + Product(a4, a4) + Product(d9, c9);
        Vector256<ulong> z9 = Product(d0, a9) + Product(d1, a8) + Product(d2, a7) + Product(d3, a6) + Product(d4, a5);
        Carry(z0, z1, z2, z3, z4, z5, z6, z7, z8, z9, out r);
    }

    public static void Reduce(in FieldElementX4 a, out FieldElementX4 r)
    {
        Carry(a._l0, a._l1, a._l2, a._l3, a._l4, a._l5, a._l6, a._l7, a._l8, a._l9, out r);
    }

    public static void Assign(ref FieldElementX4 r, in FieldElementX4 a, uint lanes)
    {
        Vector256<ulong> bits = Vector256.Create(1UL, 2UL, 4UL, 8UL);
        Vector256<ulong> mask = Vector256.Equals(Vector256.Create((ulong)lanes) & bits, bits);
        r._l0 ^= mask & (r._l0 ^ a._l0);
        r._l1 ^= mask & (r._l1 ^ a._l1);
        r._l2 ^= mask & (r._l2 ^ a._l2);
        r._l3 ^= mask & (r._l3 ^ a._l3);
        r._l4 ^= mask & (r._l4 ^ a._l4);
        r._l5 ^= mask & (r._l5 ^ a._l5);
        r._l6 ^= mask & (r._l6 ^ a._l6);
        r._l7 ^= mask & (r._l7 ^ a._l7);
        r._l8 ^= mask & (r._l8 ^ a._l8);
        r._l9 ^= mask & (r._l9 ^ a._l9);
    }

    public static void OrMasked(ref FieldElementX4 r, in FieldElementX4 a, ulong mask)
    {
        Vector256<ulong> m = Vector256.Create(mask);
        r._l0 |= m & a._l0;
        r._l1 |= m & a._l1;
        r._l2 |= m & a._l2;
        r._l3 |= m & a._l3;
        r._l4 |= m & a._l4;
        r._l5 |= m & a._l5;
        r._l6 |= m & a._l6;
        r._l7 |= m & a._l7;
        r._l8 |= m & a._l8;
        r._l9 |= m & a._l9;
    }

    public static void Broadcast(in FieldElement value, out FieldElementX4 r)
    {
        Unsafe.SkipInit(out r);
        r._l0 = Vector256.Create(value.L0 & Mask26);
        r._l1 = Vector256.Create(value.L0 >> 26);
        r._l2 = Vector256.Create(value.L1 & Mask26);
        r._l3 = Vector256.Create(value.L1 >> 26);
        r._l4 = Vector256.Create(value.L2 & Mask26);
        r._l5 = Vector256.Create(value.L2 >> 26);
        r._l6 = Vector256.Create(value.L3 & Mask26);
        r._l7 = Vector256.Create(value.L3 >> 26);
        r._l8 = Vector256.Create(value.L4 & Mask26);
        r._l9 = Vector256.Create(value.L4 >> 26);
    }

    public static void SetLane(ref FieldElementX4 r, int lane, in FieldElement value)
    {
        r._l0 = r._l0.WithElement(lane, value.L0 & Mask26);
        r._l1 = r._l1.WithElement(lane, value.L0 >> 26);
        r._l2 = r._l2.WithElement(lane, value.L1 & Mask26);
        r._l3 = r._l3.WithElement(lane, value.L1 >> 26);
        r._l4 = r._l4.WithElement(lane, value.L2 & Mask26);
        r._l5 = r._l5.WithElement(lane, value.L2 >> 26);
        r._l6 = r._l6.WithElement(lane, value.L3 & Mask26);
        r._l7 = r._l7.WithElement(lane, value.L3 >> 26);
        r._l8 = r._l8.WithElement(lane, value.L4 & Mask26);
        r._l9 = r._l9.WithElement(lane, value.L4 >> 26);
    }

    public static FieldElement GetLane(in FieldElementX4 a, int lane)
    {
        FieldElement r = default;
        r.L0 = a._l0[lane] + (a._l1[lane] << 26);
        r.L1 = a._l2[lane] + (a._l3[lane] << 26);
        r.L2 = a._l4[lane] + (a._l5[lane] << 26);
        r.L3 = a._l6[lane] + (a._l7[lane] << 26);
        r.L4 = a._l8[lane] + (a._l9[lane] << 26);
        return r;
    }

    /// <summary>Low 32 bits times low 32 bits, in each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Product(Vector256<ulong> a, Vector256<ulong> b) =>
        Avx2.Multiply(a.AsUInt32(), b.AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ulong> Times19(Vector256<ulong> a) => Product(a, Vector256.Create(19UL));

    /// <summary>Two interleaved carry chains, 0 → 4 and 5 → 9, then the wrap from 9 to 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Carry(
        Vector256<ulong> z0,
        Vector256<ulong> z1,
        Vector256<ulong> z2,
        Vector256<ulong> z3,
        Vector256<ulong> z4,
        Vector256<ulong> z5,
        Vector256<ulong> z6,
        Vector256<ulong> z7,
        Vector256<ulong> z8,
        Vector256<ulong> z9,
        out FieldElementX4 r)
    {
        Vector256<ulong> m25 = Vector256.Create(Mask25);
        Vector256<ulong> m26 = Vector256.Create(Mask26);
        z1 += z0 >>> 26;
        z0 &= m26;
        z6 += z5 >>> 25;
        z5 &= m25;
        z2 += z1 >>> 25;
        z1 &= m25;
        z7 += z6 >>> 26;
        z6 &= m26;
        z3 += z2 >>> 26;
        z2 &= m26;
        z8 += z7 >>> 25;
        z7 &= m25;
        z4 += z3 >>> 25;
        z3 &= m25;
        z9 += z8 >>> 26;
        z8 &= m26;
        z5 += z4 >>> 26;
        z4 &= m26;
        // The carry out of limb 9 can pass 32 bits, so 19 = 16 + 2 + 1 by shifts.
        Vector256<ulong> top = z9 >>> 25;
        z9 &= m25;
        z0 += (top << 4) + (top << 1) + top;
        // These two end below 2^18.
        z1 += z0 >>> 26;
        z0 &= m26;
        z6 += z5 >>> 25;
        z5 &= m25;
        Unsafe.SkipInit(out r);
        r._l0 = z0;
        r._l1 = z1;
        r._l2 = z2;
        r._l3 = z3;
        r._l4 = z4;
        r._l5 = z5;
        r._l6 = z6;
        r._l7 = z7;
        r._l8 = z8;
        r._l9 = z9;
    }
}
