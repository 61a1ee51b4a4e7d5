using System.Numerics;

namespace VertFed.Transcript;

/// <summary>
/// Inclusion and consistency proofs of RFC 9162, sections 2.1.3 and 2.1.4. A proof is made from the leaf hashes of the whole tree and
/// checked from hashes alone; its hashes stand from the leaf up.
/// </summary>
public static class MerkleProofs
{
    /// <summary>Most hashes in a proof that is looked at: two for each bit of a size.</summary>
    public const int MaxHashes = 128;

    /// <summary>That the leaf at <paramref name="index"/> is in the tree of the first <paramref name="size"/> leaves.</summary>
    /// <param name="leafHashes">Hashes of at least <paramref name="size"/> leaves (<see cref="MerkleTree.HashLeaf"/>).</param>
    /// <param name="index">From 0, below <paramref name="size"/>.</param>
    public static byte[][] Inclusion(IReadOnlyList<byte[]> leafHashes, long index, long size)
    {
        RequireSize(leafHashes, size);
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, size);
        List<byte[]> proof = [];
        long start = 0;
        long end = size;

        // From the root down: the half that the leaf is not in goes on the proof.
        while (end - start > 1)
        {
            long middle = start + SplitOf(end - start);
            if (index < middle)
            {
                proof.Add(Root(leafHashes, middle, end));
                end = middle;
            }
            else
            {
                proof.Add(Root(leafHashes, start, middle));
                start = middle;
            }
        }

        proof.Reverse();
        return [.. proof];
    }

    /// <summary>RFC 9162, section 2.1.3.2.</summary>
    /// <returns>Whether the proof shows that the leaf stands at <paramref name="index"/> of the tree with this size and root.</returns>
    public static bool VerifyInclusion(
        ReadOnlySpan<byte> leafHash, long index, long size, IReadOnlyList<byte[]> proof, ReadOnlySpan<byte> root)
    {
        ArgumentNullException.ThrowIfNull(proof);
        if (index < 0 || index >= size || !AreHashes(leafHash, root, proof))
        {
            return false;
        }

        long node = index;
        long last = size - 1;
        byte[] hash = leafHash.ToArray();
        foreach (byte[] sibling in proof)
        {
            if (last == 0)
            {
                return false;
            }

            if ((node & 1) == 1 || node == last)
            {
                hash = MerkleTree.HashNode(sibling, hash);
                int levels = (node & 1) == 1 ? 0 : BitOperations.TrailingZeroCount(node);
                node >>= levels;
                last >>= levels;
            }
            else
            {
                hash = MerkleTree.HashNode(hash, sibling);
            }

            node >>= 1;
            last >>= 1;
        }

        return last == 0 && root.SequenceEqual(hash);
    }

    /// <summary>That the tree of the first <paramref name="newSize"/> leaves begins with that of the first <paramref name="oldSize"/>.</summary>
    /// <param name="leafHashes">Hashes of at least <paramref name="newSize"/> leaves.</param>
    /// <param name="oldSize">0 to <paramref name="newSize"/>; from 0 and from the same size the proof is empty.</param>
    public static byte[][] Consistency(IReadOnlyList<byte[]> leafHashes, long oldSize, long newSize)
    {
        RequireSize(leafHashes, newSize);
        ArgumentOutOfRangeException.ThrowIfNegative(oldSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(oldSize, newSize);
        if (oldSize == 0 || oldSize == newSize)
        {
            return [];
        }

        List<byte[]> proof = [];
        long start = 0;
        long end = newSize;

        // Down to the subtree that ends where the old tree did; the other halves go on the proof.
        while (oldSize != end)
        {
            long middle = start + SplitOf(end - start);
            if (oldSize <= middle)
            {
                proof.Add(Root(leafHashes, middle, end));
                end = middle;
            }
            else
            {
                proof.Add(Root(leafHashes, start, middle));
                start = middle;
            }
        }

        // A subtree that starts the log is the old root itself, which the verifier has.
        if (start != 0)
        {
            proof.Add(Root(leafHashes, start, end));
        }

        proof.Reverse();
        return [.. proof];
    }

    /// <summary>RFC 9162, section 2.1.4.2; a tree of no leaves is the beginning of every tree.</summary>
    /// <returns>Whether the proof shows that the new tree begins with the old one.</returns>
    public static bool VerifyConsistency(
        long oldSize, long newSize, ReadOnlySpan<byte> oldRoot, ReadOnlySpan<byte> newRoot, IReadOnlyList<byte[]> proof)
    {
        ArgumentNullException.ThrowIfNull(proof);
        if (oldSize < 0 || newSize < oldSize || !AreHashes(oldRoot, newRoot, proof))
        {
            return false;
        }

        if (oldSize == 0)
        {
            return proof.Count == 0 && oldRoot.SequenceEqual(new MerkleTree().Root());
        }

        if (oldSize == newSize)
        {
            return proof.Count == 0 && oldRoot.SequenceEqual(newRoot);
        }

        // An old tree that is perfect is the first node itself.
        IEnumerable<byte[]> path = BitOperations.IsPow2(oldSize) ? [oldRoot.ToArray(), .. proof] : proof;
        int ones = BitOperations.TrailingZeroCount(~(oldSize - 1));
        long node = (oldSize - 1) >> ones;
        long last = (newSize - 1) >> ones;
        byte[]? oldHash = null;
        byte[]? newHash = null;
        foreach (byte[] sibling in path)
        {
            if (oldHash is null || newHash is null)
            {
                oldHash = newHash = sibling;
                continue;
            }

            if (last == 0)
            {
                return false;
            }

            if ((node & 1) == 1 || node == last)
            {
                oldHash = MerkleTree.HashNode(sibling, oldHash);
                newHash = MerkleTree.HashNode(sibling, newHash);
                int levels = (node & 1) == 1 ? 0 : BitOperations.TrailingZeroCount(node);
                node >>= levels;
                last >>= levels;
            }
            else
            {
                newHash = MerkleTree.HashNode(newHash, sibling);
            }

            node >>= 1;
            last >>= 1;
        }

        return last == 0 && oldRoot.SequenceEqual(oldHash) && newRoot.SequenceEqual(newHash);
    }

    /// <summary>The largest power of two below a size of at least 2.</summary>
    private static long SplitOf(long size) => 1L << BitOperations.Log2((ulong)(size - 1));

    private static byte[] Root(IReadOnlyList<byte[]> leafHashes, long start, long end)
    {
        MerkleTree tree = new();
        for (long i = start; i < end; i++)
        {
            tree.AppendHash(leafHashes[(int)i]);
        }

        return tree.Root();
    }

    private static void RequireSize(IReadOnlyList<byte[]> leafHashes, long size)
    {
        ArgumentNullException.ThrowIfNull(leafHashes);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, leafHashes.Count);
    }

    private static bool AreHashes(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, IReadOnlyList<byte[]> proof) =>
        first.Length == MerkleTree.HashBytes && second.Length == MerkleTree.HashBytes && proof.Count <= MaxHashes
        && proof.All(hash => hash is { Length: MerkleTree.HashBytes });
}
