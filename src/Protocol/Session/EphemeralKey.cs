using System.Security.Cryptography;
using VertFed.Primitives;

namespace VertFed.Protocol;

/// <summary>An ECDH P-256 key pair of one attempt, drawn from the attempt's own stream so that a resumed run draws it again.</summary>
internal sealed class EphemeralKey : IDisposable
{
    private readonly ECDiffieHellman _key;

    private EphemeralKey(ECDiffieHellman key)
    {
        _key = key;
        SubjectPublicKeyInfo = NistP256.Encode(key.ExportParameters(includePrivateParameters: false).Q);
    }

    /// <summary>DER SubjectPublicKeyInfo of the public half, 91 bytes.</summary>
    public byte[] SubjectPublicKeyInfo { get; }

    /// <summary>Draws 32 bytes until they are a scalar in [1, n - 1] (FIPS 186-5, appendix A.2.2).</summary>
    public static EphemeralKey Draw(RandomStream stream)
    {
        byte[] scalar = new byte[NistP256.ScalarBytes];
        try
        {
            do
            {
                stream.Fill(scalar);
            }
            while (!NistP256.IsScalar(scalar));

            return new EphemeralKey(
                ECDiffieHellman.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = scalar }));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(scalar);
        }
    }

    /// <summary>The shared x coordinate, 32 bytes, to be zeroed by the caller.</summary>
    /// <param name="peerKey">A checked SubjectPublicKeyInfo.</param>
    public byte[] DeriveRawSecret(ReadOnlySpan<byte> peerKey)
    {
        using ECDiffieHellman peer = ECDiffieHellman.Create(NistP256.Parameters(peerKey));
        using ECDiffieHellmanPublicKey point = peer.PublicKey;
        return _key.DeriveRawSecretAgreement(point);
    }

    public void Dispose() => _key.Dispose();
}
