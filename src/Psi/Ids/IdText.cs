using System.Text;
using VertFed.Protocol;

namespace VertFed.Psi.Ids;

/// <summary>Ids as UTF-8, the form that is hashed.</summary>
internal static class IdText
{
    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Refuses an id that is too long or holds half of a surrogate pair.</summary>
    /// <param name="id">The normalised id.</param>
    /// <param name="row">Its row from 0; the message counts from 1.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>.</exception>
    public static void Check(string id, int row)
    {
        int length;
        try
        {
            length = s_strict.GetByteCount(id);
        }
        catch (EncoderFallbackException exception)
        {
            throw PsiError.Input($"The id of row {row + 1} is not usable: it holds broken Unicode.", exception);
        }

        if (length > Limits.MaxIdBytes)
        {
            throw PsiError.Input($"The id of row {row + 1} has {length} bytes; at most {Limits.MaxIdBytes} are allowed.");
        }
    }

    /// <summary>Writes the UTF-8 form of a checked id and returns its length.</summary>
    /// <param name="id">A checked id.</param>
    /// <param name="utf8">At least <see cref="Limits.MaxIdBytes"/>.</param>
    public static int Write(string id, Span<byte> utf8) => s_strict.GetBytes(id, utf8);
}
