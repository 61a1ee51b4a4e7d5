using System.Buffers.Binary;

namespace VertFed.Lattice;

/// <summary>Residues as consecutive 50-bit little-endian fields without gaps: four residues in 25 bytes.</summary>
internal static class ResiduePacking
{
    internal const int Bits = 50;

    private const ulong Mask = (1UL << Bits) - 1;

    internal static int PackedBytes(int residues) => residues / 4 * 25;

    /// <summary>Packs canonical residues; their number is a multiple of four.</summary>
    internal static void Pack(ReadOnlySpan<double> residues, Span<byte> destination)
    {
        for (int k = 0; k < residues.Length; k += 4, destination = destination[25..])
        {
            ulong a = (ulong)residues[k], b = (ulong)residues[k + 1], c = (ulong)residues[k + 2], d = (ulong)residues[k + 3];
            BinaryPrimitives.WriteUInt64LittleEndian(destination, a | (b << 50));
            BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], (b >> 14) | (c << 36));
            BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], (c >> 28) | (d << 22));
            destination[24] = (byte)(d >> 42);
        }
    }

    /// <summary>Unpacks fields and says whether every one is below the prime.</summary>
    internal static bool Unpack(ReadOnlySpan<byte> source, Span<double> residues, double prime)
    {
        bool below = true;
        for (int k = 0; k < residues.Length; k += 4, source = source[25..])
        {
            ulong u = BinaryPrimitives.ReadUInt64LittleEndian(source);
            ulong v = BinaryPrimitives.ReadUInt64LittleEndian(source[8..]);
            ulong w = BinaryPrimitives.ReadUInt64LittleEndian(source[16..]);
            double a = u & Mask;
            double b = ((u >> 50) | (v << 14)) & Mask;
            double c = ((v >> 36) | (w << 28)) & Mask;
            double d = (w >> 22) | ((ulong)source[24] << 42);
            below &= a < prime & b < prime & c < prime & d < prime;
            residues[k] = a;
            residues[k + 1] = b;
            residues[k + 2] = c;
            residues[k + 3] = d;
        }

        return below;
    }
}
