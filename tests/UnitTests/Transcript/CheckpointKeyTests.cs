using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Transcript;

/// <summary>Ed25519 against RFC 8032, the checks before it, and the files and statements of checkpoint keys.</summary>
public sealed class CheckpointKeyTests
{
    /// <summary>Encodings of all points whose order divides 8, and of some that are not canonical or not on the curve.</summary>
    public static TheoryData<string> BadPoints => new(
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "0200000000000000000000000000000000000000000000000000000000000000",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f70751",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a00",
        "");

    [Theory]
    [InlineData(
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "", "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")]
    [InlineData(
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72", "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")]
    [InlineData(
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82", "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")]
    public void The_vectors_of_RFC_8032(string seed, string publicKey, string message, string signature)
    {
        byte[] key = Ed25519Key.PublicKeyOf(Bytes(seed));
        byte[] signed = Ed25519Key.Sign(Bytes(seed), Bytes(message));

        Assert.Equal(publicKey, Convert.ToHexStringLower(key));
        Assert.Equal(signature, Convert.ToHexStringLower(signed));
        Assert.True(EdwardsPoint.IsUsable(key));
        Assert.True(Ed25519Key.Verify(key, Bytes(message), signed));
        Assert.False(Ed25519Key.Verify(key, [.. Bytes(message), 0], signed));
    }

    [Theory]
    [MemberData(nameof(BadPoints))]
    public void A_point_of_small_order_or_without_one_encoding_is_no_key_and_no_part_of_a_signature(string encoded)
    {
        Assert.False(EdwardsPoint.IsUsable(Bytes(encoded)));
        Assert.False(EdwardsPoint.IsSignature([.. Bytes(encoded), .. new byte[32]]));
    }

    [Fact]
    public void A_key_that_is_such_a_point_is_refused_before_its_statement_is_looked_at()
    {
        using Identity owner = Identity.Create();
        foreach (string encoded in BadPoints)
        {
            byte[] point = Bytes(encoded);
            CheckpointKey key = CheckpointVerifier.Message(owner.Public, point, owner.Sign(CheckpointVerifier.Statement(point)));

            VertFedException e = Assert.Throws<VertFedException>(() => CheckpointVerifier.Parse(key, owner.Fingerprint, "bank"));

            Assert.Equal((ErrorCode.DoesNotVerify, "bank"), (e.Code, e.Party));
            Assert.Contains("Ed25519 point", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_signature_with_its_scalar_not_reduced_does_not_verify()
    {
        byte[] seed = [.. Enumerable.Repeat((byte)7, 32)];
        byte[] signature = Ed25519Key.Sign(seed, [1]);
        System.Numerics.BigInteger order = System.Numerics.BigInteger.Pow(2, 252)
            + System.Numerics.BigInteger.Parse("27742317777372353535851937790883648493", System.Globalization.CultureInfo.InvariantCulture);
        byte[] scalar = (new System.Numerics.BigInteger(signature.AsSpan(32), isUnsigned: true) + order).ToByteArray(isUnsigned: true);

        Assert.True(Ed25519Key.Verify(Ed25519Key.PublicKeyOf(seed), [1], signature));
        Assert.False(Ed25519Key.Verify(Ed25519Key.PublicKeyOf(seed), [1], [.. signature[..32], .. scalar]));
    }

    [Fact]
    public void A_key_counts_only_with_the_statement_of_the_pinned_identity()
    {
        using Identity owner = Identity.Create();
        using Identity other = Identity.Create();
        using CheckpointSigner signer = CheckpointSigner.Create(owner);
        using CheckpointSigner second = CheckpointSigner.Create(owner);
        Assert.Equal(signer.Key.PublicKey.ToByteArray(), CheckpointVerifier.Parse(signer.Key, owner.Fingerprint, "bank").PublicKey.ToArray());

        CheckpointKey anothersStatement = signer.Key;
        anothersStatement.Statement = second.Key.Statement;
        CheckpointKey anothersIdentity = signer.Key;
        anothersIdentity.IdentityKey = ByteString.CopyFrom(other.Public.SubjectPublicKeyInfo);
        CheckpointKey noIdentity = signer.Key;
        noIdentity.IdentityKey = ByteString.Empty;

        AssertRefused(anothersStatement, owner.Fingerprint, "statement");
        AssertRefused(anothersIdentity, owner.Fingerprint, "pinned");
        AssertRefused(anothersIdentity, other.Fingerprint, "statement");
        AssertRefused(noIdentity, owner.Fingerprint, "identity");
    }

    [Fact]
    public void A_key_file_gives_the_same_key_and_statement_again()
    {
        using TemporaryFolder folder = new();
        using Identity owner = Identity.Create();
        using CheckpointSigner first = CheckpointSigner.LoadOrCreate(folder.File("checkpoint.key"), owner);
        using CheckpointSigner again = CheckpointSigner.LoadOrCreate(folder.File("checkpoint.key"), owner);

        Assert.Equal(first.Key, again.Key);
        Assert.Equal(first.Sign([1, 2]), again.Sign([1, 2]));
        Assert.Equal(["checkpoint.key"], Directory.GetFiles(folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void A_key_file_of_another_identity_open_to_others_or_damaged_is_refused()
    {
        using TemporaryFolder folder = new();
        using Identity owner = Identity.Create();
        using Identity other = Identity.Create();
        string path = folder.File("checkpoint.key");
        CheckpointSigner.LoadOrCreate(path, owner).Dispose();

        Assert.Contains("does not belong", UsageOf(() => CheckpointSigner.LoadOrCreate(path, other)), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
            Assert.Contains("chmod 600", UsageOf(() => CheckpointSigner.LoadOrCreate(path, owner)), StringComparison.Ordinal);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        byte[] bytes = File.ReadAllBytes(path);
        bytes[5] ^= 1;
        File.WriteAllBytes(path, bytes);
        Assert.Contains("damaged", UsageOf(() => CheckpointSigner.LoadOrCreate(path, owner)), StringComparison.Ordinal);
        File.WriteAllBytes(path, bytes[..95]);
        Assert.Contains("95 bytes", UsageOf(() => CheckpointSigner.LoadOrCreate(path, owner)), StringComparison.Ordinal);
        Assert.Contains(
            "cannot be written", UsageOf(() => CheckpointSigner.LoadOrCreate(folder.File("none/checkpoint.key"), owner)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_disposed_signer_signs_nothing()
    {
        using Identity owner = Identity.Create();
        byte[] seed = [.. Enumerable.Repeat((byte)9, 32)];
        CheckpointSigner signer = CheckpointSigner.FromSeed(seed, owner);
        signer.Dispose();

        Assert.Throws<ObjectDisposedException>(() => signer.Sign([1]));
        Assert.All(seed, value => Assert.Equal(0, value));
    }

    private static void AssertRefused(CheckpointKey key, string fingerprint, string word)
    {
        VertFedException e = Assert.Throws<VertFedException>(() => CheckpointVerifier.Parse(key, fingerprint, "bank"));
        Assert.Equal((ErrorCode.DoesNotVerify, "bank"), (e.Code, e.Party));
        Assert.Contains(word, e.Message, StringComparison.Ordinal);
    }

    private static string UsageOf(Func<CheckpointSigner> load)
    {
        VertFedException e = Assert.Throws<VertFedException>(load);
        Assert.Equal(ErrorCode.Usage, e.Code);
        return e.Message;
    }

    private static byte[] Bytes(string hex) => Convert.FromHexString(hex);
}
