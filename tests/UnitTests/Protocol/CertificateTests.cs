using System.Diagnostics;
using VertFed.Protocol;
using Xunit;

namespace VertFed.UnitTests.Protocol;

/// <summary>The certificate of an identity: in files, over time, and in the eyes of OpenSSL.</summary>
public sealed class CertificateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("vertfed-certificate-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_credential_is_two_files_that_are_never_overwritten()
    {
        using Credential made = Credential.Create(At("bank.pem"), new CertificateTerms("bank", 30, ["coordinator.example", "10.1.2.3"]));
        using Credential loaded = Credential.Load(At("bank.pem"));
        Assert.Equal((made.Fingerprint, "bank"), (loaded.Fingerprint, loaded.Certificate.Name));
        Assert.InRange((loaded.Certificate.NotAfter - loaded.Certificate.NotBefore).TotalDays, 30, 30.1);
        loaded.Certificate.RequireValid(TimeProvider.System.GetUtcNow());
        File.Delete(At("bank.pem"));
        Assert.Contains("exists already", Assert.Throws<VertFedException>(() => Credential.Create(At("bank.pem"), new CertificateTerms("bank"))).Message, StringComparison.Ordinal);
        Assert.Contains("another ending", Assert.Throws<VertFedException>(() => Credential.Create(At("bank.crt"), new CertificateTerms("bank"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_keys_certificate_or_none_is_refused_by_name()
    {
        using Credential bank = Credential.Create(At("bank.pem"), new CertificateTerms("bank"));
        using Credential other = Credential.Create(At("other.pem"), new CertificateTerms("other"));
        File.Copy(At("other.crt"), At("bank.crt"), overwrite: true);
        Refused("of another key");
        File.WriteAllText(At("bank.crt"), "nothing");
        Refused("does not hold a PEM certificate");
        File.WriteAllText(At("bank.crt"), new string('x', 20_000));
        Refused("longer than");
        File.Delete(At("bank.crt"));
        Refused("identity renew");

        void Refused(string why)
        {
            VertFedException error = Assert.Throws<VertFedException>(() => Credential.Load(At("bank.pem")));
            Assert.Equal(ErrorCode.Usage, error.Code);
            Assert.Contains(why, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void No_side_of_a_connection_fetches_what_a_certificate_names()
    {
        using Credential bank = Credential.Create(At("bank.pem"), new CertificateTerms("bank"));
        Assert.True(MutualTls.Client(bank.Certificate, () => [], "coordinator").CertificateChainPolicy!.DisableCertificateDownloads);
        Assert.True(MutualTls.Server(bank.Certificate, _ => { }).CertificateChainPolicy!.DisableCertificateDownloads);
    }

    [Fact]
    public async Task A_renewed_certificate_names_the_hosts_of_the_one_before_unless_others_are_given()
    {
        using (Credential.Create(At("bank.pem"), new CertificateTerms("bank", 30, ["coordinator.example", "10.1.2.3", "::1"])))
        {
            // Its files are what counts.
        }

        Assert.Equal(["coordinator.example", "10.1.2.3", "::1"], await RenewAsync());
        Assert.Equal(["coordinator.example", "10.1.2.3", "::1"], await RenewAsync("--name", "bank-2"));
        Assert.Equal(["other.example"], await RenewAsync("--host", "other.example"));

        async Task<IReadOnlyList<string>> RenewAsync(params string[] options)
        {
            Assert.Equal(0, await new Cli.CapturedTerminal().RunAsync(["identity", "renew", At("bank.pem"), .. options]));
            using Credential renewed = Credential.Load(At("bank.pem"));
            return renewed.Certificate.Hosts;
        }
    }

    [Theory]
    [InlineData("Bank", 1, "host")]
    [InlineData("bank", 0, "host")]
    [InlineData("bank", 4000, "host")]
    [InlineData("bank", 1, "a host")]
    [InlineData("bank", 1, "-a.example")]
    [InlineData("bank", 1, "")]
    public void Terms_out_of_range_are_refused(string name, int days, string host) =>
        Assert.Equal(ErrorCode.Usage, Assert.Throws<VertFedException>(() => new CertificateTerms(name, days, [host])).Code);

    [Fact]
    public void A_certificate_that_expired_says_when()
    {
        using Identity identity = Identity.Create();
        DateTimeOffset day = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
        using IdentityCertificate certificate = IdentityCertificate.Create(identity, new CertificateTerms("bank"), day, day.AddDays(1));
        Assert.Contains("expired on 2026-01-03T03:04:05Z", Assert.Throws<VertFedException>(() => certificate.RequireValid(day.AddDays(2))).Message, StringComparison.Ordinal);
        Assert.Contains("not valid before 2026-01-02T03:04:05Z", Assert.Throws<VertFedException>(() => certificate.RequireValid(day.AddDays(-1))).Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task OpenSsl_takes_it_as_its_own_trust_anchor()
    {
        Skip.IfNot(File.Exists("/usr/bin/openssl"), "there is no openssl");
        using Credential credential = Credential.Create(At("bank.pem"), new CertificateTerms("bank", 30, ["coordinator.example"]));
        foreach (string purpose in new[] { "sslserver", "sslclient" })
        {
            using Process process = Process.Start(new ProcessStartInfo(
                "/usr/bin/openssl", ["verify", "-x509_strict", "-purpose", purpose, "-verify_hostname", "coordinator.example", "-CAfile", At("bank.crt"), At("bank.crt")])
            {
                UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true,
            })!;
            string said = await process.StandardOutput.ReadToEndAsync() + await process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            Assert.True(process.ExitCode == 0, said);
        }
    }

    private string At(string name) => Path.Combine(_folder, name);
}
