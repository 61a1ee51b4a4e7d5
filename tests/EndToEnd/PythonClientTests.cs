using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>The Python client of samples/python against a real deployment, with Debian's packages and code generated from proto/.</summary>
[Trait("Speed", "slow")]
public sealed class PythonClientTests : IDisposable
{
    /// <summary>The system's own: one that stands before it on the PATH does not see Debian's packages.</summary>
    private const string Python = "/usr/bin/python3";

    private readonly TemporaryFolder _folder = new();

    private static string Sample => Path.Combine(Repository.Root, "samples", "python");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_client_has_fewer_than_sixty_lines() =>
        Assert.InRange(File.ReadLines(Path.Combine(Sample, "vertfed_client.py")).Count(), 1, 59);

    [SkippableFact]
    public async Task The_Python_client_submits_watches_and_learns_whose_report_parts_have_come()
    {
        await RequirePythonAsync();
        ProgramResult sample = await RunningProgram.RunVertfedAsync(
            "sample", "--rows", "4000", "--bank-features", "3", "--retailer-features", "3", "--out", _folder["data"]);
        Assert.True(sample.ExitCode == 0, sample.ToString());
        await GenerateAsync();
        using Deployment deployment = await Deployment.StartCoordinatorAsync(_folder);
        await deployment.StartPartyAsync("bank", _folder["data", "bank.csv"]);
        await deployment.StartPartyAsync("retailer", _folder["data", "retailer.csv"]);
        WriteJob(deployment);

        ProgramResult first = await ClientAsync(deployment, "coordinator.crt", "--client-token", "nightly");
        Assert.True(first.ExitCode == 0, first.ToString());
        string[] lines = first.Output.Trim().Split('\n');
        string job = lines[0].Split(' ')[0];
        Assert.Contains(lines, line => line.StartsWith($"{job} JOB_STATE_DONE", StringComparison.Ordinal));
        Assert.StartsWith("JOB_STATE_DONE", lines[^1], StringComparison.Ordinal);
        Assert.EndsWith("sealed report parts of: bank, retailer", lines[^1], StringComparison.Ordinal);

        // The id is that which the command line makes of the same key and name.
        using ECDsa analyst = ECDsa.Create();
        analyst.ImportFromPem(await File.ReadAllTextAsync(deployment.Analyst));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData([.. "vertfed/v1/job-id"u8, .. analyst.ExportSubjectPublicKeyInfo(), .. "nightly"u8]))[..32], job);

        // The same name for the request: the same job, which is done already.
        ProgramResult again = await ClientAsync(deployment, "coordinator.crt", "--client-token", "nightly");
        Assert.True(again.ExitCode == 0, again.ToString());
        Assert.StartsWith($"{job} JOB_STATE_DONE", again.Output, StringComparison.Ordinal);

        // What the client submitted is a job like any other to this repository's own command line.
        ProgramResult report = await deployment.JobAsync("report", job, "--json");
        Assert.True(report.ExitCode == 0, report.ToString());

        // Another certificate than the coordinator's is not trusted.
        ProgramResult refused = await ClientAsync(deployment, "bank.crt");
        Assert.True(refused.ExitCode == 1, refused.ToString());
        Assert.Contains("UNAVAILABLE", refused.Error, StringComparison.Ordinal);
    }

    private static async Task RequirePythonAsync()
    {
        string? lacking = null;
        if (!File.Exists(Python))
        {
            lacking = Python;
        }
        else
        {
            ProgramResult modules = await RunAsync(Python, "-c", "import grpc, google.protobuf, cryptography");
            ProgramResult tools = await RunAsync("/bin/sh", "-c", "command -v protoc && command -v grpc_python_plugin");
            lacking = modules.ExitCode != 0 ? "python3-grpcio, python3-protobuf or python3-cryptography"
                : tools.ExitCode != 0 ? "protobuf-compiler or protobuf-compiler-grpc"
                : null;
        }

        bool required = Environment.GetEnvironmentVariable("VERTFED_REQUIRE_PYTHON") == "1";
        Assert.False(required && lacking is not null, $"VERTFED_REQUIRE_PYTHON is set, and there is no {lacking}");
        Skip.If(lacking is not null, $"The Python client is not run: there is no {lacking}.");
    }

    private static async Task<ProgramResult> RunAsync(string file, params string[] arguments)
    {
        using RunningProgram program = RunningProgram.Start(file, arguments);
        return await program.EndAsync();
    }

    /// <summary>As samples/python/README.md says.</summary>
    private async Task GenerateAsync()
    {
        Directory.CreateDirectory(_folder["generated"]);
        ProgramResult generated = await RunAsync(
            "/bin/sh", "-c",
            "protoc -I \"$1\" --python_out=\"$2\" --grpc_python_out=\"$2\" --plugin=protoc-gen-grpc_python=\"$(command -v grpc_python_plugin)\" \"$1\"/vertfed/v1/*.proto",
            "sh", Path.Combine(Repository.Root, "proto"), _folder["generated"]);
        Assert.True(generated.ExitCode == 0, generated.ToString());
    }

    /// <summary>The sample's job with this deployment's parties.</summary>
    private void WriteJob(Deployment deployment)
    {
        JsonNode job = JsonNode.Parse(File.ReadAllText(Path.Combine(Sample, "job.json")))!;
        job["label_party"]!["fingerprint"] = deployment.FingerprintOf("bank");
        job["feature_party"]!["fingerprint"] = deployment.FingerprintOf("retailer");
        _folder.Write("job.json", job.ToJsonString());
    }

    private async Task<ProgramResult> ClientAsync(Deployment deployment, string coordinatorCertificate, params string[] more)
    {
        using RunningProgram program = RunningProgram.Start(
            Python,
            [
                Path.Combine(Sample, "vertfed_client.py"), _folder["job.json"], "--coordinator", new Uri(deployment.Address).Authority,
                "--coordinator-certificate", _folder[coordinatorCertificate], "--identity", deployment.Analyst, .. more,
            ],
            new Dictionary<string, string?>(StringComparer.Ordinal) { ["PYTHONPATH"] = _folder["generated"], ["PYTHONDONTWRITEBYTECODE"] = "1" });
        return await program.EndAsync(TimeSpan.FromMinutes(3));
    }
}
