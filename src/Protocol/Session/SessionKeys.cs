using System.Security.Cryptography;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// The seals of both directions: HKDF-SHA256 (RFC 5869) over the ECDH secret, with the hashes of both KeyExchange cores (label
/// party's first) as salt. The cores hold job, attempt, roles and, by their payload hashes, both ephemeral keys and nonces.
/// </summary>
internal sealed class SessionKeys : IDisposable
{
    private SessionKeys(SealKey labelToFeature, SealKey featureToLabel)
    {
        LabelToFeature = labelToFeature;
        FeatureToLabel = featureToLabel;
    }

    public SealKey LabelToFeature { get; }

    public SealKey FeatureToLabel { get; }

    /// <param name="sharedSecret">The raw ECDH secret, 32 bytes.</param>
    public static SessionKeys Derive(ReadOnlySpan<byte> sharedSecret, ReadOnlySpan<byte> labelCoreHash, ReadOnlySpan<byte> featureCoreHash)
    {
        Span<byte> salt = stackalloc byte[2 * EnvelopeCodec.HashBytes];
        labelCoreHash.CopyTo(salt);
        featureCoreHash.CopyTo(salt[EnvelopeCodec.HashBytes..]);
        Span<byte> pseudorandom = stackalloc byte[SHA256.HashSizeInBytes];
        HKDF.Extract(HashAlgorithmName.SHA256, sharedSecret, salt, pseudorandom);
        SessionKeys keys = new(
            Direction(pseudorandom, "vertfed/v1/seal/label-to-feature"u8),
            Direction(pseudorandom, "vertfed/v1/seal/feature-to-label"u8));
        CryptographicOperations.ZeroMemory(pseudorandom);
        return keys;
    }

    public static SessionKeys CreateInsecureUnsealed() =>
        new(SealKey.CreateInsecureUnsealed(), SealKey.CreateInsecureUnsealed());

    /// <summary>The seal of what the role sends.</summary>
    public SealKey From(Role sender) => sender == Role.LabelParty ? LabelToFeature : FeatureToLabel;

    public void Dispose()
    {
        LabelToFeature.Dispose();
        FeatureToLabel.Dispose();
    }

    private static SealKey Direction(ReadOnlySpan<byte> pseudorandom, ReadOnlySpan<byte> info)
    {
        Span<byte> okm = stackalloc byte[2 * SealKey.KeyBytes];
        HKDF.Expand(HashAlgorithmName.SHA256, pseudorandom, okm, info);
        SealKey key = SealKey.Create(okm[..SealKey.KeyBytes], okm[SealKey.KeyBytes..]);
        CryptographicOperations.ZeroMemory(okm);
        return key;
    }
}
