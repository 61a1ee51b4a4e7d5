using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VertFed.Models;
using VertFed.PartyNode.Data;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Transcript;

namespace VertFed.PartyNode.Sessions;

/// <summary>
/// The public commitment to a party's input: a Merkle tree over its rows in file order, each leaf a 32-byte salt followed by the row.
/// A single row can be opened later by its salt and path, and the root says nothing about the others.
/// </summary>
/// <remarks>A row is its ids, its label if there is one, and its features: texts as UTF-8 after their length (4 bytes big-endian), numbers as
/// the 8 bytes of an IEEE 754 double, big-endian, a missing number as <see cref="MissingNumber"/>; a level is a text, a missing one the length
/// <see cref="MissingLevel"/> alone. The bytes are of what stands in the source, before anything is filled in or encoded: it must be computed before the table's columns are brought into joint order.</remarks>
internal static class RowCommitment
{
    /// <summary>The quiet NaN with a clear sign and no payload, which no number in a source is.</summary>
    private const long MissingNumber = 0x7FF8_0000_0000_0000;

    /// <summary>FF FF FF FF, which is no length.</summary>
    private const int MissingLevel = -1;

    private const int SaltBytes = 32;

    // Enough rows to keep the cores busy, few enough that salts and hashes stay in the cache.
    private const int BlockRows = 4096;

    public static RowsCommitment Of(RawTable table, RandomStream salts)
    {
        MerkleTree tree = new();
        byte[] salt = new byte[BlockRows * SaltBytes];
        byte[][] leaves = new byte[BlockRows][];
        for (int start = 0; start < table.Rows; start += BlockRows)
        {
            int first = start;
            int count = Math.Min(BlockRows, table.Rows - start);
            salts.Fill(salt.AsSpan(0, count * SaltBytes));
            Parallel.For(0, count, Processors.OneThreadEach, k => leaves[k] = HashRow(table, first + k, salt.AsSpan(k * SaltBytes, SaltBytes)));
            for (int k = 0; k < count; k++)
            {
                tree.AppendHash(leaves[k]);
            }
        }

        CryptographicOperations.ZeroMemory(salt);
        return new RowsCommitment(tree.Root(), table.Rows);
    }

    private static byte[] HashRow(RawTable table, int row, ReadOnlySpan<byte> salt)
    {
        int size = SaltBytes + (table.Labels is null ? 0 : sizeof(double));
        foreach (RawColumn column in table.Columns)
        {
            size += column is not CategoricalColumn words ? sizeof(double) : sizeof(int) + (words.IsMissing(row) ? 0 : words.Text(row).Length);
        }

        foreach (string[] ids in table.Ids)
        {
            size += sizeof(int) + Encoding.UTF8.GetByteCount(ids[row]);
        }

        byte[] leaf = new byte[size];
        salt.CopyTo(leaf);
        int at = SaltBytes;
        foreach (string[] ids in table.Ids)
        {
            int length = Encoding.UTF8.GetBytes(ids[row], leaf.AsSpan(at + sizeof(int)));
            BinaryPrimitives.WriteInt32BigEndian(leaf.AsSpan(at), length);
            at += sizeof(int) + length;
        }

        if (table.Labels is { } labels)
        {
            WriteNumber(labels[row]);
        }

        foreach (RawColumn column in table.Columns)
        {
            if (column is NumericColumn numbers)
            {
                WriteNumber(numbers.Values[row]);
            }
            else
            {
                WriteLevel((CategoricalColumn)column);
            }
        }

        return MerkleTree.HashLeaf(leaf);

        void WriteNumber(double value)
        {
            BinaryPrimitives.WriteInt64BigEndian(leaf.AsSpan(at), double.IsNaN(value) ? MissingNumber : BitConverter.DoubleToInt64Bits(value));
            at += sizeof(double);
        }

        void WriteLevel(CategoricalColumn column)
        {
            ReadOnlySpan<byte> text = column.IsMissing(row) ? [] : column.Text(row);
            BinaryPrimitives.WriteInt32BigEndian(leaf.AsSpan(at), column.IsMissing(row) ? MissingLevel : text.Length);
            text.CopyTo(leaf.AsSpan(at + sizeof(int)));
            at += sizeof(int) + text.Length;
        }
    }
}
