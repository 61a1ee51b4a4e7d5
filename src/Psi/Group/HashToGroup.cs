using VertFed.Protocol;
using VertFed.Psi.Ids;

namespace VertFed.Psi.Group;

/// <summary>
/// hash_to_ristretto255 (RFC 9380, appendix B) up to its last step: an id to the 64 uniform bytes that
/// <see cref="RistrettoBatch.DeriveAndMultiply"/> maps to the group.
/// </summary>
internal static class HashToGroup
{
    /// <summary>The domain separation tag of the alignment, named after RFC 9380, sections 3.1 and 8.10.</summary>
    public static ReadOnlySpan<byte> AlignmentTag => "VertFed-V01-CS01-with-ristretto255_XMD:SHA-512_R255MAP_RO_"u8;

    /// <summary>64 uniform bytes from the UTF-8 form of an id that <see cref="IdText.Check"/> accepted.</summary>
    public static void Hash(string id, Span<byte> uniform)
    {
        Span<byte> utf8 = stackalloc byte[Limits.MaxIdBytes];
        int length = IdText.Write(id, utf8);
        ExpandMessageXmd.Expand(utf8[..length], AlignmentTag, uniform);
    }
}
