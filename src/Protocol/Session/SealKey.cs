using System.Security.Cryptography;

namespace VertFed.Protocol;

/// <summary>
/// The seal of one direction of one attempt: AES-256-GCM (NIST SP 800-38D) whose nonce is the first 12 bytes of
/// HMAC-SHA256(nonce key, header || plaintext). A sealed payload is nonce (12) || ciphertext || tag (16); the header's bytes are
/// the associated data.
/// </summary>
/// <remarks>
/// The nonce depends on all that is sealed, so repeating a step, as a resumed run does, gives the same bytes and never pairs
/// one nonce with two plaintexts. header || plaintext reads only one way: a canonical header ends with its last field, whose
/// length is fixed. Not thread-safe.
/// </remarks>
internal sealed class SealKey : IDisposable
{
    public const int NonceBytes = 12;
    public const int TagBytes = 16;
    public const int OverheadBytes = NonceBytes + TagBytes;
    public const int KeyBytes = 32;

    private readonly AesGcm? _aes;
    private readonly byte[] _nonceKey;

    private SealKey(AesGcm? aes, byte[] nonceKey)
    {
        _aes = aes;
        _nonceKey = nonceKey;
    }

    /// <param name="sealingKey">32 uniform bytes; copied into the key schedule.</param>
    /// <param name="nonceKey">32 uniform bytes; copied.</param>
    public static SealKey Create(ReadOnlySpan<byte> sealingKey, ReadOnlySpan<byte> nonceKey) =>
        new(new AesGcm(sealingKey, TagBytes), nonceKey.ToArray());

    /// <summary>A seal that hides and protects nothing, of the same sizes: for the control run of <see cref="InsecureUnsealed"/> alone.</summary>
    public static SealKey CreateInsecureUnsealed() => new(aes: null, []);

    /// <summary>Seals a plaintext under a header.</summary>
    public byte[] Seal(ReadOnlySpan<byte> header, ReadOnlySpan<byte> plaintext)
    {
        byte[] payload = new byte[plaintext.Length + OverheadBytes];
        Span<byte> nonce = payload.AsSpan(0, NonceBytes);
        Span<byte> body = payload.AsSpan(NonceBytes, plaintext.Length);
        if (_aes is null)
        {
            plaintext.CopyTo(body);
            return payload;
        }

        WriteNonce(header, plaintext, nonce);
        _aes.Encrypt(nonce, plaintext, body, payload.AsSpan(NonceBytes + plaintext.Length), header);
        return payload;
    }

    /// <summary>Opens a sealed payload.</summary>
    /// <returns>The plaintext, or null if it was not sealed by the peer's key under this header in just this way.</returns>
    public byte[]? Open(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload)
    {
        if (payload.Length < OverheadBytes)
        {
            return null;
        }

        ReadOnlySpan<byte> nonce = payload[..NonceBytes];
        ReadOnlySpan<byte> body = payload[NonceBytes..^TagBytes];
        if (_aes is null)
        {
            return body.ToArray();
        }

        byte[] plaintext = new byte[body.Length];
        try
        {
            _aes.Decrypt(nonce, body, payload[^TagBytes..], plaintext, header);
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }

        // A sender that picks nonces otherwise could repeat one and bare both plaintexts to the relay.
        Span<byte> expected = stackalloc byte[NonceBytes];
        WriteNonce(header, plaintext, expected);
        return CryptographicOperations.FixedTimeEquals(expected, nonce) ? plaintext : null;
    }

    public void Dispose()
    {
        _aes?.Dispose();
        CryptographicOperations.ZeroMemory(_nonceKey);
    }

    private void WriteNonce(ReadOnlySpan<byte> header, ReadOnlySpan<byte> plaintext, Span<byte> nonce)
    {
        using IncrementalHash hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, _nonceKey);
        hmac.AppendData(header);
        hmac.AppendData(plaintext);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        hmac.GetHashAndReset(digest);
        digest[..NonceBytes].CopyTo(nonce);
    }
}
