using Grpc.Net.Client;
using VertFed.Protocol;

namespace VertFed.Load.Programs;

/// <summary>A party or a principal, with the key and the certificate that it shows.</summary>
internal sealed class Person : IDisposable
{
    public Person(string name)
    {
        Name = name;
        Identity = Identity.Create();
        Certificate = IdentityCertificate.Create(Identity, new CertificateTerms(name));
    }

    public string Name { get; }

    public Identity Identity { get; }

    public IdentityCertificate Certificate { get; }

    public string Fingerprint => Identity.Fingerprint;

    /// <summary>So many, named PREFIX0, PREFIX1 and so on.</summary>
    public static Person[] Several(string prefix, int count) => [.. Enumerable.Range(0, count).Select(i => new Person(FormattableString.Invariant($"{prefix}{i}")))];

    /// <summary>Writes key and certificate as a program reads them.</summary>
    public void Save(string path)
    {
        Identity.Save(path);
        Certificate.Save(Credential.CertificatePath(path));
    }

    /// <summary>A connection of its own to a coordinator.</summary>
    public GrpcChannel Connect(string address, string coordinatorFingerprint) => GrpcChannel.ForAddress(address, new GrpcChannelOptions
    {
        DisposeHttpClient = true,
        MaxReceiveMessageSize = 4 * 1024 * 1024,
        HttpHandler = Handler(coordinatorFingerprint),
    });

    public SocketsHttpHandler Handler(string coordinatorFingerprint) => new()
    {
        SslOptions = MutualTls.Client(Certificate, () => [coordinatorFingerprint], "coordinator"),
    };

    public void Dispose()
    {
        Certificate.Dispose();
        Identity.Dispose();
    }
}
