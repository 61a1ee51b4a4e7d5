using System.Globalization;
using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>
/// Finds out a CSV file's delimiter and decimal mark from its first bytes, where they are not declared. What could be read in two ways
/// is refused: a comma or a point may part thousands as well as decimals.
/// </summary>
internal static class CsvFormat
{
    /// <summary>How much of a file is looked at.</summary>
    public const int HeadBytes = 256 * 1024;

    private const int SampleRows = 2_000;
    private static ReadOnlySpan<byte> Delimiters => ",;\t|"u8;

    /// <summary>The one of , ; tab | that stands most often outside quotes in the first line; a comma where none does.</summary>
    public static byte Delimiter(ReadOnlySpan<byte> head, InputErrors errors)
    {
        Span<int> counts = stackalloc int[Delimiters.Length];
        bool inQuotes = false;
        bool hasText = false;
        foreach (byte b in head)
        {
            if (b is (byte)'\n' or (byte)'\r' && !inQuotes)
            {
                if (hasText)
                {
                    break;
                }

                continue;
            }

            hasText = true;
            inQuotes ^= b == (byte)'"';
            int which = Delimiters.IndexOf(b);
            if (which >= 0 && !inQuotes)
            {
                counts[which]++;
            }
        }

        int most = 0;
        for (int i = 1; i < counts.Length; i++)
        {
            most = counts[i] > counts[most] ? i : most;
        }

        return counts[most] > 0 && counts.Count(counts[most]) > 1 ? throw errors.AmbiguousDelimiter() : Delimiters[most];
    }

    /// <summary>Whether the sampled numbers have decimal commas; false where no cell tells.</summary>
    /// <param name="numbers">Positions of the columns that hold numbers.</param>
    public static bool DecimalComma(byte[] head, byte delimiter, IReadOnlyList<int> numbers, IReadOnlyList<string> names, InputErrors errors)
    {
        if (delimiter == (byte)',')
        {
            return false;
        }

        int end = Array.LastIndexOf(head, (byte)'\n') + 1;
        CsvTokeniser record = new(new MemoryStream(head, 0, end == 0 ? head.Length : end), delimiter, errors);
        Marks points = default;
        Marks commas = default;
        try
        {
            record.ReadRecord();
            for (int row = 0; row < SampleRows && record.ReadRecord() && record.FieldCount == names.Count; row++)
            {
                foreach (int column in numbers)
                {
                    ReadOnlySpan<byte> cell = DecimalParser.Trim(record.Field(column));
                    points.Look(cell, (byte)'.', column);
                    commas.Look(cell, (byte)',', column);
                }
            }
        }
        catch (VertFedException)
        {
            // What is malformed, or cut off where the sample ends, is for the reading itself to tell.
        }

        return (points.Any, commas.Any) switch
        {
            ({ } point, { } comma) => throw errors.TwoDecimalMarks(names[comma], names[point]),
            ({ } point, null) => points.Certain is null ? throw errors.AmbiguousPoints(names[point]) : false,
            (null, { } comma) => commas.Certain is null ? throw errors.AmbiguousDecimals(names[comma]) : true,
            _ => false,
        };
    }

    /// <summary>A header that does not split where it was declared to, and would with another delimiter.</summary>
    public static void RefuseOtherDelimiter(CsvTokeniser header, byte delimiter, InputErrors errors)
    {
        foreach ((char other, string looksLike, string declare) in new[]
        {
            (';', "semicolon", "';'"), ('\t', "tab", "\"\\t\""), ('|', "pipe", "'|'"), (',', "comma", "','"),
        })
        {
            int count = 0;
            for (int i = 0; i < header.FieldCount; i++)
            {
                count += header.Field(i).Count((byte)other);
            }

            if (other != delimiter && count >= header.FieldCount)
            {
                throw errors.WrongDelimiter(looksLike, declare);
            }
        }
    }

    /// <summary>What of the format decides on the values.</summary>
    public static string Reading(byte delimiter, bool decimalComma) => $"csv {(char)delimiter} {(decimalComma ? ',' : '.')}";

    /// <summary>The format in words.</summary>
    public static string Describe(byte delimiter, bool delimiterFound, bool decimalComma, bool decimalFound, bool compressed, bool marked) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"CSV{(compressed ? ", gzip" : "")}, UTF-8{(marked ? " with byte-order mark" : "")}, delimiter {Word(delimiter)}{Found(delimiterFound)}, decimal {(decimalComma ? "comma" : "point")}{Found(decimalFound)}");

    private static string Found(bool found) => found ? " (detected)" : "";

    private static string Word(byte delimiter) => delimiter switch
    {
        (byte)'\t' => "tab",
        _ => $"'{(char)delimiter}'",
    };

    /// <summary>Where a mark stands in numbers: columns whose cells show it to part decimals, or leave open whether it parts thousands.</summary>
    private struct Marks
    {
        private const int Group = 3;

        public int? Certain { get; private set; }

        public int? Open { get; private set; }

        public readonly int? Any => Certain ?? Open;

        public void Look(ReadOnlySpan<byte> cell, byte mark, int column)
        {
            if (!cell.Contains(mark) || !DecimalParser.TryParse(cell, mark, out _))
            {
                return;
            }

            if (MayBeThousands(cell.TrimStart("+-"u8), mark))
            {
                Open = column;
            }
            else
            {
                Certain = column;
            }
        }

        /// <summary>1,234 may be thousands; 0,123 and 1234,567 and 1,2 are not.</summary>
        private static bool MayBeThousands(ReadOnlySpan<byte> digits, byte mark)
        {
            int before = digits.IndexOf(mark);
            return before is > 0 and <= Group && digits[0] != (byte)'0' && digits.Length - before - 1 == Group
                && !digits[(before + 1)..].ContainsAnyExceptInRange((byte)'0', (byte)'9');
        }
    }
}
