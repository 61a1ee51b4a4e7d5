using System.Security.Cryptography;
using VertFed.Primitives;

namespace VertFed.Lattice;

/// <summary>
/// Exactly uniform values in {−1, 0, 1}: a byte below 243 = 3^5 gives five base-3 digits. Only bytes of 243 and more are
/// rejected, which says nothing about the accepted ones; digits come from multiplications and shifts, not tables.
/// </summary>
internal static class TernarySampler
{
    private const int DigitsPerByte = 5;
    private const int Chunk = 512;

    internal static void Fill(RandomStream stream, Span<double> destination)
    {
        Span<byte> bytes = stackalloc byte[Chunk];
        int used = Chunk;
        for (int k = 0; k < destination.Length;)
        {
            if (used == Chunk)
            {
                stream.Fill(bytes);
                used = 0;
            }

            uint value = bytes[used++];
            if (value >= 243)
            {
                continue;
            }

            for (int digit = 0; digit < DigitsPerByte && k < destination.Length; digit++)
            {
                // 171/512 is 1/3 for every value below 512.
                uint third = (value * 171) >> 9;
                destination[k++] = (int)(value - (3 * third)) - 1;
                value = third;
            }
        }

        CryptographicOperations.ZeroMemory(bytes);
    }
}
