using System.Security.Cryptography;

namespace VertFed.Protocol;

/// <summary>
/// Someone else's pinned identity: an ECDSA P-256 public key, known by its fingerprint. Immutable, thread-safe, equal by key.
/// </summary>
public sealed class PeerIdentity : IEquatable<PeerIdentity>
{
    /// <summary>Length of a signature in bytes: r || s (IEEE P1363).</summary>
    public const int SignatureBytes = 64;

    private readonly byte[] _spki;
    private readonly byte[] _fingerprint;

    private PeerIdentity(byte[] spki)
    {
        _spki = spki;
        _fingerprint = SHA256.HashData(spki);
        Fingerprint = Convert.ToHexStringLower(_fingerprint);
    }

    /// <summary>SHA-256 of the SubjectPublicKeyInfo, as 64 lower-case hexadecimal digits: what people compare out of band.</summary>
    public string Fingerprint { get; }

    /// <summary>The fingerprint's 32 bytes.</summary>
    public ReadOnlySpan<byte> FingerprintBytes => _fingerprint;

    /// <summary>DER SubjectPublicKeyInfo, 91 bytes.</summary>
    public ReadOnlySpan<byte> SubjectPublicKeyInfo => _spki;

    /// <summary>Reads a public key. Only the canonical DER of an uncompressed P-256 point on the curve is accepted.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: anything else.</exception>
    public static PeerIdentity Parse(ReadOnlySpan<byte> subjectPublicKeyInfo)
    {
        string? wrong = NistP256.WhatIsWrongWith(subjectPublicKeyInfo);
        return wrong is null
            ? new PeerIdentity(subjectPublicKeyInfo.ToArray())
            : throw Error.Violation($"An identity key is refused: {wrong}.");
    }

    /// <summary>Whether the text is a fingerprint: 64 lower-case hexadecimal digits.</summary>
    public static bool IsFingerprint(string? text) => text is { Length: 64 } && text.All(char.IsAsciiHexDigitLower);

    /// <summary>Verifies an ECDSA signature with SHA-256 over the data.</summary>
    /// <param name="signature">r || s, 64 bytes; any other length does not verify.</param>
    public bool Verify(ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != SignatureBytes)
        {
            return false;
        }

        using ECDsa key = ECDsa.Create(NistP256.Parameters(_spki));
        return key.VerifyData(data, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    public bool Equals(PeerIdentity? other) => other is not null && _spki.AsSpan().SequenceEqual(other._spki);

    public override bool Equals(object? obj) => Equals(obj as PeerIdentity);

    public override int GetHashCode() => BitConverter.ToInt32(_fingerprint, 0);

    /// <summary>The fingerprint.</summary>
    public override string ToString() => Fingerprint;
}
