using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>One signature line of a note.</summary>
/// <param name="KeyName">Without white space and plus.</param>
/// <param name="KeyId">The first four bytes, big-endian.</param>
/// <param name="Signature">What follows the key id; at least one byte.</param>
public sealed record NoteSignature(string KeyName, uint KeyId, byte[] Signature)
{
    /// <summary>The line as it stands in a note, with its newline.</summary>
    public override string ToString()
    {
        byte[] blob = new byte[sizeof(uint) + Signature.Length];
        BinaryPrimitives.WriteUInt32BigEndian(blob, KeyId);
        Signature.CopyTo(blob, sizeof(uint));
        return $"{SignedNote.LineStart}{KeyName} {Convert.ToBase64String(blob)}\n";
    }
}

/// <summary>A text with signatures of one or more keys, as c2sp.org/signed-note defines it. Immutable; nothing is verified here.</summary>
public sealed class SignedNote
{
    /// <summary>Longest note that is read, in bytes.</summary>
    public const int MaxBytes = 128 * 1024;

    /// <summary>Most signature lines that are read: those of a coordinator and of the most parties that a job can have.</summary>
    public const int MaxSignatures = HorizontalSpecification.MostParties + 1;

    /// <summary>Em dash and space.</summary>
    internal const string LineStart = "\u2014 ";

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private SignedNote(string text, IReadOnlyList<NoteSignature> signatures)
    {
        Text = text;
        Signatures = signatures;
    }

    /// <summary>What is signed, with its last newline.</summary>
    public string Text { get; }

    /// <summary>In the order of the note; of any key.</summary>
    public IReadOnlyList<NoteSignature> Signatures { get; }

    /// <summary>The text's bytes.</summary>
    public byte[] TextBytes => StrictUtf8.GetBytes(Text);

    /// <summary>Reads a note. Exactly one sequence of bytes stands for a note.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: malformed or beyond a limit.</exception>
    public static SignedNote Parse(ReadOnlySpan<byte> note)
    {
        if (note.Length > MaxBytes)
        {
            throw Malformed($"it has {note.Length} bytes; at most {MaxBytes} are allowed");
        }

        string all;
        try
        {
            all = StrictUtf8.GetString(note);
        }
        catch (DecoderFallbackException e)
        {
            throw Malformed("it is not UTF-8", e);
        }

        if (all.Any(c => c < ' ' && c != '\n'))
        {
            throw Malformed("it has a control character");
        }

        int end = all.LastIndexOf("\n\n", StringComparison.Ordinal);
        if (end < 0 || end + 2 == all.Length || all[^1] != '\n')
        {
            throw Malformed("a text, an empty line and lines of signatures do not follow each other");
        }

        string[] lines = all[(end + 2)..^1].Split('\n');
        return lines.Length <= MaxSignatures
            ? new SignedNote(all[..(end + 1)], [.. lines.Select(ParseLine)])
            : throw Malformed($"it has more than {MaxSignatures} signatures");
    }

    /// <summary>The bytes of a note.</summary>
    internal static byte[] Write(string text, IEnumerable<NoteSignature> signatures) =>
        StrictUtf8.GetBytes($"{text}\n{string.Concat(signatures)}");

    /// <summary>Whether a text can name a key: not empty, no white space, no plus, no control character.</summary>
    internal static bool IsKeyName(string name) =>
        name.Length > 0 && !name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || c == '+');

    /// <summary>The first four bytes of SHA-256(name || newline || signature type || public key).</summary>
    internal static uint KeyIdOf(string name, byte signatureType, ReadOnlySpan<byte> publicKey) =>
        BinaryPrimitives.ReadUInt32BigEndian(
            SHA256.HashData([.. StrictUtf8.GetBytes(name), (byte)'\n', signatureType, .. publicKey]));

    private static NoteSignature ParseLine(string line)
    {
        if (!line.StartsWith(LineStart, StringComparison.Ordinal) || line[LineStart.Length..].Split(' ') is not [string name, string encoded])
        {
            throw Malformed("a line of signature is not '\u2014 name signature'");
        }

        if (!IsKeyName(name))
        {
            throw Malformed("a key's name is empty or has a character that names may not have");
        }

        byte[] blob = Base64.Decode(encoded) is { Length: > sizeof(uint) } decoded
            ? decoded
            : throw Malformed($"the signature of '{name}' is not base64 of more than {sizeof(uint)} bytes");
        return new NoteSignature(name, BinaryPrimitives.ReadUInt32BigEndian(blob), blob[sizeof(uint)..]);
    }

    private static VertFedException Malformed(string why, Exception? inner = null) =>
        Error.DoesNotVerify($"A signed note is malformed: {why}.", inner: inner);
}
