using System.Buffers.Binary;
using System.Numerics;
using System.Security.Cryptography;
using VertFed.Primitives;

namespace VertFed.Lattice;

/// <summary>
/// Centred binomial errors, η = 21: the number of ones among 21 bits minus that among 21 others; variance 10.5, standard
/// deviation 3.24, |e| ≤ 21. Shifts, masks and population counts only.
/// </summary>
internal static class ErrorSampler
{
    private const int BytesPerSample = 6;
    private const int Chunk = 256;
    private const ulong Half = (1UL << LatticeParameters.ErrorEta) - 1;

    internal static void Fill(RandomStream stream, Span<double> destination)
    {
        Span<byte> bytes = stackalloc byte[(Chunk * BytesPerSample) + 2];
        for (int start = 0; start < destination.Length; start += Chunk)
        {
            Span<double> part = destination.Slice(start, Math.Min(Chunk, destination.Length - start));
            stream.Fill(bytes[..(part.Length * BytesPerSample)]);
            for (int i = 0; i < part.Length; i++)
            {
                ulong bits = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(i * BytesPerSample)..]);
                part[i] = BitOperations.PopCount(bits & Half) - BitOperations.PopCount((bits >> LatticeParameters.ErrorEta) & Half);
            }
        }

        CryptographicOperations.ZeroMemory(bytes);
    }
}
