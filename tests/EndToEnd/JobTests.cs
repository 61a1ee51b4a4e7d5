using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>The commands that the demo composes, one by one, as operators and analysts type them.</summary>
[Trait("Speed", "slow")]
public sealed class JobTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_analyst_submits_watches_lists_and_reads_the_report()
    {
        await SampleAsync(4000);
        using Deployment deployment = await Deployment.StartCoordinatorAsync(_folder);
        RunningProgram bank = await deployment.StartPartyAsync("bank", _folder["data", "bank.csv"]);
        await deployment.StartPartyAsync("retailer", _folder["data", "retailer.csv"]);
        string job = await deployment.SubmitAsync();
        ProgramResult watch = await deployment.JobAsync("watch", job, "--json");
        Assert.True(watch.ExitCode == 0, watch + bank.Error);
        string[] states = [.. watch.Output.Trim().Split('\n').Select(line => JsonDocument.Parse(line).RootElement.GetProperty("state").GetString()!)];
        Assert.Equal("done", states[^1]);

        ProgramResult list = await deployment.JobAsync("list", "--json");
        JsonElement listed = Assert.Single(JsonDocument.Parse(list.Output).RootElement.GetProperty("jobs").EnumerateArray());
        Assert.Equal(job, listed.GetProperty("job").GetString());
        Assert.Contains(job, (await deployment.JobAsync("list")).Output, StringComparison.Ordinal);

        ProgramResult report = await deployment.JobAsync("report", job, "--identity", deployment.Analyst, "--spec", _folder["job.yaml"], "--json");
        Assert.True(report.ExitCode == 0, report.ToString());
        Assert.Empty(JsonSchemaValidator.Validate(File.ReadAllText(Path.Combine(Repository.Root, "docs", "report.schema.json")), report.Output));
        JsonElement coefficients = JsonDocument.Parse(report.Output).RootElement.GetProperty("coefficients");
        Assert.Equal(JsonValueKind.Null, coefficients.GetProperty("bank").ValueKind);
        Assert.NotEmpty(coefficients.GetProperty("retailer").EnumerateObject());
        Assert.Equal(JsonValueKind.Null, JsonDocument.Parse(report.Output).RootElement.GetProperty("align").GetProperty("intersection_sha256").ValueKind);
    }

    [Fact]
    public async Task Only_the_submitters_key_opens_the_report_and_cancels()
    {
        await SampleAsync(4000);
        using Deployment deployment = await Deployment.StartCoordinatorAsync(_folder);
        string job = await deployment.SubmitAsync();
        await RunningProgram.RunVertfedAsync("identity", "create", _folder["other.pem"]);
        ProgramResult cancel = await deployment.JobAsync("cancel", job, "--identity", _folder["other.pem"]);
        Assert.NotEqual(0, cancel.ExitCode);
        Assert.NotEqual("", cancel.Error);
        ProgramResult report = await deployment.JobAsync("report", job, "--identity", deployment.Analyst);
        Assert.Equal(2, report.ExitCode);
        Assert.Contains("has not ended", report.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_party_that_never_connects_is_named_after_the_deadline()
    {
        await SampleAsync(4000);
        using Deployment deployment = await Deployment.StartCoordinatorAsync(_folder);
        await deployment.StartPartyAsync("bank", _folder["data", "bank.csv"]);
        string job = await deployment.SubmitAsync(deadlineSeconds: 5);
        ProgramResult watch = await deployment.JobAsync("watch", job);
        Assert.True(watch.ExitCode == 5, watch.ToString());
        Assert.Contains("retailer", watch.Error.Trim().Split('\n')[^1], StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_cancelled_job_ends_on_all_three_and_the_nodes_go_on()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "children are looked up in /proc");
        await SampleAsync(20000);
        using Deployment deployment = await Deployment.StartCoordinatorAsync(_folder);
        RunningProgram bank = await deployment.StartPartyAsync("bank", _folder["data", "bank.csv"]);
        RunningProgram retailer = await deployment.StartPartyAsync("retailer", _folder["data", "retailer.csv"]);
        string job = await deployment.SubmitAsync();
        await bank.PrintedAsync("\"iteration\"");

        // So that the job cannot be done before it is cancelled.
        Assert.True(ProcessTable.Signal(retailer.Id, "retailer.yaml", "STOP"));
        ProgramResult cancel = await deployment.JobAsync("cancel", job, "--identity", deployment.Analyst);
        Assert.True(cancel.ExitCode == 0, cancel.ToString());
        await bank.PrintedAsync("\"job_end\"");
        Assert.True(ProcessTable.Signal(retailer.Id, "retailer.yaml", "CONT"));
        await retailer.PrintedAsync("\"job_end\"");
        Assert.Equal(130, (await deployment.JobAsync("watch", job)).ExitCode);
        Assert.False(bank.HasExited || retailer.HasExited, "a party node ended with the job");
    }

    [Fact]
    public async Task A_wrong_configuration_file_is_exit_code_2_with_file_and_line()
    {
        foreach (string role in (string[])["coordinator", "party"])
        {
            _folder.Write("wrong.yaml", "name: bank\nnonsense: 1\n");
            ProgramResult result = await RunningProgram.RunVertfedAsync(role, "--config", _folder["wrong.yaml"]);
            Assert.True(result.ExitCode == 2, result.ToString());
            Assert.Contains("wrong.yaml", result.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        }
    }

    private async Task SampleAsync(int rows)
    {
        ProgramResult sample = await RunningProgram.RunVertfedAsync(
            "sample", "--rows", rows.ToString(System.Globalization.CultureInfo.InvariantCulture), "--bank-features", "5", "--retailer-features", "5", "--out", _folder["data"]);
        Assert.True(sample.ExitCode == 0, sample.ToString());
    }
}
