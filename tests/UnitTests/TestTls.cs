using Grpc.Net.Client;
using VertFed.Protocol;

namespace VertFed.UnitTests;

/// <summary>Certificates for the identities of tests, and channels that show them.</summary>
internal static class TestTls
{
    /// <summary>A credential over a test's identity; both are left to the garbage collector with the test's end.</summary>
    /// <param name="made">When its certificate was made; null: now.</param>
    public static Credential CredentialOf(Identity identity, string name = "test", TimeProvider? made = null) =>
        new(identity, IdentityCertificate.Create(identity, new CertificateTerms(name), made));

    /// <summary>Writes the key and its certificate as an operator's `identity create` does.</summary>
    /// <param name="made">When its certificate was made; null: now.</param>
    public static void Save(Identity identity, string path, TimeProvider? made = null)
    {
        identity.Save(path);
        using IdentityCertificate certificate = IdentityCertificate.Create(identity, new CertificateTerms("test"), made);
        certificate.Save(Credential.CertificatePath(path));
    }

    /// <summary>A channel to a coordinator that must hold a key.</summary>
    /// <param name="certificate">Null: one that is valid now.</param>
    public static GrpcChannel Connect(string address, Identity caller, string coordinatorFingerprint, IdentityCertificate? certificate = null) =>
        GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            MaxReceiveMessageSize = 4 * 1024 * 1024,
            HttpHandler = new SocketsHttpHandler
            {
                SslOptions = MutualTls.Client(
                    certificate ?? IdentityCertificate.Create(caller, new CertificateTerms("test")), () => [coordinatorFingerprint], "coordinator"),
            },
        });
}
