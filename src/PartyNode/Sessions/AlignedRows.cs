using System.Security.Cryptography;
using System.Text;
using VertFed.PartyNode.Data;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.PartyNode.Sessions;

/// <summary>Brings a party's table into the joint order and encodes its columns.</summary>
internal static class AlignedRows
{
    /// <summary>Takes the aligned rows of every column and encodes them by what the training rows among them teach. The table is used up.</summary>
    /// <param name="rows">Row numbers of the table in the joint order.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: see <see cref="ColumnEncoder.Fit"/>.</exception>
    public static (VerticalInput Input, ColumnEncoder Encoder, IReadOnlyDictionary<string, int> Unseen) Take(
        RawTable table, int[] rows, bool[] isTest, DatasetOptions options)
    {
        RawColumn[] aligned = table.TakeRows(rows);
        ColumnEncoder encoder = ColumnEncoder.Fit(aligned, isTest, options, table.Source);
        EncodedColumns encoded = encoder.Encode(aligned, table.Source);
        double[]? labels = table.Labels is { } all ? Array.ConvertAll(rows, row => all[row]) : null;
        return (new VerticalInput(encoded.Names, encoded.Columns, labels, isTest), encoder, encoded.Unseen);
    }

    /// <summary>Takes the aligned rows of the columns that a model was trained on, encoded as it was. The table is used up.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: see <see cref="ColumnEncoder.Encode"/>.</exception>
    public static (VerticalInput Input, IReadOnlyDictionary<string, int> Unseen) TakeAs(RawTable table, int[] rows, bool[] isTest, ColumnEncoder encoder)
    {
        EncodedColumns encoded = encoder.Encode(table.TakeRows(rows), table.Source);
        return (new VerticalInput(encoded.Names, encoded.Columns, labels: null, isTest), encoded.Unseen);
    }

    /// <summary>Refuses what no model can be fitted to, by file and column name.</summary>
    public static void RequireVariation(VerticalInput input, RawTable table, Family family)
    {
        InputErrors errors = new(table.Source);
        for (int i = 0; i < input.Features.Length; i++)
        {
            if (!Varies(input.Features[i], input.IsTest))
            {
                throw errors.ZeroVariance(input.Columns[i]);
            }
        }

        if (input.Labels is { } labels && !Varies(labels, input.IsTest))
        {
            throw family == Family.Linear ? errors.ZeroVariance(table.LabelName!) : errors.OneClass(table.LabelName!);
        }
    }

    /// <summary>SHA-256 over the sorted ids joined by line feeds, 32 bytes. Sorted by code point, as UTF-8 is.</summary>
    public static byte[] Sha256(IEnumerable<string> ids)
    {
        string[] sorted = [.. ids];
        Array.Sort(sorted, CompareCodePoints);
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int i = 0; i < sorted.Length; i++)
        {
            hash.AppendData(i == 0 ? [] : "\n"u8);
            hash.AppendData(Encoding.UTF8.GetBytes(sorted[i]));
        }

        return hash.GetHashAndReset();
    }

    /// <summary>UTF-16 order, but for surrogates, which stand for the largest code points.</summary>
    private static int CompareCodePoints(string left, string right)
    {
        int common = left.AsSpan().CommonPrefixLength(right);
        if (common == left.Length || common == right.Length)
        {
            return left.Length - right.Length;
        }

        (char a, char b) = (left[common], right[common]);
        return char.IsSurrogate(a) == char.IsSurrogate(b) ? a - b : char.IsSurrogate(a) ? 1 : -1;
    }

    private static bool Varies(double[] values, bool[] isTest)
    {
        double? first = null;
        for (int i = 0; i < values.Length; i++)
        {
            if (isTest[i])
            {
                continue;
            }

            if (first is { } value && values[i] != value)
            {
                return true;
            }

            first = values[i];
        }

        return false;
    }
}
