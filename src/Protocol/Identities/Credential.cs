namespace VertFed.Protocol;

/// <summary>An identity with its certificate: what a process shows of itself on every connection.</summary>
public sealed class Credential : IDisposable
{
    /// <param name="identity">Becomes the credential's to dispose, as the certificate does.</param>
    public Credential(Identity identity, IdentityCertificate certificate)
    {
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentNullException.ThrowIfNull(certificate);
        (Identity, Certificate) = (identity, certificate);
    }

    public Identity Identity { get; }

    public IdentityCertificate Certificate { get; }

    public string Fingerprint => Identity.Fingerprint;

    /// <summary>Where the certificate of a key file is: beside it, with the ending .crt.</summary>
    public static string CertificatePath(string identityPath) => Path.ChangeExtension(identityPath, ".crt");

    /// <summary>Reads NAME.pem and NAME.crt.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>.</exception>
    public static Credential Load(string identityPath)
    {
        Identity identity = Identity.Load(identityPath);
        try
        {
            return new Credential(identity, IdentityCertificate.Load(CertificatePath(identityPath), identity));
        }
        catch
        {
            identity.Dispose();
            throw;
        }
    }

    /// <summary>Draws a key pair and writes NAME.pem and NAME.crt; neither may be there yet.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>.</exception>
    public static Credential Create(string identityPath, CertificateTerms terms)
    {
        string certificatePath = CertificatePath(identityPath);
        if (string.Equals(certificatePath, identityPath, StringComparison.Ordinal))
        {
            throw Error.Usage($"'{identityPath}' is where the certificate would go; name the key file with another ending, such as .pem.");
        }

        if (File.Exists(certificatePath))
        {
            throw Error.Usage($"'{certificatePath}' exists already; it is not overwritten.");
        }

        Identity identity = Identity.Create();
        try
        {
            identity.Save(identityPath);
            IdentityCertificate certificate = IdentityCertificate.Create(identity, terms);
            certificate.Save(certificatePath);
            return new Credential(identity, certificate);
        }
        catch
        {
            identity.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Certificate.Dispose();
        Identity.Dispose();
    }

    /// <summary>The fingerprint; never anything private.</summary>
    public override string ToString() => Fingerprint;
}
