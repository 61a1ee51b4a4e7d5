using System.Buffers.Binary;
using System.Security.Cryptography;

namespace VertFed.Psi.Group;

/// <summary>expand_message_xmd with SHA-512: RFC 9380, section 5.3.1.</summary>
internal static class ExpandMessageXmd
{
    private const int HashBytes = 64;
    private const int BlockBytes = 128;
    private const int MaxStackBytes = 2048;

    /// <summary>Fills the output with uniform bytes that depend on the message and the domain separation tag.</summary>
    /// <param name="message">Any bytes.</param>
    /// <param name="tag">1 to 255 bytes.</param>
    /// <param name="uniform">At most 255 hashes (16,320 bytes).</param>
    /// <exception cref="ArgumentException">The tag or the output is too long, or the tag is empty.</exception>
    public static void Expand(ReadOnlySpan<byte> message, ReadOnlySpan<byte> tag, Span<byte> uniform)
    {
        if (tag.IsEmpty || tag.Length > 255)
        {
            throw new ArgumentException("A domain separation tag has 1 to 255 bytes.", nameof(tag));
        }

        if (uniform.Length > 255 * HashBytes)
        {
            throw new ArgumentException("At most 255 hash lengths can be expanded.", nameof(uniform));
        }

        // Z_pad || msg || l_i_b_str || 0 || DST || len(DST)
        int inputBytes = BlockBytes + message.Length + 3 + tag.Length + 1;
        Span<byte> input = inputBytes <= MaxStackBytes ? stackalloc byte[inputBytes] : new byte[inputBytes];
        input[..BlockBytes].Clear();
        message.CopyTo(input[BlockBytes..]);
        Span<byte> rest = input[(BlockBytes + message.Length)..];
        BinaryPrimitives.WriteUInt16BigEndian(rest, (ushort)uniform.Length);
        rest[2] = 0;
        tag.CopyTo(rest[3..]);
        rest[^1] = (byte)tag.Length;
        Span<byte> b0 = stackalloc byte[HashBytes];
        SHA512.HashData(input, b0);

        // b_i = H((b_0 xor b_(i−1)) || i || DST || len(DST)), with b_0 alone for i = 1.
        Span<byte> block = stackalloc byte[HashBytes + 1 + 255 + 1];
        block = block[..(HashBytes + 1 + tag.Length + 1)];
        b0.CopyTo(block);
        tag.CopyTo(block[(HashBytes + 1)..]);
        block[^1] = (byte)tag.Length;
        Span<byte> b = stackalloc byte[HashBytes];
        for (int i = 1; !uniform.IsEmpty; i++)
        {
            block[HashBytes] = (byte)i;
            SHA512.HashData(block, b);
            int take = Math.Min(HashBytes, uniform.Length);
            b[..take].CopyTo(uniform);
            uniform = uniform[take..];
            for (int j = 0; j < HashBytes; j++)
            {
                block[j] = (byte)(b0[j] ^ b[j]);
            }
        }
    }
}
