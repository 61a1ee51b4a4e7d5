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
/// <para>Products are written out as processor instructions: a helper method would exhaust the just-in-time compiler's
/// inlining budget.</para>
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
        // One limb of a after another, with the ten sums in registers and the limbs of b read from memory.
        Vector256<uint> nineteen = Vector256.Create(19UL).AsUInt32();
        Unsafe.SkipInit(out FieldElementX4 c);
        c._l1 = Avx2.Multiply(b._l1.AsUInt32(), nineteen);
        c._l2 = Avx2.Multiply(b._l2.AsUInt32(), nineteen);
        c._l3 = Avx2.Multiply(b._l3.AsUInt32(), nineteen);
        c._l4 = Avx2.Multiply(b._l4.AsUInt32(), nineteen);
        c._l5 = Avx2.Multiply(b._l5.AsUInt32(), nineteen);
        c._l6 = Avx2.Multiply(b._l6.AsUInt32(), nineteen);
        c._l7 = Avx2.Multiply(b._l7.AsUInt32(), nineteen);
        c._l8 = Avx2.Multiply(b._l8.AsUInt32(), nineteen);
        c._l9 = Avx2.Multiply(b._l9.AsUInt32(), nineteen);

        Vector256<uint> x = a._l0.AsUInt32();
        Vector256<ulong> z0 = Avx2.Multiply(x, b._l0.AsUInt32());
        Vector256<ulong> z1 = Avx2.Multiply(x, b._l1.AsUInt32());
        Vector256<ulong> z2 = Avx2.Multiply(x, b._l2.AsUInt32());
        Vector256<ulong> z3 = Avx2.Multiply(x, b._l3.AsUInt32());
        Vector256<ulong> z4 = Avx2.Multiply(x, b._l4.AsUInt32());
        Vector256<ulong> z5 = Avx2.Multiply(x, b._l5.AsUInt32());
        Vector256<ulong> z6 = Avx2.Multiply(x, b._l6.AsUInt32());
        Vector256<ulong> z7 = Avx2.Multiply(x, b._l7.AsUInt32());
        Vector256<ulong> z8 = Avx2.Multiply(x, b._l8.AsUInt32());
        Vector256<ulong> z9 = Avx2.Multiply(x, b._l9.AsUInt32());

        x = a._l1.AsUInt32();
        Vector256<uint> d = x + x;
        z1 += Avx2.Multiply(x, b._l0.AsUInt32());
        z2 += Avx2.Multiply(d, b._l1.AsUInt32());
        z3 += Avx2.Multiply(x, b._l2.AsUInt32());
        z4 += Avx2.Multiply(d, b._l3.AsUInt32());
        z5 += Avx2.Multiply(x, b._l4.AsUInt32());
        z6 += Avx2.Multiply(d, b._l5.AsUInt32());
        z7 += Avx2.Multiply(x, b._l6.AsUInt32());
        z8 += Avx2.Multiply(d, b._l7.AsUInt32());
        z9 += Avx2.Multiply(x, b._l8.AsUInt32());
        z0 += Avx2.Multiply(d, c._l9.AsUInt32());

        x = a._l2.AsUInt32();
        z2 += Avx2.Multiply(x, b._l0.AsUInt32());
        z3 += Avx2.Multiply(x, b._l1.AsUInt32());
        z4 += Avx2.Multiply(x, b._l2.AsUInt32());
        z5 += Avx2.Multiply(x, b._l3.AsUInt32());
        z6 += Avx2.Multiply(x, b._l4.AsUInt32());
        z7 += Avx2.Multiply(x, b._l5.AsUInt32());
        z8 += Avx2.Multiply(x, b._l6.AsUInt32());
        z9 += Avx2.Multiply(x, b._l7.AsUInt32());
        z0 += Avx2.Multiply(x, c._l8.AsUInt32());
        z1 += Avx2.Multiply(x, c._l9.AsUInt32());

        x = a._l3.AsUInt32();
        d = x + x;
        z3 += Avx2.Multiply(x, b._l0.AsUInt32());
        z4 += Avx2.Multiply(d, b._l1.AsUInt32());
        z5 += Avx2.Multiply(x, b._l2.AsUInt32());
        z6 += Avx2.Multiply(d, b._l3.AsUInt32());
        z7 += Avx2.Multiply(x, b._l4.AsUInt32());
        z8 += Avx2.Multiply(d, b._l5.AsUInt32());
        z9 += Avx2.Multiply(x, b._l6.AsUInt32());
        z0 += Avx2.Multiply(d, c._l7.AsUInt32());
        z1 += Avx2.Multiply(x, c._l8.AsUInt32());
        z2 += Avx2.Multiply(d, c._l9.AsUInt32());

        x = a._l4.AsUInt32();
        z4 += Avx2.Multiply(x, b._l0.AsUInt32());
        z5 += Avx2.Multiply(x, b._l1.AsUInt32());
        z6 += Avx2.Multiply(x, b._l2.AsUInt32());
        z7 += Avx2.Multiply(x, b._l3.AsUInt32());
        z8 += Avx2.Multiply(x, b._l4.AsUInt32());
        z9 += Avx2.Multiply(x, b._l5.AsUInt32());
        z0 += Avx2.Multiply(x, c._l6.AsUInt32());
        z1 += Avx2.Multiply(x, c._l7.AsUInt32());
        z2 += Avx2.Multiply(x, c._l8.AsUInt32());
        z3 += Avx2.Multiply(x, c._l9.AsUInt32());

        x = a._l5.AsUInt32();
        d = x + x;
        z5 += Avx2.Multiply(x, b._l0.AsUInt32());
        z6 += Avx2.Multiply(d, b._l1.AsUInt32());
        z7 += Avx2.Multiply(x, b._l2.AsUInt32());
        z8 += Avx2.Multiply(d, b._l3.AsUInt32());
        z9 += Avx2.Multiply(x, b._l4.AsUInt32());
        z0 += Avx2.Multiply(d, c._l5.AsUInt32());
        z1 += Avx2.Multiply(x, c._l6.AsUInt32());
        z2 += Avx2.Multiply(d, c._l7.AsUInt32());
        z3 += Avx2.Multiply(x, c._l8.AsUInt32());
        z4 += Avx2.Multiply(d, c._l9.AsUInt32());

        x = a._l6.AsUInt32();
        z6 += Avx2.Multiply(x, b._l0.AsUInt32());
        z7 += Avx2.Multiply(x, b._l1.AsUInt32());
        z8 += Avx2.Multiply(x, b._l2.AsUInt32());
        z9 += Avx2.Multiply(x, b._l3.AsUInt32());
        z0 += Avx2.Multiply(x, c._l4.AsUInt32());
        z1 += Avx2.Multiply(x, c._l5.AsUInt32());
        z2 += Avx2.Multiply(x, c._l6.AsUInt32());
        z3 += Avx2.Multiply(x, c._l7.AsUInt32());
        z4 += Avx2.Multiply(x, c._l8.AsUInt32());
        z5 += Avx2.Multiply(x, c._l9.AsUInt32());

        x = a._l7.AsUInt32();
        d = x + x;
        z7 += Avx2.Multiply(x, b._l0.AsUInt32());
        z8 += Avx2.Multiply(d, b._l1.AsUInt32());
        z9 += Avx2.Multiply(x, b._l2.AsUInt32());
        z0 += Avx2.Multiply(d, c._l3.AsUInt32());
        z1 += Avx2.Multiply(x, c._l4.AsUInt32());
        z2 += Avx2.Multiply(d, c._l5.AsUInt32());
        z3 += Avx2.Multiply(x, c._l6.AsUInt32());
        z4 += Avx2.Multiply(d, c._l7.AsUInt32());
        z5 += Avx2.Multiply(x, c._l8.AsUInt32());
        z6 += Avx2.Multiply(d, c._l9.AsUInt32());

        x = a._l8.AsUInt32();
        z8 += Avx2.Multiply(x, b._l0.AsUInt32());
        z9 += Avx2.Multiply(x, b._l1.AsUInt32());
        z0 += Avx2.Multiply(x, c._l2.AsUInt32());
        z1 += Avx2.Multiply(x, c._l3.AsUInt32());
        z2 += Avx2.Multiply(x, c._l4.AsUInt32());
        z3 += Avx2.Multiply(x, c._l5.AsUInt32());
        z4 += Avx2.Multiply(x, c._l6.AsUInt32());
        z5 += Avx2.Multiply(x, c._l7.AsUInt32());
        z6 += Avx2.Multiply(x, c._l8.AsUInt32());
        z7 += Avx2.Multiply(x, c._l9.AsUInt32());

        x = a._l9.AsUInt32();
        d = x + x;
        z9 += Avx2.Multiply(x, b._l0.AsUInt32());
        z0 += Avx2.Multiply(d, c._l1.AsUInt32());
        z1 += Avx2.Multiply(x, c._l2.AsUInt32());
        z2 += Avx2.Multiply(d, c._l3.AsUInt32());
        z3 += Avx2.Multiply(x, c._l4.AsUInt32());
        z4 += Avx2.Multiply(d, c._l5.AsUInt32());
        z5 += Avx2.Multiply(x, c._l6.AsUInt32());
        z6 += Avx2.Multiply(d, c._l7.AsUInt32());
        z7 += Avx2.Multiply(x, c._l8.AsUInt32());
        z8 += Avx2.Multiply(d, c._l9.AsUInt32());
        Carry(z0, z1, z2, z3, z4, z5, z6, z7, z8, z9, out r);
    }

    public static void Square(in FieldElementX4 a, out FieldElementX4 r)
    {
        // As Mul; the product of two different limbs occurs twice.
        Vector256<uint> nineteen = Vector256.Create(19UL).AsUInt32();
        Unsafe.SkipInit(out FieldElementX4 c);
        c._l5 = Avx2.Multiply(a._l5.AsUInt32(), nineteen);
        c._l6 = Avx2.Multiply(a._l6.AsUInt32(), nineteen);
        c._l7 = Avx2.Multiply(a._l7.AsUInt32(), nineteen);
        c._l8 = Avx2.Multiply(a._l8.AsUInt32(), nineteen);
        c._l9 = Avx2.Multiply(a._l9.AsUInt32(), nineteen);

        Vector256<uint> x = a._l0.AsUInt32();
        Vector256<uint> d = x + x;
        Vector256<ulong> z0 = Avx2.Multiply(x, a._l0.AsUInt32());
        Vector256<ulong> z1 = Avx2.Multiply(d, a._l1.AsUInt32());
        Vector256<ulong> z2 = Avx2.Multiply(d, a._l2.AsUInt32());
        Vector256<ulong> z3 = Avx2.Multiply(d, a._l3.AsUInt32());
        Vector256<ulong> z4 = Avx2.Multiply(d, a._l4.AsUInt32());
        Vector256<ulong> z5 = Avx2.Multiply(d, a._l5.AsUInt32());
        Vector256<ulong> z6 = Avx2.Multiply(d, a._l6.AsUInt32());
        Vector256<ulong> z7 = Avx2.Multiply(d, a._l7.AsUInt32());
        Vector256<ulong> z8 = Avx2.Multiply(d, a._l8.AsUInt32());
        Vector256<ulong> z9 = Avx2.Multiply(d, a._l9.AsUInt32());

        x = a._l1.AsUInt32();
        d = x + x;
        Vector256<uint> q = d + d;
        z2 += Avx2.Multiply(d, a._l1.AsUInt32());
        z3 += Avx2.Multiply(d, a._l2.AsUInt32());
        z4 += Avx2.Multiply(q, a._l3.AsUInt32());
        z5 += Avx2.Multiply(d, a._l4.AsUInt32());
        z6 += Avx2.Multiply(q, a._l5.AsUInt32());
        z7 += Avx2.Multiply(d, a._l6.AsUInt32());
        z8 += Avx2.Multiply(q, a._l7.AsUInt32());
        z9 += Avx2.Multiply(d, a._l8.AsUInt32());
        z0 += Avx2.Multiply(q, c._l9.AsUInt32());

        x = a._l2.AsUInt32();
        d = x + x;
        z4 += Avx2.Multiply(x, a._l2.AsUInt32());
        z5 += Avx2.Multiply(d, a._l3.AsUInt32());
        z6 += Avx2.Multiply(d, a._l4.AsUInt32());
        z7 += Avx2.Multiply(d, a._l5.AsUInt32());
        z8 += Avx2.Multiply(d, a._l6.AsUInt32());
        z9 += Avx2.Multiply(d, a._l7.AsUInt32());
        z0 += Avx2.Multiply(d, c._l8.AsUInt32());
        z1 += Avx2.Multiply(d, c._l9.AsUInt32());

        x = a._l3.AsUInt32();
        d = x + x;
        q = d + d;
        z6 += Avx2.Multiply(d, a._l3.AsUInt32());
        z7 += Avx2.Multiply(d, a._l4.AsUInt32());
        z8 += Avx2.Multiply(q, a._l5.AsUInt32());
        z9 += Avx2.Multiply(d, a._l6.AsUInt32());
        z0 += Avx2.Multiply(q, c._l7.AsUInt32());
        z1 += Avx2.Multiply(d, c._l8.AsUInt32());
        z2 += Avx2.Multiply(q, c._l9.AsUInt32());

        x = a._l4.AsUInt32();
        d = x + x;
        z8 += Avx2.Multiply(x, a._l4.AsUInt32());
        z9 += Avx2.Multiply(d, a._l5.AsUInt32());
        z0 += Avx2.Multiply(d, c._l6.AsUInt32());
        z1 += Avx2.Multiply(d, c._l7.AsUInt32());
        z2 += Avx2.Multiply(d, c._l8.AsUInt32());
        z3 += Avx2.Multiply(d, c._l9.AsUInt32());

        x = a._l5.AsUInt32();
        d = x + x;
        q = d + d;
        z0 += Avx2.Multiply(d, c._l5.AsUInt32());
        z1 += Avx2.Multiply(d, c._l6.AsUInt32());
        z2 += Avx2.Multiply(q, c._l7.AsUInt32());
        z3 += Avx2.Multiply(d, c._l8.AsUInt32());
        z4 += Avx2.Multiply(q, c._l9.AsUInt32());

        x = a._l6.AsUInt32();
        d = x + x;
        z2 += Avx2.Multiply(x, c._l6.AsUInt32());
        z3 += Avx2.Multiply(d, c._l7.AsUInt32());
        z4 += Avx2.Multiply(d, c._l8.AsUInt32());
        z5 += Avx2.Multiply(d, c._l9.AsUInt32());

        x = a._l7.AsUInt32();
        d = x + x;
        q = d + d;
        z4 += Avx2.Multiply(d, c._l7.AsUInt32());
        z5 += Avx2.Multiply(d, c._l8.AsUInt32());
        z6 += Avx2.Multiply(q, c._l9.AsUInt32());

        x = a._l8.AsUInt32();
        d = x + x;
        z6 += Avx2.Multiply(x, c._l8.AsUInt32());
        z7 += Avx2.Multiply(d, c._l9.AsUInt32());

        x = a._l9.AsUInt32();
        d = x + x;
        z8 += Avx2.Multiply(d, c._l9.AsUInt32());
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
