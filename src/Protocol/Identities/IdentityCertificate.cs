using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace VertFed.Protocol;

/// <summary>
/// The self-signed X.509 certificate of an <see cref="Identity"/>: what TLS carries the key in. Trust is in the key's fingerprint and in
/// the certificate's dates, never in who signed it, so a renewed certificate over the same key is trusted as the one before.
/// </summary>
/// <remarks>It is a certification authority of depth 0 (basicConstraints CA, pathlen 0; keyUsage digitalSignature and keyCertSign), so
/// that clients which know only chains (OpenSSL, BoringSSL and with it every gRPC library) take it as its own trust anchor.</remarks>
public sealed class IdentityCertificate : IDisposable
{
    private const int MaxFileBytes = 16 * 1024;

    // A peer's clock may be a little behind.
    private static readonly TimeSpan Backdated = TimeSpan.FromMinutes(5);

    private readonly X509Certificate2 _certificate;

    private IdentityCertificate(X509Certificate2 certificate, string fingerprint)
    {
        _certificate = certificate;
        Fingerprint = fingerprint;
        Context = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true);
    }

    /// <summary>SHA-256 of the key's SubjectPublicKeyInfo, lower-case hexadecimal.</summary>
    public string Fingerprint { get; }

    /// <summary>The common name.</summary>
    public string Name => _certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false);

    /// <summary>The DNS names and addresses that it is for, besides its own name, localhost and 127.0.0.1, which each has.</summary>
    public IReadOnlyList<string> Hosts
    {
        get
        {
            X509SubjectAlternativeNameExtension[] names = [.. _certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()];
            string[] always = [Name, "localhost"];
            return
            [
                .. names.SelectMany(extension => extension.EnumerateDnsNames()).Where(name => !always.Contains(name, StringComparer.OrdinalIgnoreCase)),
                .. names.SelectMany(extension => extension.EnumerateIPAddresses()).Where(address => !address.Equals(System.Net.IPAddress.Loopback)).Select(address => address.ToString()),
            ];
        }
    }

    public DateTimeOffset NotBefore => new(_certificate.NotBefore.ToUniversalTime());

    public DateTimeOffset NotAfter => new(_certificate.NotAfter.ToUniversalTime());

    /// <summary>DER.</summary>
    public ReadOnlyMemory<byte> Encoded => _certificate.RawDataMemory;

    /// <summary>For TLS, with the private key.</summary>
    public SslStreamCertificateContext Context { get; }

    /// <summary>Makes a certificate that is valid from now on.</summary>
    public static IdentityCertificate Create(Identity identity, CertificateTerms terms, TimeProvider? time = null)
    {
        DateTimeOffset now = (time ?? TimeProvider.System).GetUtcNow();
        return Create(identity, terms, now - Backdated, now.AddDays(terms.Days));
    }

    /// <summary>Makes a certificate with dates of its own.</summary>
    internal static IdentityCertificate Create(Identity identity, CertificateTerms terms, DateTimeOffset notBefore, DateTimeOffset notAfter)
    {
        ArgumentNullException.ThrowIfNull(identity);
        ArgumentNullException.ThrowIfNull(terms);
        using X509Certificate2 made = identity.SelfSign(key => Request(key, terms), notBefore, notAfter);
        return Attach(identity, made);
    }

    /// <summary>Reads a certificate (one PEM block) that must hold the identity's key. Its dates are checked when it is used.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: unreadable, no certificate, or another key's.</exception>
    public static IdentityCertificate Load(string path, Identity identity)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(identity);
        string pem = ReadText(path);
        try
        {
            using X509Certificate2 certificate = X509Certificate2.CreateFromPem(pem);
            return PeerCertificate.KeyOf(certificate).Equals(identity.Public)
                ? Attach(identity, certificate)
                : throw Error.Usage($"The certificate '{path}' is of another key than the identity beside it; renew it with: vertfed identity renew");
        }
        catch (CryptographicException e)
        {
            throw Error.Usage($"'{path}' does not hold a PEM certificate.", e);
        }
        catch (VertFedException e) when (e.Code != ErrorCode.Usage)
        {
            throw Error.Usage($"The certificate '{path}' cannot be used: {e.Message}", e);
        }
    }

    /// <summary>Writes the certificate as PEM, whole or not at all. It is no secret.</summary>
    /// <param name="replace">Whether a file that is there may be replaced.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>.</exception>
    public void Save(string path, bool replace = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string unfinished = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (FileStream file = new(unfinished, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                file.Write(Encoding.ASCII.GetBytes(_certificate.ExportCertificatePem() + "\n"));
                file.Flush(flushToDisk: true);
            }

            File.Move(unfinished, path, replace);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            File.Delete(unfinished);
            throw Error.Usage($"The certificate '{path}' cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Checks the holder's own certificate before it is shown to anyone, so that it learns in words what peers would refuse.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: expired or not valid yet.</exception>
    public void RequireValid(DateTimeOffset now)
    {
        if (PeerCertificate.WhatIsWrongWithDates(_certificate, now) is { } wrong)
        {
            throw Error.Usage($"The own certificate ('{StrictYaml.Shown(Name)}') {wrong}; make a new one over the same key with: vertfed identity renew");
        }
    }

    public void Dispose() => _certificate.Dispose();

    /// <summary>Name and fingerprint; never anything private.</summary>
    public override string ToString() => $"{StrictYaml.Shown(Name)} {Fingerprint}";

    private static IdentityCertificate Attach(Identity identity, X509Certificate2 certificate)
    {
        using X509Certificate2 bare = X509CertificateLoader.LoadCertificate(certificate.RawData);
        X509Certificate2 whole = identity.Attach(bare);
        if (!OperatingSystem.IsWindows())
        {
            return new IdentityCertificate(whole, identity.Fingerprint);
        }

        // Windows' TLS takes no key that lives in memory alone.
        using (whole)
        {
            return new IdentityCertificate(
                X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), password: null), identity.Fingerprint);
        }
    }

    private static CertificateRequest Request(ECDsa key, CertificateTerms terms)
    {
        CertificateRequest request = new($"CN={terms.Name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, pathLengthConstraint: 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign, critical: true));
        OidCollection purposes = [new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")];
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(purposes, critical: false));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        SubjectAlternativeNameBuilder names = new();
        foreach (string name in terms.DnsNames.Prepend(terms.Name).Distinct(StringComparer.OrdinalIgnoreCase))
        {
            names.AddDnsName(name);
        }

        foreach (System.Net.IPAddress address in terms.Addresses.Distinct())
        {
            names.AddIpAddress(address);
        }

        request.CertificateExtensions.Add(names.Build());
        return request;
    }

    private static string ReadText(string path)
    {
        try
        {
            return new FileInfo(path).Length > MaxFileBytes
                ? throw Error.Usage($"The certificate '{path}' is longer than {MaxFileBytes} bytes.")
                : File.ReadAllText(path);
        }
        catch (FileNotFoundException e)
        {
            throw Error.Usage($"The certificate '{path}' does not exist; make it with: vertfed identity renew", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Usage($"The certificate '{path}' cannot be read: {e.Message}", e);
        }
    }
}
