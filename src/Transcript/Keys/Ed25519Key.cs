using Org.BouncyCastle.Math.EC.Rfc8032;

namespace VertFed.Transcript;

/// <summary>
/// Ed25519 (RFC 8032, pure). This file and no other calls the library: it sees keys and signatures only after
/// <see cref="EdwardsPoint"/> has looked at them.
/// </summary>
internal static class Ed25519Key
{
    /// <summary>Length of a private key (the seed) in bytes.</summary>
    public const int SeedBytes = 32;

    /// <summary>The public key of a seed, 32 bytes.</summary>
    public static byte[] PublicKeyOf(byte[] seed)
    {
        byte[] key = new byte[EdwardsPoint.Bytes];
        Ed25519.GeneratePublicKey(seed, 0, key, 0);
        return key;
    }

    /// <summary>Signs; the same message gives the same 64 bytes.</summary>
    public static byte[] Sign(byte[] seed, byte[] message)
    {
        byte[] signature = new byte[EdwardsPoint.SignatureBytes];
        Ed25519.Sign(seed, 0, message, 0, message.Length, signature, 0);
        return signature;
    }

    /// <summary>Whether the signature is the key's over the message. The key was checked when it was taken.</summary>
    public static bool Verify(byte[] checkedKey, byte[] message, ReadOnlySpan<byte> signature) =>
        EdwardsPoint.IsSignature(signature)
        && Ed25519.Verify(signature.ToArray(), 0, checkedKey, 0, message, 0, message.Length);
}
