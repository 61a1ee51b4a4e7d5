using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using VertFed.Primitives;

namespace VertFed.Horizontal.SecureAggregation;

/// <summary>Masks: uniform vectors modulo 2^64 that a 32-byte key expands to, read little-endian from a <see cref="RandomStream"/>.</summary>
internal static class Masks
{
    private const int Block = 512;

    /// <summary>vector ← vector ± mask, modulo 2^64.</summary>
    public static void Apply(ReadOnlySpan<byte> key, string purpose, SecureSumPlan plan, Span<ulong> vector, bool add)
    {
        byte[] info = [.. Encoding.UTF8.GetBytes(purpose), 0, .. Number(plan.Round), .. Number(plan.Length)];
        using RandomStream stream = RandomStream.Derive(key, info);
        Span<ulong> mask = stackalloc ulong[Block];
        for (int start = 0; start < vector.Length; start += Block)
        {
            Span<ulong> part = vector[start..Math.Min(start + Block, vector.Length)];
            stream.Fill(MemoryMarshal.AsBytes(mask));
            for (int i = 0; i < part.Length; i++)
            {
                ulong value = BitConverter.IsLittleEndian ? mask[i] : BinaryPrimitives.ReverseEndianness(mask[i]);
                part[i] = add ? unchecked(part[i] + value) : unchecked(part[i] - value);
            }
        }

        CryptographicOperations.ZeroMemory(MemoryMarshal.AsBytes(mask));
    }

    /// <summary>The purpose of the masks that two clients share; agreed with their mask keys.</summary>
    public static string Pairwise(SecureSumPlan plan) => FormattableString.Invariant($"pairwise-mask/{plan.Round}");

    public const string Pair = "pair";
    public const string Self = "self";

    private static byte[] Number(long value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }
}
