using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Xunit;

namespace VertFed.UnitTests.Compat;

public sealed class TlsTests
{
    [Fact]
    public async Task Over_mutual_tls_the_server_knows_the_peer_and_channel_credentials_reach_it()
    {
        using X509Certificate2 server = SelfSigned("localhost");
        using X509Certificate2 client = SelfSigned("party-a");
        await using EchoHost host = await EchoHost.StartAsync(
            listen: endpoint => endpoint.UseHttps(https =>
            {
                https.ServerCertificate = server;
                https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
                https.ClientCertificateValidation = (certificate, _, _) => certificate.Thumbprint == client.Thumbprint;
            }),
            scheme: "https");
        string[] seen = [];
        host.Behaviour.OnUnary = (request, context) =>
        {
            seen =
            [
                context.AuthContext.PeerIdentityPropertyName ?? "",
                .. context.AuthContext.PeerIdentity.Select(property => property.Value),
                context.RequestHeaders.GetValue("token") ?? "",
            ];
            return Task.FromResult(request);
        };
        using var handler = new SocketsHttpHandler();
        handler.SslOptions = new SslClientAuthenticationOptions
        {
            ClientCertificates = [client],
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                certificate is X509Certificate2 presented && presented.Thumbprint == server.Thumbprint,
        };
        using GrpcChannel channel = host.Connect(options =>
        {
            options.HttpHandler = handler;
            options.Credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, CallCredentials.FromInterceptor((_, metadata) =>
            {
                metadata.Add("token", "t");
                return Task.CompletedTask;
            }));
        });

        await new EchoClient(channel).Unary([1]);

        Assert.Equal(["x509_common_name", "party-a", "t"], seen);
    }

    [Fact]
    public void Call_credentials_are_not_composed_with_plain_text() =>
        Assert.Throws<ArgumentException>(() => ChannelCredentials.Create(
            ChannelCredentials.Insecure, CallCredentials.FromInterceptor((_, _) => Task.CompletedTask)));

    private static X509Certificate2 SelfSigned(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
