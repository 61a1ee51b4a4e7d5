using System.Text;
using System.Text.Json;
using Google.Protobuf;
using VertFed.Cli.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using Xunit;

namespace VertFed.UnitTests.Cli;

/// <summary>The parties' answers to a dry run, as the analyst's command opens and shows them.</summary>
public sealed class JobCheckTests : IDisposable
{
    private readonly Identity _bank = Identity.Create();
    private readonly Identity _retailer = Identity.Create();
    private readonly Identity _analyst = Identity.Create();
    private readonly JobSpecification _spec;

    public JobCheckTests() => _spec = JobSpecification.FromMessage(new JobSpec
    {
        Version = 1,
        Job = new string('a', 32),
        Kind = JobKind.Train,
        LabelParty = new PartyRef { Name = "bank", Fingerprint = ByteString.CopyFrom(_bank.Public.FingerprintBytes) },
        FeatureParty = new PartyRef { Name = "retailer", Fingerprint = ByteString.CopyFrom(_retailer.Public.FingerprintBytes) },
        Align = new AlignSpec { Duplicates = DuplicateIds.Refuse },
        Train = new TrainSpec { Family = Family.Logistic, L2 = 1e-3, MaxIterations = 30 },
        Holdout = 0.2,
        DeadlineSeconds = 600,
        Payloads = Payloads.Full,
    });

    public void Dispose()
    {
        _bank.Dispose();
        _retailer.Dispose();
        _analyst.Dispose();
    }

    [Theory]
    [InlineData("pass", "pass", "pass", 0)]
    [InlineData("pass", "warn", "warn", 0)]
    [InlineData("held", "warn", "held", 0)]
    [InlineData("refuse", "held", "refuse", 4)]
    public void The_worst_verdict_counts(string bank, string retailer, string whole, int exitCode)
    {
        JobCheck check = Open(Part("bank", _bank, bank), Part("retailer", _retailer, retailer));
        Assert.Equal((whole, exitCode), (check.Verdict, check.ExitCode));
        Assert.Empty(check.Missing);
    }

    [Fact]
    public void The_estimate_is_the_larger_of_the_two()
    {
        JobCheck check = Open(Part("bank", _bank, "pass", seconds: 10, bytes: 2e6), Part("retailer", _retailer, "pass", seconds: 12, bytes: 1e6));
        Assert.Equal(new PreflightEstimate(12, 2e6), check.Estimate);
    }

    [Fact]
    public void A_party_that_is_missing_is_told_apart_from_one_that_refuses()
    {
        JobCheck one = Open(Part("retailer", _retailer, "pass"));
        Assert.Equal(("missing", 5, "bank"), (one.Verdict, one.ExitCode, Assert.Single(one.Missing)));
        Assert.Equal(4, Open(Part("retailer", _retailer, "refuse")).ExitCode);
        Assert.Equal(["bank", "retailer"], Open().Missing);
        Assert.Null(Open().Estimate);
    }

    [Fact]
    public void A_part_that_another_key_signed_does_not_verify()
    {
        VertFedException exception = Assert.Throws<VertFedException>(() => Open(Part("bank", _retailer, "pass")));
        Assert.Equal((ErrorCode.DoesNotVerify, "bank"), (exception.Code, exception.Party));
    }

    [Fact]
    public void Parts_that_are_doubled_of_another_job_or_malformed_are_refused()
    {
        SealedReport fine = Part("bank", _bank, "pass");
        foreach (SealedReport[] parts in new SealedReport[][]
        {
            [fine, fine],
            [Sealed("bank", _bank, Json("bank", "pass").Replace(_spec.Job, new string('b', 32), StringComparison.Ordinal))],
            [Sealed("bank", _bank, Json("retailer", "pass"))],
            [Sealed("bank", _bank, Json("bank", "excellent"))],
            [Sealed("bank", _bank, Json("bank", "pass").Replace("\"schema\":1", "\"schema\":2", StringComparison.Ordinal))],
            [Sealed("bank", _bank, "{}")],
            [Sealed("bank", _bank, "[" + new string('[', 200))],
            [Sealed("bank", _bank, Json("bank", "pass").Replace("\"rules\":[", "\"rules\":null,\"other\":[", StringComparison.Ordinal))],
        })
        {
            Assert.Equal(ErrorCode.ProtocolViolation, Assert.Throws<VertFedException>(() => Open(parts)).Code);
        }
    }

    [Fact]
    public void What_a_party_wrote_is_shown_without_control_characters_and_markup()
    {
        CapturedTerminal terminal = new();
        CheckCommand.Write(terminal.Terminal.OutputConsole(), Open(Sealed("bank", _bank, Json("bank", "refuse", reason: "[red]1[/] \\u001b[31m is below 2"))));
        Assert.Contains("[red]1[/]", terminal.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', terminal.Output);
        Assert.Contains("minimum-intersection", terminal.Output, StringComparison.Ordinal);
        Assert.Contains("retailer: no answer", terminal.Output, StringComparison.Ordinal);
        Assert.Contains("Verdict: refuse", terminal.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void As_JSON_it_holds_what_the_table_holds()
    {
        using JsonDocument json = JsonDocument.Parse(JsonSerializer.Serialize(Open(Part("bank", _bank, "held")), PreflightJson.Default.JobCheck));
        Assert.Equal("missing", json.RootElement.GetProperty("verdict").GetString());
        Assert.Equal("minimum-intersection", json.RootElement.GetProperty("parties")[0].GetProperty("rules")[0].GetProperty("name").GetString());
        Assert.Equal("retailer", json.RootElement.GetProperty("missing")[0].GetString());
    }

    private static string Number(double value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private JobCheck Open(params SealedReport[] parts) => JobCheck.Open(new DryRunResponse { Parts = { parts } }, _spec, _analyst);

    private SealedReport Part(string party, Identity signer, string verdict, double seconds = 1, double bytes = 1) =>
        Sealed(party, signer, Json(party, verdict, seconds, bytes));

    private SealedReport Sealed(string party, Identity signer, string json) => ReportSeal.Seal(_spec.Job, party, signer, _analyst.Public, Encoding.UTF8.GetBytes(json));

    private string Json(string party, string verdict, double seconds = 1, double bytes = 1, string reason = "100 or more") =>
        $$$"""
        {"schema":1,"job":"{{{_spec.Job}}}","kind":"train","party":"{{{party}}}","role":"label","dry_run":true,"verdict":"{{{verdict}}}","approval":"automatic",
        "rules":[{"name":"minimum-intersection","moment":"offer","verdict":"pass","reason":"{{{reason}}}"}],
        "data":{"dataset":"default","rows":10,"columns":2},"estimate":{"seconds":{{{Number(seconds)}}},"bytes":{{{Number(bytes)}}},"basis":"x"},
        "policy":{"sha256":"00","looser_than_default":[]},"error":null}
        """;
}
