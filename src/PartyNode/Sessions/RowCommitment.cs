using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
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
/// the 8 bytes of an IEEE 754 double, big-endian. It must be computed before the table's columns are brought into joint order.</remarks>
internal static class RowCommitment
{
    private const int SaltBytes = 32;

    // Enough rows to keep the cores busy, few enough that salts and hashes stay in the cache.
    private const int BlockRows = 4096;

    public static RowsCommitment Of(CsvTable table, RandomStream salts)
    {
        MerkleTree tree = new();
        byte[] salt = new byte[BlockRows * SaltBytes];
        byte[][] leaves = new byte[BlockRows][];
        for (int start = 0; start < table.Rows; start += BlockRows)
        {
            int first = start;
            int count = Math.Min(BlockRows, table.Rows - start);
            salts.Fill(salt.AsSpan(0, count * SaltBytes));
            Parallel.For(0, count, k => leaves[k] = HashRow(table, first + k, salt.AsSpan(k * SaltBytes, SaltBytes)));
            for (int k = 0; k < count; k++)
            {
                tree.AppendHash(leaves[k]);
            }
        }

        CryptographicOperations.ZeroMemory(salt);
        return new RowsCommitment(tree.Root(), table.Rows);
    }

    private static byte[] HashRow(CsvTable table, int row, ReadOnlySpan<byte> salt)
    {
        int numbers = table.Columns.Length + (table.Labels is null ? 0 : 1);
        int size = SaltBytes + (numbers * sizeof(double));
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
            Write(labels[row]);
        }

        foreach (double[] column in table.Columns)
        {
            Write(column[row]);
        }

        return MerkleTree.HashLeaf(leaf);

        void Write(double value)
        {
            BinaryPrimitives.WriteDoubleBigEndian(leaf.AsSpan(at), value);
            at += sizeof(double);
        }
    }
}
