using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Coordinator.Security;

/// <summary>Who gets a connection, and who gets a call.</summary>
public sealed class TransportTests
{
    private static readonly CertificateTerms Terms = new("test");

    [Fact]
    public async Task A_key_that_nobody_pinned_is_told_its_fingerprint_and_others_are_served()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using Identity stranger = Identity.Create();
        RpcException denied = await Assert.ThrowsAsync<RpcException>(() => ListAsync(fixture.ChannelOf(stranger)));
        Assert.Equal((StatusCode.Unauthenticated, nameof(ErrorCode.DoesNotVerify)), (denied.StatusCode, denied.Trailers.GetValue("vertfed-code")));
        Assert.Contains(stranger.Fingerprint, denied.Status.Detail, StringComparison.Ordinal);
        await ListAsync(fixture.ChannelOf(fixture.Submitter));
    }

    [Theory]
    [InlineData(-10, -1)]
    [InlineData(1, 10)]
    public async Task A_certificate_outside_its_dates_gets_no_connection(int fromDays, int toDays)
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using IdentityCertificate certificate = IdentityCertificate.Create(fixture.Submitter, Terms, now.AddDays(fromDays), now.AddDays(toDays));
        using GrpcChannel channel = TestTls.Connect(fixture.Host.Address, fixture.Submitter, fixture.Coordinator.Fingerprint, certificate);
        await RefusedAsync(channel);
        await ListAsync(fixture.ChannelOf(fixture.Submitter));
        Assert.Equal(ErrorCode.Usage, Assert.Throws<VertFedException>(() => certificate.RequireValid(now)).Code);
    }

    [Fact]
    public async Task Another_curve_or_no_certificate_gets_no_connection()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using X509Certificate2 certificate = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        using GrpcChannel other = Connect(fixture, certificate);
        await RefusedAsync(other);
        using GrpcChannel none = Connect(fixture, certificate: null);
        await RefusedAsync(none);
        await ListAsync(fixture.ChannelOf(fixture.Submitter));
    }

    [Fact]
    public async Task A_caller_refuses_a_coordinator_that_holds_another_key()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        using GrpcChannel channel = TestTls.Connect(fixture.Host.Address, fixture.Submitter, fixture.Bank.Fingerprint);
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => ListAsync(channel));
        VertFedException why = MutualTls.RefusalIn(refused.Status.DebugException)!;
        Assert.Contains(fixture.Coordinator.Fingerprint, why.Message, StringComparison.Ordinal);
        Assert.Contains("not the pinned one", why.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registration_passed_on_over_another_partys_connection_is_refused()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        await using FakeParty relayed = fixture.Stranger(over: fixture.Insurer);
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => relayed.RegisterAsync());
        Assert.Equal(StatusCode.Unauthenticated, refused.StatusCode);
        Assert.Contains("not that of the connection's certificate", refused.Status.Detail, StringComparison.Ordinal);
        await fixture.ConnectAsync("bank");
    }

    [Fact]
    public async Task Trust_that_is_withdrawn_closes_the_connection_and_new_trust_needs_no_restart()
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync();
        FakeParty bank = await fixture.ConnectAsync("bank"), retailer = await fixture.ConnectAsync("retailer");
        using Identity next = Identity.Create();
        Dictionary<string, global::VertFed.Coordinator.Configuration.AdmittedParty> parties = new(fixture.Config.Parties, StringComparer.Ordinal)
        {
            ["bank"] = new("bank", next.Fingerprint),
        };
        fixture.Host.Reload(fixture.Config with { Parties = parties });

        RpcException closed = await bank.ExpectStatusAsync();
        Assert.Contains(closed.StatusCode, new[] { StatusCode.Unavailable, StatusCode.Internal, StatusCode.Cancelled });
        RpcException denied = await Assert.ThrowsAsync<RpcException>(() => ListAsync(fixture.ChannelOf(fixture.Bank)));
        Assert.Equal(StatusCode.Unauthenticated, denied.StatusCode);
        await ListAsync(fixture.ChannelOf(next));

        // The others' streams have gone on.
        string job = (await fixture.Jobs.ListAsync(new ListJobsRequest())).NextPageToken;
        Assert.Equal("", job);
        await retailer.SendAsync(new PartyFrame { Chunk = new PayloadChunk() });
        Assert.Equal(StatusCode.InvalidArgument, (await retailer.ExpectStatusAsync()).StatusCode);
    }

    [Theory]
    [InlineData("identity: \"a\\0b\"\ndata: d\n")]
    [InlineData("identity: i\ndata: d\ndatabase: postgres://u@h:0/d\n")]
    [InlineData("identity: i\ndata: \"\\uFFFF\\uD800\"\n")]
    [InlineData("\0")]
    [InlineData("")]
    public async Task A_file_that_is_wrong_is_not_taken_and_the_coordinator_goes_on(string text)
    {
        await using CoordinatorFixture fixture = await CoordinatorFixture.StartAsync(
            config => config with { Log = config.Log with { Level = Microsoft.Extensions.Logging.LogLevel.None } });
        string file = Path.Combine(fixture.Config.DataFolder, "coordinator.yaml");
        await File.WriteAllTextAsync(file, text);
        fixture.Host.ReloadFrom(file);
        await ListAsync(fixture.ChannelOf(fixture.Submitter));
    }

    private static async Task RefusedAsync(GrpcChannel channel)
    {
        RpcException refused = await Assert.ThrowsAsync<RpcException>(() => ListAsync(channel));
        Assert.Contains(refused.StatusCode, new[] { StatusCode.Unavailable, StatusCode.Internal });
    }

    private static async Task ListAsync(GrpcChannel channel) =>
        await new JobService.JobServiceClient(channel).ListAsync(new ListJobsRequest(), deadline: DateTime.UtcNow.AddMinutes(1));

    private static GrpcChannel Connect(CoordinatorFixture fixture, X509Certificate2? certificate)
    {
        SslClientAuthenticationOptions tls = new()
        {
            ClientCertificates = certificate is null ? null : [certificate],
            RemoteCertificateValidationCallback = (_, server, _, _) => PeerCertificate.FingerprintOf((X509Certificate2)server!) == fixture.Coordinator.Fingerprint,
        };
        return GrpcChannel.ForAddress(fixture.Host.Address, new GrpcChannelOptions { DisposeHttpClient = true, HttpHandler = new SocketsHttpHandler { SslOptions = tls } });
    }
}
