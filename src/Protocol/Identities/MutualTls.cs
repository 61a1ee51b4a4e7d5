using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace VertFed.Protocol;

/// <summary>
/// Both ends of every connection: TLS 1.3, or 1.2 where a peer has no more, HTTP/2, and a certificate from either side. Names and issuers
/// are not looked at; keys are.
/// </summary>
public static class MutualTls
{
    private const SslProtocols Versions = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>How a client connects. It goes on only with a server that holds one of the pinned keys.</summary>
    /// <param name="own">What it shows of itself.</param>
    /// <param name="pins">Fingerprints of the server's key, more than one while it changes keys; asked anew for each connection.</param>
    /// <param name="peer">What the server is called in errors.</param>
    /// <remarks>A server that does not fit ends the handshake with a <see cref="VertFedException"/> inside the transport's exception;
    /// <see cref="RefusalIn"/> finds it.</remarks>
    public static SslClientAuthenticationOptions Client(IdentityCertificate own, Func<IReadOnlyCollection<string>> pins, string peer, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(own);
        ArgumentNullException.ThrowIfNull(pins);
        return new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = Versions,
            ClientCertificateContext = own.Context,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            AllowTlsResume = false,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = NoDownloads(),
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                PeerIdentity key = PeerCertificate.Read(certificate as X509Certificate2, (time ?? TimeProvider.System).GetUtcNow());
                return pins().Contains(key.Fingerprint, StringComparer.Ordinal)
                    ? true
                    : throw Error.DoesNotVerify($"the {peer} showed a certificate of key {key.Fingerprint}, which is not the pinned one ({string.Join(" or ", pins())})");
            },
        };
    }

    /// <summary>
    /// How a server takes connections: the client must show a certificate of a P-256 key within its dates. Whether that key may do
    /// anything is decided call by call, so that a refusal can name the fingerprint that was shown.
    /// </summary>
    /// <param name="refused">Told why a handshake was refused.</param>
    public static SslServerAuthenticationOptions Server(IdentityCertificate own, Action<string> refused, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(own);
        ArgumentNullException.ThrowIfNull(refused);
        return new SslServerAuthenticationOptions
        {
            EnabledSslProtocols = Versions,
            ServerCertificateContext = own.Context,
            ClientCertificateRequired = true,
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            AllowTlsResume = false,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            CertificateChainPolicy = NoDownloads(),
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                try
                {
                    _ = PeerCertificate.Read(certificate as X509Certificate2, (time ?? TimeProvider.System).GetUtcNow());
                    return true;
                }
                catch (VertFedException e)
                {
                    refused(e.Message);
                    return false;
                }
            },
        };
    }

    /// <summary>Trust is the pinned key's alone; a certificate that names where its issuer is to be fetched from makes nobody fetch it.</summary>
    private static X509ChainPolicy NoDownloads() => new()
    {
        DisableCertificateDownloads = true,
        RevocationMode = X509RevocationMode.NoCheck,
    };

    /// <summary>Why this side ended a handshake, where that is what an exception comes from; else null.</summary>
    public static VertFedException? RefusalIn(Exception? exception)
    {
        for (Exception? at = exception; at is not null; at = at.InnerException)
        {
            if (at is VertFedException { Code: ErrorCode.DoesNotVerify } refusal)
            {
                return refusal;
            }
        }

        return null;
    }
}
