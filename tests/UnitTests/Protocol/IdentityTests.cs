using System.Security.Cryptography;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>Keys in files, keys from peers, signatures.</summary>
public sealed class IdentityTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vertfed-identity-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_saved_identity_loads_and_signs_as_the_same()
    {
        using Identity identity = Identity.Create();
        identity.Save(File("key.pem"));
        using Identity loaded = Identity.Load(File("key.pem"));

        Assert.Equal(identity.Public, loaded.Public);
        Assert.True(identity.Public.Verify("data"u8, loaded.Sign("data"u8)));
    }

    [SkippableFact]
    public void A_key_file_is_for_its_owner_only()
    {
        if (OperatingSystem.IsWindows())
        {
            throw new SkipException("Unix file modes.");
        }

        using Identity identity = Identity.Create();
        identity.Save(File("key.pem"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File("key.pem")));

        foreach (UnixFileMode loose in new[] { UnixFileMode.GroupRead, UnixFileMode.OtherRead, UnixFileMode.GroupWrite, UnixFileMode.UserExecute })
        {
            System.IO.File.SetUnixFileMode(File("key.pem"), UnixFileMode.UserRead | loose);
            Refused("key.pem", "chmod 600");
        }
    }

    [Fact]
    public void An_existing_file_is_never_overwritten()
    {
        using Identity identity = Identity.Create();
        identity.Save(File("key.pem"));
        byte[] before = System.IO.File.ReadAllBytes(File("key.pem"));

        Assert.Equal(ErrorCode.Usage, Assert.Throws<VertFedException>(() => identity.Save(File("key.pem"))).Code);
        Assert.Equal(before, System.IO.File.ReadAllBytes(File("key.pem")));
    }

    [Fact]
    public void A_missing_file_is_named() => Refused("absent.pem", "absent.pem");

    [Fact]
    public void What_is_no_p256_private_key_is_refused_without_quoting_it()
    {
        using ECDsa p384 = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using ECDsa p256 = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        Write("p384.pem", p384.ExportPkcs8PrivateKeyPem());
        Write("public.pem", p256.ExportSubjectPublicKeyInfoPem());
        Write("encrypted.pem", p256.ExportEncryptedPkcs8PrivateKeyPem("p", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1)));
        Write("garbage.pem", "-----BEGIN PRIVATE KEY-----\nU0VDUkVULU1BUktFUg==\n-----END PRIVATE KEY-----\n");
        Write("empty.pem", "");
        Write("long.pem", new string('x', 5000));

        foreach (string name in new[] { "p384.pem", "public.pem", "encrypted.pem", "garbage.pem", "empty.pem", "long.pem" })
        {
            VertFedException refusal = Refused(name, name);
            Assert.DoesNotContain("U0VDUkVU", refusal.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_fingerprint_is_the_sha256_of_the_public_key()
    {
        using Identity identity = Identity.Create();

        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(identity.Public.SubjectPublicKeyInfo)), identity.Fingerprint);
        Assert.True(PeerIdentity.IsFingerprint(identity.Fingerprint));
        Assert.False(PeerIdentity.IsFingerprint(identity.Fingerprint.ToUpperInvariant()));
        Assert.False(PeerIdentity.IsFingerprint(identity.Fingerprint[1..]));
        Assert.False(PeerIdentity.IsFingerprint(null));
    }

    [Fact]
    public void The_encoding_is_the_platforms_own()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] spki = key.ExportSubjectPublicKeyInfo();

        Assert.Equal(spki, PeerIdentity.Parse(spki).SubjectPublicKeyInfo.ToArray());
        Assert.Equal(spki, NistP256.Encode(key.ExportParameters(includePrivateParameters: false).Q));
    }

    [Fact]
    public void Public_keys_have_one_encoding()
    {
        using Identity identity = Identity.Create();
        using ECDsa p384 = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        byte[] spki = identity.Public.SubjectPublicKeyInfo.ToArray();
        byte[] offCurve = [.. spki];
        offCurve[^1] ^= 1;
        byte[] zero = [.. spki[..27], .. new byte[64]];
        byte[] unreduced = [.. spki[..27], .. Enumerable.Repeat((byte)0xff, 32), .. spki[59..]];
        byte[] compressed = [.. spki];
        compressed[26] = 2;
        byte[] indefinite = [.. spki];
        indefinite[1] = 0x80;

        foreach (byte[] bad in new[] { offCurve, zero, unreduced, compressed, indefinite, spki[..^1], [.. spki, 0], [], p384.ExportSubjectPublicKeyInfo() })
        {
            Assert.Equal(ErrorCode.ProtocolViolation, Assert.Throws<VertFedException>(() => PeerIdentity.Parse(bad)).Code);
        }
    }

    [Fact]
    public void Signatures_verify_for_the_key_the_data_and_the_form()
    {
        using Identity identity = Identity.Create();
        using Identity other = Identity.Create();
        byte[] signature = identity.Sign("data"u8);

        Assert.Equal(PeerIdentity.SignatureBytes, signature.Length);
        Assert.True(identity.Public.Verify("data"u8, signature));
        Assert.False(identity.Public.Verify("date"u8, signature));
        Assert.False(other.Public.Verify("data"u8, signature));
        Assert.False(identity.Public.Verify("data"u8, signature.AsSpan(0, 63)));
        Assert.False(identity.Public.Verify("data"u8, new byte[64]));
        Assert.False(identity.Public.Verify("data"u8, []));
    }

    [Fact]
    public void A_disposed_identity_signs_nothing()
    {
        Identity identity = Identity.Create();
        identity.Dispose();
        identity.Dispose();

        Assert.Throws<ObjectDisposedException>(() => identity.Sign("data"u8));
        Assert.Throws<ObjectDisposedException>(() => identity.Save(File("key.pem")));
    }

    [Fact]
    public void A_scalar_is_between_zero_and_the_order()
    {
        byte[] order = Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
        byte[] below = [.. order];
        below[^1]--;

        Assert.False(NistP256.IsScalar(new byte[32]));
        Assert.False(NistP256.IsScalar(order));
        Assert.True(NistP256.IsScalar(below));
        using Identity largest = Identity.FromScalar(below);
        Assert.True(largest.Public.Verify("data"u8, largest.Sign("data"u8)));
    }

    private string File(string name) => Path.Combine(_folder, name);

    private void Write(string name, string content)
    {
        System.IO.File.WriteAllText(File(name), content);
        if (!OperatingSystem.IsWindows())
        {
            System.IO.File.SetUnixFileMode(File(name), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    private VertFedException Refused(string name, string says)
    {
        VertFedException refusal = Assert.Throws<VertFedException>(() => Identity.Load(File(name)).Dispose());
        Assert.Equal(ErrorCode.Usage, refusal.Code);
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        return refusal;
    }
}
