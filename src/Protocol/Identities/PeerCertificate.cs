using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VertFed.Protocol;

/// <summary>
/// What is asked of a certificate that a peer shows: a P-256 key, and dates that hold. Who issued it does not matter: the TLS handshake
/// proves that the peer holds the key, and the key's fingerprint is compared with a pin.
/// </summary>
public static class PeerCertificate
{
    /// <summary>The key of a certificate that is fit for use now.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: none shown, no P-256 key, expired, or not valid yet.</exception>
    public static PeerIdentity Read(X509Certificate2? certificate, DateTimeOffset now)
    {
        if (certificate is null)
        {
            throw Error.DoesNotVerify("no certificate was shown");
        }

        PeerIdentity key = KeyOf(certificate);
        return WhatIsWrongWithDates(certificate, now) is { } wrong
            ? throw Error.DoesNotVerify($"the certificate of key {key.Fingerprint} {wrong}")
            : key;
    }

    /// <summary>The fingerprint of a certificate's key, whatever its dates.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: no P-256 key in canonical form.</exception>
    public static string FingerprintOf(X509Certificate2 certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return KeyOf(certificate).Fingerprint;
    }

    /// <summary>The key of a certificate, whatever its dates.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>: no P-256 key in canonical form.</exception>
    internal static PeerIdentity KeyOf(X509Certificate2 certificate)
    {
        try
        {
            return PeerIdentity.Parse(certificate.PublicKey.ExportSubjectPublicKeyInfo());
        }
        catch (Exception e) when (e is VertFedException or CryptographicException)
        {
            throw Error.DoesNotVerify("the certificate does not hold a P-256 key", e);
        }
    }

    /// <summary>Null if the certificate is valid at a moment.</summary>
    internal static string? WhatIsWrongWithDates(X509Certificate2 certificate, DateTimeOffset now)
    {
        DateTimeOffset from = new(certificate.NotBefore.ToUniversalTime());
        DateTimeOffset to = new(certificate.NotAfter.ToUniversalTime());
        return now < from ? $"is not valid before {Text(from)}; it is {Text(now)} here"
            : now > to ? $"expired on {Text(to)}; it is {Text(now)} here"
            : null;
    }

    private static string Text(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
