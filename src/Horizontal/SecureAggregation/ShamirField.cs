using System.Buffers.Binary;
using System.Security.Cryptography;
using VertFed.Primitives;

namespace VertFed.Horizontal.SecureAggregation;

/// <summary>One client's share of a 32-byte secret: the values at its point x of the polynomials of the secret's five parts.</summary>
/// <param name="X">The point, from 1: the holder's place in the roster plus 1.</param>
/// <param name="Values">Five numbers below 2^61 − 1.</param>
public sealed record SecretShare(int X, ulong[] Values);

/// <summary>
/// Shamir's secret sharing (1979) over the prime field of p = 2^61 − 1. A secret of 32 bytes is five little-endian parts of at most 7 bytes; each is
/// the constant term of a polynomial of degree t − 1 with uniform coefficients. Any t shares give the secret, fewer say nothing.
/// </summary>
public static class ShamirField
{
    /// <summary>p = 2^61 − 1, a Mersenne prime.</summary>
    public const ulong Prime = (1UL << 61) - 1;

    /// <summary>Length of a secret in bytes.</summary>
    public const int SecretBytes = 32;

    /// <summary>Parts of a secret.</summary>
    public const int Parts = 5;

    private const int PartBytes = 7;

    /// <summary>Shares a secret.</summary>
    /// <param name="secret">32 bytes.</param>
    /// <param name="threshold">t: shares that give the secret, from 1.</param>
    /// <param name="points">Distinct points from 1; at least t.</param>
    /// <param name="stream">For the coefficients.</param>
    /// <returns>One share a point, in the given order.</returns>
    public static SecretShare[] Split(ReadOnlySpan<byte> secret, int threshold, IReadOnlyList<int> points, RandomStream stream)
    {
        Throw.Invalid(secret.Length != SecretBytes, $"A shared secret has {SecretBytes} bytes.");
        Throw.Invalid(threshold < 1 || threshold > points.Count, $"{points.Count} shares cannot have a threshold of {threshold}.");
        Throw.Invalid(points.Any(static point => point < 1) || points.Distinct().Count() != points.Count, "Points of shares are distinct and from 1.");
        var shares = new SecretShare[points.Count];
        for (int i = 0; i < shares.Length; i++)
        {
            shares[i] = new SecretShare(points[i], new ulong[Parts]);
        }

        ulong[] coefficients = new ulong[threshold];
        for (int part = 0; part < Parts; part++)
        {
            coefficients[0] = Part(secret, part);
            for (int k = 1; k < threshold; k++)
            {
                coefficients[k] = stream.NextBelow(Prime);
            }

            foreach (SecretShare share in shares)
            {
                ulong value = 0;
                for (int k = threshold - 1; k >= 0; k--)
                {
                    value = Add(Multiply(value, (ulong)share.X), coefficients[k]);
                }

                share.Values[part] = value;
            }
        }

        CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(coefficients.AsSpan()));
        return shares;
    }

    /// <summary>The secret from at least t shares; of more, the first t are used. The caller zeroes it.</summary>
    /// <exception cref="HorizontalException">Too few, a point twice, a value out of range, or parts that no secret has.</exception>
    public static byte[] Combine(IReadOnlyList<SecretShare> shares, int threshold)
    {
        Throw.If(shares.Count < threshold, HorizontalError.TooFewClients, $"A secret needs {threshold} shares; there are {shares.Count}.");
        SecretShare[] used = [.. shares.Take(threshold)];
        foreach (SecretShare share in used)
        {
            Throw.If(
                share.X < 1 || share.Values.Length != Parts || share.Values.Any(static value => value >= Prime),
                HorizontalError.CheckFailed,
                "A share is not a point and five numbers of the field.");
        }

        Throw.If(used.Select(static share => share.X).Distinct().Count() != used.Length, HorizontalError.CheckFailed, "Two shares have one point.");
        ulong[] weights = [.. used.Select(share => WeightAtZero(share, used))];
        byte[] secret = new byte[SecretBytes];
        Span<byte> bytes = stackalloc byte[8];
        for (int part = 0; part < Parts; part++)
        {
            ulong value = 0;
            for (int i = 0; i < used.Length; i++)
            {
                value = Add(value, Multiply(weights[i], used[i].Values[part]));
            }

            int length = Length(part);
            Throw.If(value >> (8 * length) != 0, HorizontalError.CheckFailed, "The shares do not belong to one secret.");
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
            bytes[..length].CopyTo(secret.AsSpan(part * PartBytes));
        }

        return secret;
    }

    internal static ulong Multiply(ulong a, ulong b)
    {
        UInt128 product = (UInt128)a * b;
        return Add((ulong)(product & Prime), (ulong)(product >> 61));
    }

    internal static ulong Add(ulong a, ulong b)
    {
        // Below 2p; p is taken off and, where that went below zero, put back: no branch on what may be a secret.
        ulong reduced = a + b - Prime;
        return reduced + (Prime & (ulong)((long)reduced >> 63));
    }

    internal static ulong Invert(ulong a)
    {
        // a^(p − 2), Fermat.
        ulong result = 1;
        for (ulong exponent = Prime - 2; exponent > 0; exponent >>= 1, a = Multiply(a, a))
        {
            if ((exponent & 1) == 1)
            {
                result = Multiply(result, a);
            }
        }

        return result;
    }

    // Lagrange at 0: Π x_j / (x_j − x_i).
    private static ulong WeightAtZero(SecretShare share, SecretShare[] all)
    {
        ulong above = 1;
        ulong below = 1;
        foreach (SecretShare other in all.Where(other => other.X != share.X))
        {
            above = Multiply(above, (ulong)other.X);
            below = Multiply(below, Add((ulong)other.X, Prime - (ulong)share.X));
        }

        return Multiply(above, Invert(below));
    }

    private static ulong Part(ReadOnlySpan<byte> secret, int part)
    {
        Span<byte> bytes = stackalloc byte[8];
        bytes.Clear();
        secret.Slice(part * PartBytes, Length(part)).CopyTo(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    private static int Length(int part) => Math.Min(PartBytes, SecretBytes - (part * PartBytes));
}
