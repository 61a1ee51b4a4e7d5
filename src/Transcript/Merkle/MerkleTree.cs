using System.Numerics;
using System.Security.Cryptography;

namespace VertFed.Transcript;

/// <summary>
/// The Merkle tree hash of RFC 9162, section 2.1.1 (as in RFC 6962), built leaf by leaf in memory that grows with the logarithm of its
/// size. Leaf hash: SHA-256(0x00 || leaf); node: SHA-256(0x01 || left || right); the empty tree: SHA-256 of nothing.
/// </summary>
public sealed class MerkleTree
{
    /// <summary>Length of a hash in bytes.</summary>
    public const int HashBytes = SHA256.HashSizeInBytes;

    // The roots of the perfect subtrees that make up the tree, largest first: one for each set bit of the size.
    private readonly List<byte[]> _peaks = [];

    /// <summary>Number of leaves.</summary>
    public long Size { get; private set; }

    /// <summary>SHA-256(0x00 || leaf).</summary>
    public static byte[] HashLeaf(ReadOnlySpan<byte> leaf)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData([0x00]);
        hash.AppendData(leaf);
        return hash.GetHashAndReset();
    }

    /// <summary>SHA-256(0x01 || left || right), 32 bytes each.</summary>
    public static byte[] HashNode(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        Span<byte> node = stackalloc byte[1 + (2 * HashBytes)];
        node[0] = 0x01;
        left.CopyTo(node[1..]);
        right.CopyTo(node[(1 + HashBytes)..]);
        return SHA256.HashData(node);
    }

    /// <summary>Appends a leaf.</summary>
    public void Append(ReadOnlySpan<byte> leaf) => AppendHash(HashLeaf(leaf));

    /// <summary>Appends a leaf by its hash, 32 bytes.</summary>
    public void AppendHash(byte[] leafHash)
    {
        ArgumentNullException.ThrowIfNull(leafHash);
        ArgumentOutOfRangeException.ThrowIfNotEqual(leafHash.Length, HashBytes);
        byte[] node = leafHash;
        for (int merges = BitOperations.TrailingZeroCount(~Size); merges > 0; merges--)
        {
            node = HashNode(_peaks[^1], node);
            _peaks.RemoveAt(_peaks.Count - 1);
        }

        _peaks.Add(node);
        Size++;
    }

    /// <summary>The hash of the tree as it stands, 32 bytes.</summary>
    public byte[] Root()
    {
        if (_peaks.Count == 0)
        {
            return SHA256.HashData([]);
        }

        byte[] root = _peaks[^1];
        for (int i = _peaks.Count - 2; i >= 0; i--)
        {
            root = HashNode(_peaks[i], root);
        }

        return [.. root];
    }
}
