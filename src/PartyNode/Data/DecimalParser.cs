using System.Globalization;

namespace VertFed.PartyNode.Data;

/// <summary>Decimal text in UTF-8 to the nearest double, the same double that <see cref="double.Parse(string)"/> gives.</summary>
/// <remarks>
/// Fast path (Clinger, "How to read floating point numbers accurately", 1990): a mantissa of at most 2^53 times or divided by
/// a power of ten up to 10^22 is one correctly rounded operation on exact operands. All else goes to the framework's parser.
/// </remarks>
internal static class DecimalParser
{
    private const int LongestCell = 400;

    private static ReadOnlySpan<double> PowersOfTen =>
    [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
        1e21, 1e22,
    ];

    /// <summary>Spaces and tabs around the number are allowed; grouping of digits is not.</summary>
    /// <param name="text">A cell.</param>
    /// <param name="point">The decimal mark: '.' or ','.</param>
    /// <param name="value">The number; infinite if it is too large for a double, NaN if the cell says so.</param>
    public static bool TryParse(ReadOnlySpan<byte> text, byte point, out double value)
    {
        text = Trim(text);
        value = 0;
        int at = 0;
        bool negative = false;
        if (text.Length > 0 && (text[0] == (byte)'-' || text[0] == (byte)'+'))
        {
            negative = text[0] == (byte)'-';
            at = 1;
        }

        ulong mantissa = 0;
        int digits = 0;
        int fraction = 0;
        bool seenPoint = false;
        for (; at < text.Length; at++)
        {
            uint digit = (uint)(text[at] - '0');
            if (digit <= 9)
            {
                mantissa = (mantissa * 10) + digit;
                digits++;
                fraction += seenPoint ? 1 : 0;
            }
            else if (text[at] == point && !seenPoint)
            {
                seenPoint = true;
            }
            else
            {
                break;
            }
        }

        if (digits is 0 or > 18 || at < text.Length || mantissa > 1UL << 53 || fraction > 22)
        {
            return TryParseSlow(text, point, out value);
        }

        value = mantissa / PowersOfTen[fraction];
        value = negative ? -value : value;
        return true;
    }

    public static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> text) => text.Trim(" \t"u8);

    private static bool TryParseSlow(ReadOnlySpan<byte> text, byte point, out double value)
    {
        value = 0;
        if (text.Length is 0 or > LongestCell)
        {
            return false;
        }

        Span<byte> copy = stackalloc byte[text.Length];
        text.CopyTo(copy);
        if (point != (byte)'.')
        {
            if (copy.Contains((byte)'.'))
            {
                return false;
            }

            copy.Replace(point, (byte)'.');
        }

        const NumberStyles Style = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(copy, Style, CultureInfo.InvariantCulture, out value);
    }
}
