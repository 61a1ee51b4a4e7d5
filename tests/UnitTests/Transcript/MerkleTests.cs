using System.Security.Cryptography;
using FsCheck;
using FsCheck.Fluent;
using VertFed.Transcript;
using Xunit;

namespace VertFed.UnitTests.Transcript;

/// <summary>The tree and its proofs against the reference trees of certificate transparency and against the recursive definition.</summary>
public sealed class MerkleTests
{
    /// <summary>The eight leaves of the reference trees.</summary>
    private static readonly byte[][] Leaves =
    [
        [], [0x00], [0x10], [0x20, 0x21], [0x30, 0x31], [0x40, 0x41, 0x42, 0x43], [0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        [0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
    ];

    private static readonly string[] Roots =
    [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    private static readonly byte[][] LeafHashes = [.. Leaves.Select(leaf => MerkleTree.HashLeaf(leaf))];

    private static readonly Arbitrary<(int Old, int New)> Sizes = Gen.Choose(1, 70)
        .SelectMany(size => Gen.Choose(0, size).Select(old => (old, size))).ToArbitrary();

    [Fact]
    public void The_reference_trees_have_their_published_roots()
    {
        for (int size = 0; size <= Leaves.Length; size++)
        {
            Assert.Equal(Roots[size], Hex(RootOf(LeafHashes[..size])));
        }
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(
        0, 8, "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")]
    [InlineData(
        5, 8, "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b", "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")]
    [InlineData(2, 3, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125")]
    [InlineData(
        1, 5, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")]
    public void The_published_inclusion_proofs(int index, int size, params string[] proof)
    {
        Assert.Equal(proof, MerkleProofs.Inclusion(LeafHashes, index, size).Select(Hex));
        Assert.True(MerkleProofs.VerifyInclusion(LeafHashes[index], index, size, Bytes(proof), Bytes(Roots[size])));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(
        1, 8, "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4")]
    [InlineData(
        6, 8, "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a", "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")]
    [InlineData(2, 5, "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")]
    public void The_published_consistency_proofs(int old, int size, params string[] proof)
    {
        Assert.Equal(proof, MerkleProofs.Consistency(LeafHashes, old, size).Select(Hex));
        Assert.True(MerkleProofs.VerifyConsistency(old, size, Bytes(Roots[old]), Bytes(Roots[size]), Bytes(proof)));
    }

    [Fact]
    public void A_tree_of_any_size_has_the_root_of_the_recursive_definition()
    {
        Prop.ForAll(Sizes, sizes => Assert.Equal(Hex(Naive(LeavesOf(sizes.New))), Hex(RootOf(LeavesOf(sizes.New))))).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Every_leaf_has_a_proof_that_holds_for_it_alone()
    {
        Prop.ForAll(Sizes, sizes =>
        {
            byte[][] leaves = LeavesOf(sizes.New);
            byte[] root = Naive(leaves);
            int index = Math.Min(sizes.Old, sizes.New - 1);
            byte[][] proof = MerkleProofs.Inclusion(leaves, index, sizes.New);

            Assert.True(MerkleProofs.VerifyInclusion(leaves[index], index, sizes.New, proof, root));
            Assert.False(MerkleProofs.VerifyInclusion(MerkleTree.HashLeaf([1]), index, sizes.New, proof, root));
            Assert.False(MerkleProofs.VerifyInclusion(leaves[index], index, sizes.New, [.. proof, root], root));
            for (int other = 0; other < sizes.New; other++)
            {
                Assert.Equal(other == index, MerkleProofs.VerifyInclusion(leaves[index], other, sizes.New, proof, root));
            }

            for (int i = 0; i < proof.Length; i++)
            {
                Assert.False(MerkleProofs.VerifyInclusion(leaves[index], index, sizes.New, [.. proof[..i], .. proof[(i + 1)..]], root));
                Assert.False(MerkleProofs.VerifyInclusion(leaves[index], index, sizes.New, [.. proof[..i], new byte[32], .. proof[(i + 1)..]], root));
            }
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Every_earlier_tree_has_a_proof_that_holds_for_its_size_and_root_alone()
    {
        Prop.ForAll(Sizes, sizes =>
        {
            byte[][] leaves = LeavesOf(sizes.New);
            byte[] oldRoot = Naive(leaves[..sizes.Old]);
            byte[] root = Naive(leaves);
            byte[][] proof = MerkleProofs.Consistency(leaves, sizes.Old, sizes.New);

            Assert.True(MerkleProofs.VerifyConsistency(sizes.Old, sizes.New, oldRoot, root, proof));
            Assert.False(MerkleProofs.VerifyConsistency(sizes.Old, sizes.New, new byte[32], root, proof));
            Assert.False(MerkleProofs.VerifyConsistency(sizes.Old, sizes.New, oldRoot, root, [.. proof, root]));
            if (sizes.Old > 0)
            {
                Assert.False(MerkleProofs.VerifyConsistency(sizes.Old, sizes.New, oldRoot, new byte[32], proof));
                Assert.Equal(sizes.Old == sizes.New, MerkleProofs.VerifyConsistency(sizes.New, sizes.New, oldRoot, root, proof));
            }

            for (int i = 0; i < proof.Length; i++)
            {
                Assert.False(MerkleProofs.VerifyConsistency(sizes.Old, sizes.New, oldRoot, root, [.. proof[..i], .. proof[(i + 1)..]]));
                Assert.False(MerkleProofs.VerifyConsistency(sizes.Old, sizes.New, oldRoot, root, [.. proof[..i], new byte[32], .. proof[(i + 1)..]]));
            }
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Hashes_of_another_length_verify_nothing()
    {
        Assert.False(MerkleProofs.VerifyInclusion(new byte[31], 0, 1, [], LeafHashes[0]));
        Assert.False(MerkleProofs.VerifyInclusion(LeafHashes[0], 0, 2, [new byte[33]], RootOf(LeafHashes[..2])));
        Assert.False(MerkleProofs.VerifyConsistency(1, 2, LeafHashes[0], RootOf(LeafHashes[..2]), [new byte[31]]));
        Assert.False(MerkleProofs.VerifyConsistency(2, 1, LeafHashes[0], LeafHashes[0], []));
    }

    private static byte[] RootOf(IEnumerable<byte[]> leafHashes)
    {
        MerkleTree tree = new();
        foreach (byte[] hash in leafHashes)
        {
            tree.AppendHash(hash);
        }

        return tree.Root();
    }

    private static byte[][] LeavesOf(int count) =>
        [.. Enumerable.Range(0, count).Select(i => MerkleTree.HashLeaf(BitConverter.GetBytes(i)))];

    /// <summary>RFC 9162, section 2.1.1, as it is written there, from leaf hashes.</summary>
    private static byte[] Naive(byte[][] leafHashes)
    {
        if (leafHashes.Length < 2)
        {
            return leafHashes.Length == 0 ? SHA256.HashData([]) : leafHashes[0];
        }

        int k = 1;
        while (2 * k < leafHashes.Length)
        {
            k *= 2;
        }

        return SHA256.HashData([0x01, .. Naive(leafHashes[..k]), .. Naive(leafHashes[k..])]);
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static byte[] Bytes(string hex) => Convert.FromHexString(hex);

    private static byte[][] Bytes(string[] hex) => [.. hex.Select(Bytes)];
}
