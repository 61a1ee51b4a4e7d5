using System.Numerics;
using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>
/// Of the two ECDSA signatures (r, s) and (r, n − s) that verify alike, a file's trailer holds the one with s at most n/2. So nobody can
/// change the one place that no hash covers and have a file that verifies still.
/// </summary>
internal static class LowSignature
{
    private const int ScalarBytes = PeerIdentity.SignatureBytes / 2;

    /// <summary>n of P-256 (FIPS 186-5, SEC 2 section 2.4.2).</summary>
    private static readonly BigInteger Order = new(
        Convert.FromHexString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"), isUnsigned: true, isBigEndian: true);

    /// <summary>Whether s is in the lower half. A signature of another length has none.</summary>
    public static bool IsLow(ReadOnlySpan<byte> signature) => signature.Length == PeerIdentity.SignatureBytes && S(signature) <= Order / 2;

    /// <summary>The same signature with s in the lower half.</summary>
    public static byte[] Normalise(byte[] signature)
    {
        if (signature.Length != PeerIdentity.SignatureBytes || IsLow(signature))
        {
            return signature;
        }

        byte[] s = (Order - S(signature)).ToByteArray(isUnsigned: true, isBigEndian: true);
        byte[] low = [.. signature[..ScalarBytes], .. new byte[ScalarBytes]];
        s.CopyTo(low, low.Length - s.Length);
        return low;
    }

    private static BigInteger S(ReadOnlySpan<byte> signature) => new(signature[ScalarBytes..], isUnsigned: true, isBigEndian: true);
}
