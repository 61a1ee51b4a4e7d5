using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace VertFed.EndToEnd;

/// <summary>
/// Looks for planted values in files, in every form they could have leaked in: text as UTF-8, UTF-16 and base64 at its three
/// offsets, SHA-256 raw and in hexadecimal, numbers as float64 in both byte orders.
/// </summary>
internal sealed class NeedleSearch
{
    private readonly Dictionary<string, string> _meaning = new(StringComparer.Ordinal);

    /// <summary>Adds a text in all its forms. Short texts would be found by chance and are refused.</summary>
    public NeedleSearch Text(string what, string text)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(text.Length, 6);
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        Add($"{what} as UTF-8", utf8);
        Add($"{what} as UTF-16", Encoding.Unicode.GetBytes(text));
        Add($"{what} as UTF-16, big-endian", Encoding.BigEndianUnicode.GetBytes(text));
        for (int offset = 0; offset < 3; offset++)
        {
            Add(string.Create(CultureInfo.InvariantCulture, $"{what} as base64 at offset {offset}"), Base64Core(utf8, offset));
        }

        byte[] hash = SHA256.HashData(utf8);
        Add($"SHA-256 of {what}", hash);
        Add($"SHA-256 of {what} in hexadecimal", Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hash)));
        Add($"SHA-256 of {what} in upper-case hexadecimal", Encoding.ASCII.GetBytes(Convert.ToHexString(hash)));
        return this;
    }

    /// <summary>Adds a number in both byte orders and as the text it has in a file.</summary>
    public NeedleSearch Number(string what, double value, string? text = null)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
        Add($"{what} as float64, little-endian", bytes);
        BinaryPrimitives.WriteDoubleBigEndian(bytes, value);
        Add($"{what} as float64, big-endian", bytes);
        if (text is not null)
        {
            Add($"{what} as UTF-8", Encoding.UTF8.GetBytes(text));
            Add($"{what} as UTF-16", Encoding.Unicode.GetBytes(text));
        }

        return this;
    }

    /// <summary>What was found in a folder's files, each finding once.</summary>
    public IReadOnlyCollection<string> In(string folder) =>
        [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).SelectMany(path => InBytes(File.ReadAllBytes(path))).Distinct(StringComparer.Ordinal)];

    /// <summary>What was found in these bytes.</summary>
    public IReadOnlyCollection<string> InBytes(ReadOnlySpan<byte> content)
    {
        // One char a byte, so that the platform's vectorised search for many strings serves for bytes.
        SearchValues<string> needles = SearchValues.Create([.. _meaning.Keys], StringComparison.Ordinal);
        string text = Encoding.Latin1.GetString(content);
        HashSet<string> found = new(StringComparer.Ordinal);
        for (int at = text.AsSpan().IndexOfAny(needles), from = 0; at >= 0; at = text.AsSpan(from).IndexOfAny(needles))
        {
            from += at;
            foreach ((string needle, string meaning) in _meaning)
            {
                if (string.CompareOrdinal(text, from, needle, 0, needle.Length) == 0)
                {
                    found.Add(meaning);
                }
            }

            from++;
        }

        return found;
    }

    // The base64 characters that depend on the text alone, whatever stands around it at this offset modulo 3.
    private static byte[] Base64Core(byte[] text, int offset)
    {
        string encoded = Convert.ToBase64String([.. new byte[offset], .. text]);
        int first = offset == 0 ? 0 : offset + 1;
        int last = ((offset + text.Length) * 8 / 6);
        return Encoding.ASCII.GetBytes(encoded[first..last]);
    }

    private void Add(string meaning, byte[] needle) => _meaning[Encoding.Latin1.GetString(needle)] = meaning;
}
