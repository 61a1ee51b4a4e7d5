using VertFed.Protocol;

namespace VertFed.Operations.Health;

/// <summary>Whether a node's own certificate is one that its peers take now.</summary>
public static class CertificateDates
{
    /// <param name="current">Asked at each check: an identity may be changed while the node runs.</param>
    public static ReadinessCheck Check(Func<IdentityCertificate> current, TimeProvider time) => new("certificate", _ =>
    {
        IdentityCertificate certificate = current();
        return Task.FromResult(Reason(certificate.NotBefore, certificate.NotAfter, time.GetUtcNow()));
    });

    internal static string? Reason(DateTimeOffset notBefore, DateTimeOffset notAfter, DateTimeOffset now) =>
        now > notAfter ? $"this node's certificate expired on {notAfter.UtcDateTime:yyyy-MM-dd}; run: vertfed identity renew"
        : now < notBefore ? $"this node's certificate is not valid before {notBefore.UtcDateTime:yyyy-MM-dd}; is the clock right?"
        : null;
}
