using System.Buffers.Binary;
using System.Security.Cryptography;
using VertFed.Primitives;

namespace VertFed.Lattice;

/// <summary>
/// Flooding noise: uniform integers on [−2^k, 2^k), each from k + 1 raw bits of the stream, added modulo every prime without
/// rounding. (A scaled double near 2^120 would leave the low bits of the noise below it bare.)
/// </summary>
internal static class FloodSampler
{
    private const int LimbBits = 48;
    private const int LimbBytes = LimbBits / 8;
    private const int Chunk = 64;

    /// <summary>Adds noise to the first <paramref name="count"/> of <paramref name="length"/> coefficients of each prime.</summary>
    internal static void Add(
        LatticeParameters parameters, int exponent, RandomStream stream, Span<double> residues, int length, int count)
    {
        int limbs = (exponent + LimbBits) / LimbBits;
        int topBits = exponent + 1 - (LimbBits * (limbs - 1));
        double[][] values = new double[limbs][];
        for (int j = 0; j < limbs; j++)
        {
            values[j] = GC.AllocateArray<double>(length, pinned: true);
        }

        Draw(stream, values, count, topBits);
        for (int i = 0; i < parameters.PrimeCount; i++)
        {
            NttTables tables = parameters.Primes[i];
            for (int j = 0; j < limbs; j++)
            {
                double weight = tables.Centred(PrimeNumbers.PowMod(2, (ulong)(LimbBits * j), tables.Prime));
                parameters.Kernel.MultiplyAddConstant(tables, values[j], weight, residues.Slice(i * length, length));
            }
        }

        foreach (double[] limb in values)
        {
            CryptographicOperations.ZeroMemory(System.Runtime.InteropServices.MemoryMarshal.AsBytes(limb.AsSpan()));
        }
    }

    private static void Draw(RandomStream stream, double[][] values, int count, int topBits)
    {
        // The highest limb carries the sign: subtracting half its range shifts [0, 2^(k+1)) to [−2^k, 2^k).
        ulong topMask = (1UL << topBits) - 1;
        double topOffset = 1UL << (topBits - 1);
        int sampleBytes = values.Length * LimbBytes;
        Span<byte> bytes = stackalloc byte[(Chunk * 8 * LimbBytes) + 2];
        for (int start = 0; start < count; start += Chunk)
        {
            int part = Math.Min(Chunk, count - start);
            stream.Fill(bytes[..(part * sampleBytes)]);
            for (int k = 0; k < part; k++)
            {
                for (int j = 0; j < values.Length; j++)
                {
                    ulong limb = BinaryPrimitives.ReadUInt64LittleEndian(bytes[((k * sampleBytes) + (j * LimbBytes))..]);
                    limb &= j == values.Length - 1 ? topMask : (1UL << LimbBits) - 1;
                    values[j][start + k] = j == values.Length - 1 ? limb - topOffset : limb;
                }
            }
        }

        CryptographicOperations.ZeroMemory(bytes);
    }
}
