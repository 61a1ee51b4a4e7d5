using System.Net;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Hosting;
using VertFed.Protocol;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Coordinator;

/// <summary>The configuration file: strict, and every error names file, line and field.</summary>
public sealed class ConfigTests : IDisposable
{
    private static readonly string A = new('a', 64), B = new('b', 64), C = new('c', 64);
    private static readonly string Good = $$"""
        listen: "[::1]:7000"
        identity: keys/coordinator.pem
        data: ./store
        parties:
          - {name: bank, fingerprint: {{A}}}
          - {name: retailer, fingerprint: {{B}}}
        principals:
          - {name: ann, fingerprint: {{C}}, roles: [analyst, auditor]}
        limits: {max_open_jobs: 5, retain_payload_days: 0, retain_access_days: 90, max_watchers_per_caller: 3, max_handshakes: 9, max_handshakes_per_address: 8, max_heavy_calls_per_minute: 7, max_calls_at_once: 6, max_job_gigabytes: 2}
        log: {level: debug, format: json}
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_whole_file_is_read()
    {
        CoordinatorConfig config = ConfigReader.Read(Write(Good));
        Assert.Equal(new IPEndPoint(IPAddress.IPv6Loopback, 7000), config.Listen);
        Assert.Equal(_folder.File("keys/coordinator.pem"), config.IdentityPath);
        Assert.Equal(_folder.File("store"), config.DataFolder);
        Assert.Equal([A], config.Parties["bank"].Fingerprints);
        Principal ann = Assert.Single(config.Principals);
        Assert.Equal(("ann", CallerRoles.Analyst | CallerRoles.Auditor), (ann.Name, ann.Roles));
        Assert.Equal([C], ann.Fingerprints);
        Assert.Equal((5, 0, 256), (config.Limits.MaxOpenJobs, config.Limits.RetainPayloadDays, config.Limits.MaxWatchers));
        Assert.Equal((90, 3, 9, 8), (config.Limits.RetainAccessDays, config.Limits.MaxWatchersPerCaller, config.Limits.MaxHandshakes, config.Limits.MaxHandshakesPerAddress));
        Assert.Equal((7, 6, 2), (config.Limits.MaxHeavyCallsPerMinute, config.Limits.MaxCallsAtOnce, config.Limits.MaxJobGigabytes));
        Assert.True(config.Log.Json);
    }

    [Theory]
    [InlineData("data: ./store", "datas: ./store", "data is missing")]
    [InlineData("identity: keys/coordinator.pem", "", "identity is missing")]
    [InlineData("limits:", "limit:", ":9: unknown field 'limit'")]
    [InlineData("max_open_jobs: 5", "max_open_job: 5", ":9: unknown field 'limits.max_open_job'")]
    [InlineData("max_open_jobs: 5", "max_open_jobs: 0", ":9: limits.max_open_jobs must be a whole number from 1 to 100000")]
    [InlineData("retain_access_days: 90", "retain_access_days: 0", ":9: limits.retain_access_days must be a whole number from 1 to 36500")]
    [InlineData("max_open_jobs: 5", "max_open_jobs: five", ":9: limits.max_open_jobs must be a whole number")]
    [InlineData("[::1]:7000", "::1", ":1: listen must be an address and port")]
    [InlineData("[::1]:7000", "127.0.0.1", ":1: listen must be an address and port")]
    [InlineData("[::1]:7000", "somewhere:80", ":1: listen must be an address and port")]
    [InlineData("name: retailer", "name: bank", "name is there twice")]
    [InlineData("name: retailer", "name: coordinator", "must not be 'coordinator'")]
    [InlineData("name: retailer", "name: Re tailer", ":6: parties[1].name must be 1 to 64")]
    [InlineData("bbbb", "BBBB", ":6: parties[1].fingerprint must be 64 lower-case hexadecimal digits")]
    [InlineData("level: debug", "level: loud", ":10: log.level must be debug")]
    [InlineData("principals:", "submitters: []\nprincipals:", ":7: unknown field 'submitters'")]
    [InlineData("fingerprint: cccc", "fingerprint: xccc", ":8: principals[0].fingerprint must be 64 lower-case")]
    [InlineData("name: ann", "name: bank", ":8: principals[0].name is there twice")]
    [InlineData("[analyst, auditor]", "[analyst, admin]", ":8: principals[0].roles must list some of analyst, auditor, operator")]
    [InlineData("[analyst, auditor]", "[analyst, analyst]", ":8: principals[0].roles must list some of")]
    [InlineData("[analyst, auditor]", "[]", ":8: principals[0].roles must list at least one role")]
    [InlineData("[analyst, auditor]", "[auditor]", ":7: principals must list at least one with the role analyst")]
    [InlineData("data: ./store", "data: [a]", ":3: data is not a single value")]
    [InlineData("data: ./store", "data: ./store\ndata: ./other", "comes twice")]
    [InlineData("parties:", "parties: {", "not well-formed")]
    [InlineData("data: ./store", "data: \"st\\0ore\"", ":3: a value holds a NUL character")]
    [InlineData("data: ./store", "data: ./store\ndatabase: postgres://u@h:0/d", ":4: database has a port that is not one")]
    public void A_mistake_is_named_with_file_line_and_field(string from, string to, string message)
    {
        string file = Write(Good.Replace(from, to, StringComparison.Ordinal));
        VertFedException exception = Assert.Throws<VertFedException>(() => ConfigReader.Read(file));
        Assert.Equal(ErrorCode.Usage, exception.Code);
        Assert.Contains(file, exception.Message, StringComparison.Ordinal);
        Assert.Contains(message, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_parties_with_one_key_are_refused() =>
        Assert.Contains(
            "another party's",
            Assert.Throws<VertFedException>(() => ConfigReader.Read(Write(Good.Replace(B, A, StringComparison.Ordinal)))).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("", "usage")]
    [InlineData("--config", "unexpected argument '--config'")]
    [InlineData("--config x --what", "unexpected argument '--what'")]
    [InlineData("--config /no/such/file.yaml", "/no/such/file.yaml: no such file")]
    public async Task A_wrong_command_line_exits_with_2(string arguments, string message)
    {
        var errors = new StringWriter();
        int code = await CoordinatorCommand.RunAsync(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries), TextWriter.Null, errors);
        Assert.Equal(2, code);
        Assert.Contains(message, errors.ToString(), StringComparison.Ordinal);
    }

    private string Write(string text)
    {
        string file = _folder.File("coordinator.yaml");
        File.WriteAllText(file, text);
        return file;
    }
}
