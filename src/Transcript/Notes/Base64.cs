namespace VertFed.Transcript;

/// <summary>RFC 4648, section 4, with one reading: padded, no white space, unused bits zero.</summary>
internal static class Base64
{
    /// <returns>The bytes, or null if the text is not what an encoder would write for them.</returns>
    public static byte[]? Decode(string text)
    {
        byte[] buffer = new byte[(text.Length / 4 * 3) + 3];
        return Convert.TryFromBase64String(text, buffer, out int written) && Convert.ToBase64String(buffer, 0, written) == text
            ? buffer[..written]
            : null;
    }
}
