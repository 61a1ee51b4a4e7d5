using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>A report part that was opened.</summary>
/// <param name="Party">The name it came under.</param>
/// <param name="Content">JSON, UTF-8.</param>
/// <param name="Signer">Whose key signed it; the reader compares it with the job spec's fingerprint.</param>
public sealed record OpenedReport(string Party, byte[] Content, PeerIdentity Signer);

/// <summary>
/// Seals a party's report part so that the submitter alone reads it: ephemeral ECDH P-256 with the submitter's key, HKDF-SHA256
/// (no salt, info "vertfed/v1/report" || job id), AES-256-GCM with a zero nonce, as the key is used once. The party signs what it
/// sealed, since anyone, the coordinator too, can seal to a public key.
/// </summary>
public static class ReportSeal
{
    /// <summary>Largest report part, in bytes.</summary>
    public const int MaxReportBytes = 4 * 1024 * 1024;

    private const int KeyBytes = 32;

    private static ReadOnlySpan<byte> KeyLabel => "vertfed/v1/report"u8;

    private static ReadOnlySpan<byte> SignatureLabel => "vertfed/v1/report-signature"u8;

    /// <summary>Seals and signs.</summary>
    /// <param name="job">The job id.</param>
    /// <param name="party">The party's name in the job spec.</param>
    /// <param name="own">The party's identity.</param>
    /// <param name="content">JSON, UTF-8; up to 4 MiB.</param>
    public static SealedReport Seal(string job, string party, Identity own, PeerIdentity submitter, ReadOnlySpan<byte> content)
    {
        ArgumentNullException.ThrowIfNull(job);
        ArgumentNullException.ThrowIfNull(own);
        ArgumentNullException.ThrowIfNull(submitter);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(content.Length, MaxReportBytes);
        using Identity ephemeral = Identity.Create();
        byte[] secret = ephemeral.DeriveRawSecret(submitter);
        using AesGcm aes = Cipher(secret, job);
        byte[] ciphertext = new byte[content.Length + SealKey.TagBytes];
        Span<byte> nonce = stackalloc byte[SealKey.NonceBytes];
        nonce.Clear();
        aes.Encrypt(nonce, content, ciphertext.AsSpan(0, content.Length), ciphertext.AsSpan(content.Length));
        SealedReport report = new()
        {
            Party = party,
            EphemeralKey = ByteString.CopyFrom(ephemeral.Public.SubjectPublicKeyInfo),
            Ciphertext = UnsafeByteOperations.UnsafeWrap(ciphertext),
            IdentityKey = ByteString.CopyFrom(own.Public.SubjectPublicKeyInfo),
        };
        report.Signature = UnsafeByteOperations.UnsafeWrap(own.Sign(Signed(job, report)));
        return report;
    }

    /// <summary>Verifies the party's signature and opens.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: the signature or the seal is another's.
    /// <see cref="ErrorCode.ProtocolViolation"/>: a key is malformed or the report too long.</exception>
    public static OpenedReport Open(string job, SealedReport report, Identity submitter)
    {
        ArgumentNullException.ThrowIfNull(job);
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(submitter);
        int length = report.Ciphertext.Length - SealKey.TagBytes;
        if (length is < 0 or > MaxReportBytes)
        {
            throw Error.Violation($"The sealed report of '{StrictYaml.Shown(report.Party)}' has {report.Ciphertext.Length} bytes, which cannot be.");
        }

        PeerIdentity ephemeral = PeerIdentity.Parse(report.EphemeralKey.Span);
        PeerIdentity signer = PeerIdentity.Parse(report.IdentityKey.Span);
        if (!signer.Verify(Signed(job, report), report.Signature.Span))
        {
            throw Error.DoesNotVerify($"The report of '{StrictYaml.Shown(report.Party)}' does not verify with the key {signer.Fingerprint}.");
        }

        byte[] secret = submitter.DeriveRawSecret(ephemeral);
        using AesGcm aes = Cipher(secret, job);
        byte[] content = new byte[length];
        Span<byte> nonce = stackalloc byte[SealKey.NonceBytes];
        nonce.Clear();
        try
        {
            aes.Decrypt(nonce, report.Ciphertext.Span[..length], report.Ciphertext.Span[length..], content);
        }
        catch (AuthenticationTagMismatchException e)
        {
            throw Error.DoesNotVerify($"The report of '{StrictYaml.Shown(report.Party)}' is not sealed to this key and job.", e);
        }

        return new OpenedReport(report.Party, content, signer);
    }

    private static AesGcm Cipher(byte[] secret, string job)
    {
        Span<byte> key = stackalloc byte[KeyBytes];
        byte[] info = [.. KeyLabel, .. Encoding.ASCII.GetBytes(job)];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, key, salt: [], info);
        CryptographicOperations.ZeroMemory(secret);
        AesGcm aes = new(key, SealKey.TagBytes);
        CryptographicOperations.ZeroMemory(key);
        return aes;
    }

    private static byte[] Signed(string job, SealedReport report) =>
    [
        .. SignatureLabel,
        .. SHA256.HashData(new ContextBuilder()
            .Add(job)
            .Add(report.Party)
            .Add(report.EphemeralKey.Span)
            .Add(report.Ciphertext.Span)
            .ToArray()),
    ];
}
