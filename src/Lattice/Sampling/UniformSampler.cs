using System.Buffers.Binary;
using System.Runtime.InteropServices;
using VertFed.Primitives;

namespace VertFed.Lattice;

/// <summary>Uniform residues: public polynomials expanded from a seed, and secret masks.</summary>
internal static class UniformSampler
{
    /// <summary>
    /// Expands the uniform polynomial of a public seed, in evaluation form: for each prime a block of packed 50-bit draws, then one further
    /// 64-bit draw after another, cut to 50 bits, for each that was not below the prime.
    /// </summary>
    internal static void Expand(LatticeParameters parameters, ReadOnlySpan<byte> seed, ReadOnlySpan<byte> purpose, RingElement destination)
    {
        if (seed.Length != RandomStream.KeyBytes)
        {
            LatticeError.Argument(nameof(seed), "A public seed has 32 bytes.");
        }

        using RandomStream stream = RandomStream.Derive(seed, [.. purpose, .. parameters.IdSpan]);
        byte[] block = new byte[ResiduePacking.PackedBytes(parameters.Degree)];
        for (int i = 0; i < parameters.PrimeCount; i++)
        {
            stream.Fill(block);
            Span<double> residues = destination[i];
            double p = parameters.Primes[i].P;
            if (!ResiduePacking.Unpack(block, residues, p))
            {
                Redraw(stream, residues, p);
            }
        }
    }

    /// <summary>Independent uniform integers in [0, bound). Time depends on rejected draws only.</summary>
    internal static void FillBelow(RandomStream stream, ulong bound, Span<ulong> destination)
    {
        ulong mask = ulong.MaxValue >> System.Numerics.BitOperations.LeadingZeroCount(bound - 1);
        stream.Fill(MemoryMarshal.AsBytes(destination));
        for (int i = 0; i < destination.Length; i++)
        {
            ulong draw = BitConverter.IsLittleEndian ? destination[i] : BinaryPrimitives.ReverseEndianness(destination[i]);
            draw &= mask;
            destination[i] = draw < bound ? draw : stream.NextBelow(bound);
        }
    }

    private static void Redraw(RandomStream stream, Span<double> residues, double prime)
    {
        const ulong mask = (1UL << ResiduePacking.Bits) - 1;
        for (int k = 0; k < residues.Length; k++)
        {
            while (residues[k] >= prime)
            {
                residues[k] = stream.NextUInt64() & mask;
            }
        }
    }
}
