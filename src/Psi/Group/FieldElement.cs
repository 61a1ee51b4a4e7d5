using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace VertFed.Psi.Group;

/// <summary>
/// One element of the field of p = 2^255 − 19 as five limbs of 51 bits, least significant first. Constant time throughout.
/// </summary>
/// <remarks>Tight limbs stay below 2^51 + 2^13, loose and wide ones below 2^54; products are summed in 128 bits.</remarks>
internal struct FieldElement : ILaneField<FieldElement>
{
    public const int EncodedBytes = 32;
    private const ulong Mask51 = (1UL << 51) - 1;

    // 2p, limb by limb: what Sub adds so that no limb goes below zero.
    private const ulong TwoP0 = 2 * (Mask51 - 18);
    private const ulong TwoP1 = 2 * Mask51;

    public ulong L0;
    public ulong L1;
    public ulong L2;
    public ulong L3;
    public ulong L4;

    public FieldElement(ulong small) => L0 = small;

    public static int Lanes => 1;

    /// <summary>Reads 32 bytes, little-endian, ignoring the top bit; values from p to 2^255 − 1 are taken modulo p.</summary>
    public static FieldElement FromBytes(ReadOnlySpan<byte> bytes)
    {
        ulong w0 = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        ulong w1 = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        ulong w2 = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
        ulong w3 = BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]);
        FieldElement r = default;
        r.L0 = w0 & Mask51;
        r.L1 = ((w0 >> 51) | (w1 << 13)) & Mask51;
        r.L2 = ((w1 >> 38) | (w2 << 26)) & Mask51;
        r.L3 = ((w2 >> 25) | (w3 << 39)) & Mask51;
        r.L4 = (w3 >> 12) & Mask51;
        return r;
    }

    /// <summary>Writes the canonical encoding: 32 bytes, little-endian, below p.</summary>
    public readonly void ToBytes(Span<byte> bytes)
    {
        FieldElement c = Canonical();
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, c.L0 | (c.L1 << 51));
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], (c.L1 >> 13) | (c.L2 << 38));
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[16..], (c.L2 >> 26) | (c.L3 << 25));
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[24..], (c.L3 >> 39) | (c.L4 << 12));
    }

    /// <summary>1 if the canonical value is odd ("negative" in RFC 9496, section 3.1), else 0.</summary>
    public readonly uint Negative() => (uint)(Canonical().L0 & 1);

    /// <summary>1 if the value is zero modulo p, else 0.</summary>
    public readonly uint Zero()
    {
        FieldElement c = Canonical();
        ulong any = c.L0 | c.L1 | c.L2 | c.L3 | c.L4;
        return (uint)(1 - ((any | (0 - any)) >> 63));
    }

    public static void Add(in FieldElement a, in FieldElement b, out FieldElement r)
    {
        ulong l0 = a.L0 + b.L0, l1 = a.L1 + b.L1, l2 = a.L2 + b.L2, l3 = a.L3 + b.L3, l4 = a.L4 + b.L4;
        Write(out r, l0, l1, l2, l3, l4);
    }

    public static void Sub(in FieldElement a, in FieldElement b, out FieldElement r)
    {
        ulong l0 = a.L0 + TwoP0 - b.L0;
        ulong l1 = a.L1 + TwoP1 - b.L1;
        ulong l2 = a.L2 + TwoP1 - b.L2;
        ulong l3 = a.L3 + TwoP1 - b.L3;
        ulong l4 = a.L4 + TwoP1 - b.L4;
        Write(out r, l0, l1, l2, l3, l4);
    }

    public static void Mul(in FieldElement a, in FieldElement b, out FieldElement r)
    {
        ulong a0 = a.L0, a1 = a.L1, a2 = a.L2, a3 = a.L3, a4 = a.L4;
        ulong b0 = b.L0, b1 = b.L1, b2 = b.L2, b3 = b.L3, b4 = b.L4;
        // 2^255 = 19 modulo p: what passes limb 4 comes back nineteenfold.
        ulong c1 = 19 * b1, c2 = 19 * b2, c3 = 19 * b3, c4 = 19 * b4;
        Wide z0, z1, z2, z3, z4;
        ulong high, low;
        z0.High = Math.BigMul(a0, b0, out z0.Low);
        high = Math.BigMul(a1, c4, out low);
        z0.Add(high, low);
        high = Math.BigMul(a2, c3, out low);
        z0.Add(high, low);
        high = Math.BigMul(a3, c2, out low);
        z0.Add(high, low);
        high = Math.BigMul(a4, c1, out low);
        z0.Add(high, low);
        z1.High = Math.BigMul(a0, b1, out z1.Low);
        high = Math.BigMul(a1, b0, out low);
        z1.Add(high, low);
        high = Math.BigMul(a2, c4, out low);
        z1.Add(high, low);
        high = Math.BigMul(a3, c3, out low);
        z1.Add(high, low);
        high = Math.BigMul(a4, c2, out low);
        z1.Add(high, low);
        z2.High = Math.BigMul(a0, b2, out z2.Low);
        high = Math.BigMul(a1, b1, out low);
        z2.Add(high, low);
        high = Math.BigMul(a2, b0, out low);
        z2.Add(high, low);
        high = Math.BigMul(a3, c4, out low);
        z2.Add(high, low);
        high = Math.BigMul(a4, c3, out low);
        z2.Add(high, low);
        z3.High = Math.BigMul(a0, b3, out z3.Low);
        high = Math.BigMul(a1, b2, out low);
        z3.Add(high, low);
        high = Math.BigMul(a2, b1, out low);
        z3.Add(high, low);
        high = Math.BigMul(a3, b0, out low);
        z3.Add(high, low);
        high = Math.BigMul(a4, c4, out low);
        z3.Add(high, low);
        z4.High = Math.BigMul(a0, b4, out z4.Low);
        high = Math.BigMul(a1, b3, out low);
        z4.Add(high, low);
        high = Math.BigMul(a2, b2, out low);
        z4.Add(high, low);
        high = Math.BigMul(a3, b1, out low);
        z4.Add(high, low);
        high = Math.BigMul(a4, b0, out low);
        z4.Add(high, low);
        Carry(z0, z1, z2, z3, z4, out r);
    }

    public static void Square(in FieldElement a, out FieldElement r)
    {
        ulong a0 = a.L0, a1 = a.L1, a2 = a.L2, a3 = a.L3, a4 = a.L4;
        ulong d0 = 2 * a0, d1 = 2 * a1, d2 = 2 * a2, c3 = 19 * a3, c4 = 19 * a4;
        Wide z0, z1, z2, z3, z4;
        ulong high, low;
        z0.High = Math.BigMul(a0, a0, out z0.Low);
        high = Math.BigMul(d1, c4, out low);
        z0.Add(high, low);
        high = Math.BigMul(d2, c3, out low);
        z0.Add(high, low);
        z1.High = Math.BigMul(d0, a1, out z1.Low);
        high = Math.BigMul(d2, c4, out low);
        z1.Add(high, low);
        high = Math.BigMul(a3, c3, out low);
        z1.Add(high, low);
        z2.High = Math.BigMul(d0, a2, out z2.Low);
        high = Math.BigMul(a1, a1, out low);
        z2.Add(high, low);
        high = Math.BigMul(2 * a3, c4, out low);
        z2.Add(high, low);
        z3.High = Math.BigMul(d0, a3, out z3.Low);
        high = Math.BigMul(d1, a2, out low);
        z3.Add(high, low);
        high = Math.BigMul(a4, c4, out low);
        z3.Add(high, low);
        z4.High = Math.BigMul(d0, a4, out z4.Low);
        high = Math.BigMul(d1, a3, out low);
        z4.Add(high, low);
        high = Math.BigMul(a2, a2, out low);
        z4.Add(high, low);
        Carry(z0, z1, z2, z3, z4, out r);
    }

    public static void Reduce(in FieldElement a, out FieldElement r)
    {
        // All carries are taken from the input at once: a limb below 2^54 leaves a carry below 2^3, times 19 below 2^8.
        ulong l0 = (a.L0 & Mask51) + (19 * (a.L4 >> 51));
        ulong l1 = (a.L1 & Mask51) + (a.L0 >> 51);
        ulong l2 = (a.L2 & Mask51) + (a.L1 >> 51);
        ulong l3 = (a.L3 & Mask51) + (a.L2 >> 51);
        ulong l4 = (a.L4 & Mask51) + (a.L3 >> 51);
        Write(out r, l0, l1, l2, l3, l4);
    }

    public static void Assign(ref FieldElement r, in FieldElement a, uint lanes)
    {
        ulong mask = 0 - (ulong)(lanes & 1);
        r.L0 ^= mask & (r.L0 ^ a.L0);
        r.L1 ^= mask & (r.L1 ^ a.L1);
        r.L2 ^= mask & (r.L2 ^ a.L2);
        r.L3 ^= mask & (r.L3 ^ a.L3);
        r.L4 ^= mask & (r.L4 ^ a.L4);
    }

    public static void OrMasked(ref FieldElement r, in FieldElement a, ulong mask)
    {
        r.L0 |= mask & a.L0;
        r.L1 |= mask & a.L1;
        r.L2 |= mask & a.L2;
        r.L3 |= mask & a.L3;
        r.L4 |= mask & a.L4;
    }

    public static void Broadcast(in FieldElement value, out FieldElement r) => r = value;

    public static void SetLane(ref FieldElement r, int lane, in FieldElement value) => r = value;

    public static FieldElement GetLane(in FieldElement a, int lane) => a;

    private readonly FieldElement Canonical()
    {
        Reduce(this, out FieldElement t);
        // The quotient by p of a value below 2p is the carry out of value + 19.
        ulong q = (t.L0 + 19) >> 51;
        q = (t.L1 + q) >> 51;
        q = (t.L2 + q) >> 51;
        q = (t.L3 + q) >> 51;
        q = (t.L4 + q) >> 51;
        t.L0 += 19 * q;
        t.L1 += t.L0 >> 51;
        t.L2 += t.L1 >> 51;
        t.L3 += t.L2 >> 51;
        t.L4 += t.L3 >> 51;
        Write(out FieldElement r, t.L0 & Mask51, t.L1 & Mask51, t.L2 & Mask51, t.L3 & Mask51, t.L4 & Mask51);
        return r;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Carry(Wide z0, Wide z1, Wide z2, Wide z3, Wide z4, out FieldElement r)
    {
        z1.Add(z0.ShiftRight51());
        z2.Add(z1.ShiftRight51());
        z3.Add(z2.ShiftRight51());
        z4.Add(z3.ShiftRight51());
        ulong l0 = (z0.Low & Mask51) + (19 * z4.ShiftRight51());
        ulong l1 = (z1.Low & Mask51) + (l0 >> 51);
        Write(out r, l0 & Mask51, l1, z2.Low & Mask51, z3.Low & Mask51, z4.Low & Mask51);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write(out FieldElement r, ulong l0, ulong l1, ulong l2, ulong l3, ulong l4)
    {
        Unsafe.SkipInit(out r);
        r.L0 = l0;
        r.L1 = l1;
        r.L2 = l2;
        r.L3 = l3;
        r.L4 = l4;
    }

    /// <summary>A sum of products in two machine words.</summary>
    private struct Wide
    {
        public ulong Low;
        public ulong High;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(ulong high, ulong low)
        {
            Low += low;
            High += high + (Low < low ? 1UL : 0UL);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(ulong value)
        {
            Low += value;
            High += Low < value ? 1UL : 0UL;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly ulong ShiftRight51() => (Low >> 51) | (High << 13);
    }
}
