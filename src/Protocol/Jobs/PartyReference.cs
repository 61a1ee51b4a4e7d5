namespace VertFed.Protocol;

/// <summary>A party as a job spec names it.</summary>
/// <param name="Name">1 to 64 characters of a-z, 0-9, '-' and '_', starting with a letter.</param>
/// <param name="Fingerprint">SHA-256 of the identity key's SubjectPublicKeyInfo, 64 lower-case hexadecimal digits.</param>
public sealed record PartyReference(string Name, string Fingerprint)
{
    /// <summary>Longest name in characters.</summary>
    public const int MaxNameLength = 64;

    /// <summary>Whether a text can name a party.</summary>
    public static bool IsName(string? text) =>
        text is { Length: > 0 and <= MaxNameLength }
        && char.IsAsciiLetterLower(text[0])
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_');
}
