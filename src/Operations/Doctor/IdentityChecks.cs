using VertFed.Protocol;

namespace VertFed.Operations.Doctor;

/// <summary>A node's own key and certificate.</summary>
public static class IdentityChecks
{
    private const string Advice = "chmod 600 the key file, or make a new identity (vertfed identity create) and have its fingerprint pinned.";

    /// <summary>Adds the lines "identity" and "certificate".</summary>
    /// <returns>The identity with its certificate, the caller's to dispose; null where they cannot be loaded.</returns>
    public static async Task<Credential?> RunAsync(DoctorReport report, string identityPath, TimeProvider time)
    {
        Credential? credential = null;
        // Loading holds the file to its mode, the key to its curve, and the certificate to the key.
        await report.CheckAsync("identity", Advice, () =>
        {
            credential = Credential.Load(identityPath);
            return DoctorLine.Ok("identity", $"{identityPath}, fingerprint {credential.Fingerprint}");
        });
        if (credential?.Certificate is { } certificate)
            report.Add(NodeChecks.Validity("certificate", certificate.Name, certificate.NotBefore, certificate.NotAfter, time.GetUtcNow()));
        return credential;
    }
}
