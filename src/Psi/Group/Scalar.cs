using System.Buffers.Binary;
using System.Security.Cryptography;
using VertFed.Primitives;

namespace VertFed.Psi.Group;

/// <summary>
/// A secret exponent: a non-zero integer modulo the group order l = 2^252 + 27742317777372353535851937790883648493. Kept in
/// pinned memory, which the collector does not copy, and zeroed on disposal.
/// </summary>
public sealed class Scalar : IDisposable
{
    /// <summary>Length of an encoding in bytes, little-endian.</summary>
    public const int EncodedBytes = 32;

    private const int DigitCount = 64;

    // Little-endian 64-bit words of l.
    private const ulong Order0 = 0x5812631a5cf5d3ed;
    private const ulong Order1 = 0x14def9dea2f79cd6;
    private const ulong Order2 = 0;
    private const ulong Order3 = 0x1000000000000000;

    private readonly ulong[] _words = GC.AllocateArray<ulong>(4, pinned: true);
    private readonly sbyte[] _halfDigits = GC.AllocateArray<sbyte>(DigitCount, pinned: true);
    private bool _disposed;

    private Scalar()
    {
    }

    /// <summary>A uniform scalar in [1, l), by rejection on 253 bits of the stream.</summary>
    public static Scalar Random(RandomStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Scalar scalar = new();
        Span<byte> draw = stackalloc byte[EncodedBytes];
        do
        {
            stream.Fill(draw);
            draw[31] &= 0x1f;
        }
        while (!scalar.TryLoad(draw));
        CryptographicOperations.ZeroMemory(draw);
        scalar.PrepareHalfDigits();
        return scalar;
    }

    /// <summary>Reads a scalar in [1, l), 32 bytes little-endian.</summary>
    /// <exception cref="ArgumentException">Another length, zero, or not below the group order.</exception>
    public static Scalar FromBytes(ReadOnlySpan<byte> bytes)
    {
        Scalar scalar = new();
        if (bytes.Length != EncodedBytes || !scalar.TryLoad(bytes))
        {
            scalar.Dispose();
            throw new ArgumentException("A scalar is 32 bytes, not zero and below the group order.", nameof(bytes));
        }

        scalar.PrepareHalfDigits();
        return scalar;
    }

    /// <summary>
    /// k/2 modulo l in signed radix 16: 64 digits in [−8, 7], least significant first. Batched encoding doubles once more.
    /// </summary>
    internal ReadOnlySpan<sbyte> HalfDigits
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _halfDigits;
        }
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(_words.AsSpan()));
        CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(_halfDigits.AsSpan()));
    }

    /// <summary>Loads a candidate; only whether it is in range shows in the running time.</summary>
    private bool TryLoad(ReadOnlySpan<byte> bytes)
    {
        ulong w0 = _words[0] = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        ulong w1 = _words[1] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
        ulong w2 = _words[2] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
        ulong w3 = _words[3] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]);
        ulong borrow = 0;
        _ = SubtractWithBorrow(w0, Order0, ref borrow);
        _ = SubtractWithBorrow(w1, Order1, ref borrow);
        _ = SubtractWithBorrow(w2, Order2, ref borrow);
        _ = SubtractWithBorrow(w3, Order3, ref borrow);
        return borrow == 1 && (w0 | w1 | w2 | w3) != 0;
    }

    private void PrepareHalfDigits()
    {
        // Half of k is k/2 or (k + l)/2, whichever is whole.
        ulong odd = 0 - (_words[0] & 1);
        ulong carry = 0;
        ulong h0 = AddWithCarry(_words[0], Order0 & odd, ref carry);
        ulong h1 = AddWithCarry(_words[1], Order1 & odd, ref carry);
        ulong h2 = AddWithCarry(_words[2], Order2 & odd, ref carry);
        ulong h3 = AddWithCarry(_words[3], Order3 & odd, ref carry);
        ReadOnlySpan<ulong> half = [(h0 >> 1) | (h1 << 63), (h1 >> 1) | (h2 << 63), (h2 >> 1) | (h3 << 63), h3 >> 1];
        int digitCarry = 0;
        for (int i = 0; i < DigitCount; i++)
        {
            int digit = (int)((half[i >> 4] >> (4 * (i & 15))) & 15) + digitCarry;
            // 8 and more become negative and carry one. The last digit is at most 2, since k/2 < 2^253.
            digitCarry = (digit + 8) >> 4;
            _halfDigits[i] = (sbyte)(digit - (digitCarry << 4));
        }
    }

    private static ulong AddWithCarry(ulong a, ulong b, ref ulong carry)
    {
        UInt128 sum = (UInt128)a + b + carry;
        carry = (ulong)(sum >> 64);
        return (ulong)sum;
    }

    private static ulong SubtractWithBorrow(ulong a, ulong b, ref ulong borrow)
    {
        UInt128 difference = (UInt128)a - b - borrow;
        borrow = (ulong)(difference >> 64) & 1;
        return (ulong)difference;
    }
}
