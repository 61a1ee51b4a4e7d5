using System.Text;
using VertFed.Protocol;

namespace VertFed.Psi.Group;

/// <summary>
/// hash_to_ristretto255 (RFC 9380, appendix B) up to its last step: an id to the 64 uniform bytes that
/// <see cref="RistrettoBatch.DeriveAndMultiply"/> maps to the group.
/// </summary>
internal static class HashToGroup
{
    /// <summary>The domain separation tag of the alignment, named after RFC 9380, sections 3.1 and 8.10.</summary>
    public static ReadOnlySpan<byte> AlignmentTag => "VertFed-V01-CS01-with-ristretto255_XMD:SHA-512_R255MAP_RO_"u8;

    private static readonly UTF8Encoding s_strictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>64 uniform bytes from the UTF-8 form of an id.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: longer than <see cref="Limits.MaxIdBytes"/>.</exception>
    /// <exception cref="EncoderFallbackException">Half of a surrogate pair.</exception>
    public static void Hash(string id, Span<byte> uniform)
    {
        int length = s_strictUtf8.GetByteCount(id);
        if (length > Limits.MaxIdBytes)
        {
            throw new VertFedException(ErrorCode.BadInput, $"An id has {length} bytes; at most {Limits.MaxIdBytes} are allowed.");
        }

        Span<byte> utf8 = stackalloc byte[Limits.MaxIdBytes];
        utf8 = utf8[..s_strictUtf8.GetBytes(id, utf8)];
        ExpandMessageXmd.Expand(utf8, AlignmentTag, uniform);
        utf8.Clear();
    }
}
