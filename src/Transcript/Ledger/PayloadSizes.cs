namespace VertFed.Transcript;

/// <summary>
/// What the size of a sealed payload tells of the message inside: seals add a constant, and protobuf writes lists of fixed-width numbers
/// and hashes in a length that gives their count.
/// </summary>
internal static class PayloadSizes
{
    /// <summary>Nonce (12) and tag (16).</summary>
    public const int SealBytes = 28;

    /// <summary>A ModelBinding: a job id and three hashes of 32 bytes, each with tag and length.</summary>
    public const ulong ModelBindingBytes = 4 * (1 + 1 + 32);

    /// <summary>Rows of a ScoreShares block.</summary>
    public const long ScoreBlockRows = 8192;

    /// <summary>Its shares: 4 bytes each, a tag, and a length of three bytes.</summary>
    public const ulong ScoreBlockBytes = (4 * (ulong)ScoreBlockRows) + 1 + 3;

    private const int TagBytes = 1;
    private const int ElementBytes = 32;
    private const int NumberBytes = 8;

    /// <summary>Most bytes of the one small number that may stand beside the optimiser's: tag and a count of at most 10^8.</summary>
    private const int MostClippedBytes = TagBytes + 4;

    /// <summary>Length of a number as protobuf writes it.</summary>
    public static int Varint(ulong value)
    {
        int bytes = 1;
        for (ulong rest = value >> 7; rest != 0; rest >>= 7)
        {
            bytes++;
        }

        return bytes;
    }

    /// <summary>
    /// Elements of 32 bytes in one bytes field, beside at most two small numbers: fewer than 32 bytes, so that the division is exact.
    /// </summary>
    /// <param name="size">Of the message.</param>
    /// <param name="rest">Bytes beside the field of the elements.</param>
    /// <returns>Null: there is no such message.</returns>
    public static long? Elements(ulong size, out int rest)
    {
        rest = 0;
        if (size == 0)
        {
            return 0;
        }

        ulong count = (size - 1) / ElementBytes;
        int field = count == 0 ? 0 : TagBytes + Varint(count * ElementBytes);
        int left = (int)(size - (count * ElementBytes)) - field;
        rest = left;
        return left >= 0 ? (long)count : null;
    }

    /// <summary>Length of a number's field; nothing for 0.</summary>
    public static int Field(ulong value) => value == 0 ? 0 : TagBytes + Varint(value);

    /// <summary>Numbers of 8 bytes in one packed field that is the whole message.</summary>
    /// <returns>Null: there is no such message.</returns>
    public static long? Numbers(ulong size) => Numbers(size, mostBeside: 0);

    /// <summary>Values in an OptimiserScalars: numbers of 8 bytes and, unless it is 0, the count of clipped rows.</summary>
    /// <returns>Null: there is no such message.</returns>
    public static long? OptimiserValues(ulong size) => Numbers(size, MostClippedBytes);

    private static long? Numbers(ulong size, int mostBeside)
    {
        for (long count = (long)(size / NumberBytes); count >= 0; count--)
        {
            ulong bytes = (ulong)count * NumberBytes;
            ulong field = count == 0 ? 0 : bytes + TagBytes + (ulong)Varint(bytes);
            if (field > size)
            {
                continue;
            }

            // A number beside the list has a tag and at least one byte; a larger rest belongs to no count.
            ulong beside = size - field;
            return beside <= (ulong)mostBeside && beside != TagBytes ? count : null;
        }

        return null;
    }
}
