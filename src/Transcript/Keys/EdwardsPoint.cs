using System.Numerics;

namespace VertFed.Transcript;

/// <summary>
/// What must hold of Ed25519 bytes before a library sees them (RFC 8032, sections 5.1.3 and 5.1.7), in plain integers: crafted keys and
/// signatures can make old libraries loop (CVE-2024-30172). Public values only; time varies.
/// </summary>
internal static class EdwardsPoint
{
    /// <summary>Length of an encoded point and of a scalar.</summary>
    public const int Bytes = 32;

    /// <summary>Length of a signature: R, then S.</summary>
    public const int SignatureBytes = 64;

    private static readonly BigInteger Prime = BigInteger.Pow(2, 255) - 19;
    private static readonly BigInteger Order =
        BigInteger.Pow(2, 252) + BigInteger.Parse("27742317777372353535851937790883648493", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>d = −121665/121666.</summary>
    private static readonly BigInteger D = Reduce(-121665 * BigInteger.ModPow(121666, Prime - 2, Prime));

    /// <summary>√−1 = 2^((p−1)/4).</summary>
    private static readonly BigInteger RootOfMinusOne = BigInteger.ModPow(2, (Prime - 1) / 4, Prime);

    /// <summary>Whether 32 bytes are the canonical encoding of a point on the curve whose order is not 1, 2, 4 or 8.</summary>
    public static bool IsUsable(ReadOnlySpan<byte> encoded)
    {
        if (Decode(encoded) is not { } point)
        {
            return false;
        }

        // Eight times the point is the neutral element (x = 0, y = 1) exactly if its order divides 8.
        (BigInteger x, BigInteger y, BigInteger z) = (point.X, point.Y, BigInteger.One);
        for (int i = 0; i < 3; i++)
        {
            (x, y, z) = Double(x, y, z);
        }

        return !(x.IsZero && y == z);
    }

    /// <summary>Whether 64 bytes can be a signature: R a canonical point of usable order, S below the group's order.</summary>
    public static bool IsSignature(ReadOnlySpan<byte> signature) =>
        signature.Length == SignatureBytes
        && new BigInteger(signature[Bytes..], isUnsigned: true) < Order
        && IsUsable(signature[..Bytes]);

    private static (BigInteger X, BigInteger Y)? Decode(ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length != Bytes)
        {
            return null;
        }

        Span<byte> withoutSign = stackalloc byte[Bytes];
        encoded.CopyTo(withoutSign);
        withoutSign[^1] &= 0x7f;
        bool odd = (encoded[^1] & 0x80) != 0;
        BigInteger y = new(withoutSign, isUnsigned: true);
        if (y >= Prime)
        {
            return null;
        }

        // x² = u/v = (y² − 1)/(d y² + 1); p = 5 mod 8 gives the candidate u v³ (u v⁷)^((p−5)/8), which may lack a factor √−1.
        BigInteger square = y * y % Prime;
        BigInteger u = Reduce(square - 1);
        BigInteger v = Reduce((D * square) + 1);
        BigInteger cube = v * v % Prime * v % Prime;
        BigInteger x = u * cube % Prime * BigInteger.ModPow(u * cube % Prime * cube % Prime * v, (Prime - 5) / 8, Prime) % Prime;
        if (v * x % Prime * x % Prime != u)
        {
            x = x * RootOfMinusOne % Prime;
        }

        if (v * x % Prime * x % Prime != u || (x.IsZero && odd))
        {
            return null;
        }

        return (x.IsEven == odd ? Prime - x : x, y);
    }

    /// <summary>Doubling in projective coordinates on −x² + y² = 1 + d x² y².</summary>
    private static (BigInteger X, BigInteger Y, BigInteger Z) Double(BigInteger x, BigInteger y, BigInteger z)
    {
        BigInteger b = (x + y) * (x + y) % Prime;
        BigInteger c = x * x % Prime;
        BigInteger d = y * y % Prime;
        BigInteger f = Reduce(d - c);
        BigInteger j = Reduce(f - (2 * z * z));
        return (Reduce((b - c - d) * j), Reduce(-f * (c + d)), f * j % Prime);
    }

    private static BigInteger Reduce(BigInteger value)
    {
        BigInteger rest = value % Prime;
        return rest.Sign < 0 ? rest + Prime : rest;
    }
}
