using System.Numerics;
using System.Security.Cryptography;

namespace VertFed.Protocol;

/// <summary>What the project needs to know of NIST P-256 (FIPS 186-5, SEC 2 section 2.4.2): constants and strict encodings.</summary>
internal static class NistP256
{
    /// <summary>Length of a coordinate or scalar in bytes.</summary>
    public const int ScalarBytes = 32;

    /// <summary>Length of the only accepted SubjectPublicKeyInfo: 26 bytes of prefix, 0x04, X, Y.</summary>
    public const int SpkiBytes = 91;

    private static readonly BigInteger Prime = Hex("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    private static readonly BigInteger Order = Hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    private static readonly BigInteger B = Hex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b");

    /// <summary>
    /// DER of SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING (0 unused bits) 04 || ... } up to and including
    /// the 0x04 of an uncompressed point (RFC 5480, section 2). It is constant, so comparing it is the whole DER check.
    /// </summary>
    private static ReadOnlySpan<byte> SpkiPrefix =>
    [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
        0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];

    /// <summary>Checks that the bytes are the one canonical encoding of a point on the curve.</summary>
    /// <returns>Null if they are, else what is wrong, in words.</returns>
    public static string? WhatIsWrongWith(ReadOnlySpan<byte> spki)
    {
        if (spki.Length != SpkiBytes)
        {
            return $"a P-256 SubjectPublicKeyInfo has {SpkiBytes} bytes, not {spki.Length}";
        }

        if (!spki.StartsWith(SpkiPrefix))
        {
            return "it is not the canonical DER of an uncompressed P-256 key";
        }

        ReadOnlySpan<byte> point = spki[SpkiPrefix.Length..];
        BigInteger x = new(point[..ScalarBytes], isUnsigned: true, isBigEndian: true);
        BigInteger y = new(point[ScalarBytes..], isUnsigned: true, isBigEndian: true);
        if (x >= Prime || y >= Prime)
        {
            return "a coordinate is not reduced";
        }

        // y^2 = x^3 - 3x + b. The cofactor is 1 and infinity has no such encoding, so any solution is a valid public key.
        BigInteger right = ((((x * x) - 3) * x) + B) % Prime;
        if (right.Sign < 0)
        {
            right += Prime;
        }

        return (y * y % Prime) == right ? null : "the point is not on the curve";
    }

    /// <summary>Whether 32 big-endian bytes are a private key: 1 to n - 1.</summary>
    public static bool IsScalar(ReadOnlySpan<byte> scalar)
    {
        BigInteger value = new(scalar, isUnsigned: true, isBigEndian: true);
        return !value.IsZero && value < Order;
    }

    /// <summary>The coordinates of a checked SubjectPublicKeyInfo.</summary>
    public static ECParameters Parameters(ReadOnlySpan<byte> spki) => new()
    {
        Curve = ECCurve.NamedCurves.nistP256,
        Q = new ECPoint
        {
            X = spki.Slice(SpkiPrefix.Length, ScalarBytes).ToArray(),
            Y = spki.Slice(SpkiPrefix.Length + ScalarBytes, ScalarBytes).ToArray(),
        },
    };

    /// <summary>The canonical SubjectPublicKeyInfo of a public point.</summary>
    public static byte[] Encode(ECPoint point)
    {
        byte[] spki = new byte[SpkiBytes];
        SpkiPrefix.CopyTo(spki);
        point.X!.CopyTo(spki, SpkiPrefix.Length);
        point.Y!.CopyTo(spki, SpkiPrefix.Length + ScalarBytes);
        return spki;
    }

    private static BigInteger Hex(string digits) => new(Convert.FromHexString(digits), isUnsigned: true, isBigEndian: true);
}
