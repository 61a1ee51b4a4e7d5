using System.Runtime.CompilerServices;

namespace VertFed.Lattice;

/// <summary>
/// Arithmetic modulo the plaintext prime t &lt; 2^58 on 64-bit integers in [0, t). Additions, products and centring take the
/// same time for all values: conditional steps are sign masks.
/// </summary>
internal sealed class PlainModulus
{
    /// <summary>t stays below 2^58, so that four times t and sums of many terms fit the words that hold them.</summary>
    internal const int MaximumBits = 58;

    private readonly ulong _reciprocal;
    private readonly int _shift;

    internal PlainModulus(ulong value)
    {
        Value = value;

        // Barrett: x < t^2, x1 = x >> (bits - 2), quotient = high64(x1·floor(2^(bits+62)/t)); off by at most two.
        int bits = 64 - System.Numerics.BitOperations.LeadingZeroCount(value);
        _shift = bits - 2;
        _reciprocal = (ulong)((UInt128.One << (bits + 62)) / value);
    }

    internal ulong Value { get; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong SubtractWhereNotBelow(ulong x, ulong bound)
    {
        ulong difference = x - bound;
        return difference + (bound & (ulong)((long)difference >> 63));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong Add(ulong a, ulong b) => SubtractWhereNotBelow(a + b, Value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong Subtract(ulong a, ulong b)
    {
        ulong difference = a - b;
        return difference + (Value & (ulong)((long)difference >> 63));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong Multiply(ulong a, ulong b)
    {
        ulong high = Math.BigMul(a, b, out ulong low);
        ulong top = (low >> _shift) | (high << (64 - _shift));
        ulong quotient = Math.BigMul(top, _reciprocal, out _);
        ulong rest = low - (quotient * Value);
        return SubtractWhereNotBelow(SubtractWhereNotBelow(rest, Value), Value);
    }

    /// <summary>floor(w·2^64/t), the companion of a constant w for <see cref="MultiplyConstant"/> (Shoup).</summary>
    internal ulong Companion(ulong w) => (ulong)(((UInt128)w << 64) / Value);

    /// <summary>x·w mod t in [0, 2t) for any 64-bit x (Harvey, 2014, "Faster arithmetic for number-theoretic transforms").</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong MultiplyConstantLazy(ulong x, ulong w, ulong companion)
    {
        ulong quotient = Math.BigMul(x, companion, out _);
        return (x * w) - (quotient * Value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong MultiplyConstant(ulong x, ulong w, ulong companion) =>
        SubtractWhereNotBelow(MultiplyConstantLazy(x, w, companion), Value);

    /// <summary>The representative in (−t/2, t/2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal long Centre(ulong value)
    {
        long above = (long)((Value / 2) - value) >> 63;
        return (long)(value - (Value & (ulong)above));
    }

    /// <summary>The residue of a signed integer of size at most (t−1)/2.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The integer is larger, so that centring could not give it back.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ulong FromSigned(long value)
    {
        ulong residue = (ulong)value + (Value & (ulong)(value >> 63));
        long half = (long)(Value / 2);
        if ((ulong)(value + half) > (ulong)(2 * half))
        {
            throw new ArgumentOutOfRangeException(nameof(value), "A signed value must lie within (t-1)/2 of zero.");
        }

        return residue;
    }

    /// <summary>The residue in [0, t) of a signed 128-bit integer.</summary>
    internal ulong Reduce(Int128 value)
    {
        Int128 rest = value % (Int128)Value;
        return (ulong)(rest + (rest >> 127 & (Int128)Value));
    }
}
