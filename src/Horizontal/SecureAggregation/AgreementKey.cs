using System.Security.Cryptography;
using System.Text;
using VertFed.Primitives;

namespace VertFed.Horizontal.SecureAggregation;

/// <summary>
/// A P-256 key pair of one round, made from a seeded stream. Keys agreed with a peer: HKDF-SHA256 over the raw shared secret, info = purpose ‖ 0 ‖
/// both public points, the smaller first.
/// </summary>
internal sealed class AgreementKey : IDisposable
{
    /// <summary>Length of a public key: 0x04, X, Y.</summary>
    public const int PublicBytes = 65;

    private const int Coordinate = 32;

    // The order n of P-256 (FIPS 186-4, D.1.2.3).
    private static readonly byte[] GroupOrder = Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");

    private readonly byte[] _scalar;
    private readonly ECDiffieHellman _key;

    private AgreementKey(byte[] scalar)
    {
        _scalar = scalar;
        _key = ECDiffieHellman.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = scalar });
        ECPoint point = _key.ExportParameters(includePrivateParameters: false).Q;
        PublicKey = [4, .. point.X!, .. point.Y!];
    }

    public byte[] PublicKey { get; }

    /// <summary>The private scalar, big-endian; what is shared out, so that the server can take off a lost client's masks.</summary>
    public ReadOnlySpan<byte> Scalar => _scalar;

    public static AgreementKey Generate(RandomStream stream)
    {
        byte[] scalar = new byte[Coordinate];
        do
        {
            stream.Fill(scalar);
        }
        while (!InRange(scalar));

        return new AgreementKey(scalar);
    }

    /// <summary>Takes up a scalar that shares gave back; it has to belong to the public key that was announced.</summary>
    /// <exception cref="HorizontalException">It does not.</exception>
    public static AgreementKey Recover(byte[] scalar, byte[] announced)
    {
        if (scalar.Length != Coordinate || !InRange(scalar))
        {
            CryptographicOperations.ZeroMemory(scalar);
            throw new HorizontalException(HorizontalError.CheckFailed, "Shares gave a number that is no key.");
        }

        AgreementKey key = new(scalar);
        if (!key.PublicKey.AsSpan().SequenceEqual(announced))
        {
            key.Dispose();
            throw new HorizontalException(HorizontalError.CheckFailed, "Shares gave a key that is not the one announced.");
        }

        return key;
    }

    /// <exception cref="HorizontalException">Not an uncompressed point of the curve.</exception>
    public static void Check(byte[] publicKey)
    {
        using ECDiffieHellman peer = Open(publicKey);
    }

    /// <summary>32 bytes that both ends agree on. The caller zeroes them.</summary>
    public byte[] Agree(byte[] publicKey, string purpose)
    {
        using ECDiffieHellman peer = Open(publicKey);
        using ECDiffieHellmanPublicKey point = peer.PublicKey;
        byte[] secret = _key.DeriveRawSecretAgreement(point);
        bool first = PublicKey.AsSpan().SequenceCompareTo(publicKey) <= 0;
        byte[] info = [.. Encoding.UTF8.GetBytes(purpose), 0, .. first ? PublicKey : publicKey, .. first ? publicKey : PublicKey];
        byte[] key = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, RandomStream.KeyBytes, salt: null, info);
        CryptographicOperations.ZeroMemory(secret);
        return key;
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_scalar);
        _key.Dispose();
    }

    private static bool InRange(ReadOnlySpan<byte> scalar) => scalar.ContainsAnyExcept((byte)0) && scalar.SequenceCompareTo(GroupOrder) < 0;

    private static ECDiffieHellman Open(byte[] publicKey)
    {
        Throw.If(publicKey.Length != PublicBytes || publicKey[0] != 4, HorizontalError.CheckFailed, "A public key is not an uncompressed point of P-256.");
        ECDiffieHellman? key = null;
        try
        {
            key = ECDiffieHellman.Create();
            key.ImportParameters(new ECParameters
            {
                Curve = ECCurve.NamedCurves.nistP256,
                Q = new ECPoint { X = publicKey[1..(1 + Coordinate)], Y = publicKey[(1 + Coordinate)..] },
            });
            return key;
        }
        catch (CryptographicException e)
        {
            key?.Dispose();
            throw new HorizontalException(HorizontalError.CheckFailed, "A public key is not a point of P-256.", e);
        }
    }
}
