using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>What an analyst learns of a job before submitting it, from real party nodes.</summary>
[Trait("Speed", "slow")]
public sealed class CheckTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Both_parties_say_what_their_rules_make_of_a_job_and_nothing_is_submitted()
    {
        ProgramResult sample = await RunningProgram.RunVertfedAsync(
            "sample", "--rows", "4000", "--bank-features", "3", "--retailer-features", "3", "--out", _folder["data"]);
        Assert.True(sample.ExitCode == 0, sample.ToString());
        using Deployment deployment = await Deployment.StartCoordinatorAsync(_folder);
        await deployment.StartPartyAsync("bank", _folder["data", "bank.csv"]);

        ProgramResult alone = await CheckAsync(deployment, iterations: 30);
        Assert.True(alone.ExitCode == 5, alone.ToString());
        Assert.Equal("retailer", Assert.Single(Root(alone).GetProperty("missing").EnumerateArray()).GetString());

        await deployment.StartPartyAsync("retailer", _folder["data", "retailer.csv"]);
        ProgramResult both = await CheckAsync(deployment, iterations: 30);
        Assert.True(both.ExitCode == 0, both.ToString());
        JsonElement root = Root(both);
        Assert.Empty(root.GetProperty("missing").EnumerateArray());
        Assert.Equal(["bank", "retailer"], root.GetProperty("parties").EnumerateArray().Select(party => party.GetProperty("party").GetString()));
        Assert.All(root.GetProperty("parties").EnumerateArray(), party => Assert.NotEmpty(party.GetProperty("rules").EnumerateArray()));
        string schema = File.ReadAllText(Path.Combine(Repository.Root, "docs", "job-check.schema.json"));
        Assert.Empty(JsonSchemaValidator.Validate(schema, both.Output));

        ProgramResult refused = await CheckAsync(deployment, iterations: 31);
        Assert.True(refused.ExitCode == 4, refused.ToString());
        JsonElement[] rules = [.. Root(refused).GetProperty("parties").EnumerateArray().SelectMany(party => party.GetProperty("rules").EnumerateArray())];
        Assert.Contains(rules, rule => rule.GetProperty("name").GetString() == "max-iterations" && rule.GetProperty("verdict").GetString() == "refuse");

        ProgramResult words = await deployment.JobAsync("check", _folder["check.yaml"]);
        Assert.Contains("max-iterations", words.Output, StringComparison.Ordinal);
        Assert.Contains("Verdict: refuse", words.Output, StringComparison.Ordinal);
        Assert.Empty(Root(await deployment.JobAsync("list", "--json")).GetProperty("jobs").EnumerateArray());
    }

    private static JsonElement Root(ProgramResult result) => JsonDocument.Parse(result.Output).RootElement;

    private Task<ProgramResult> CheckAsync(Deployment deployment, int iterations)
    {
        _folder.Write("check.yaml", $$"""
            label_party: { name: bank, fingerprint: {{deployment.FingerprintOf("bank")}} }
            feature_party: { name: retailer, fingerprint: {{deployment.FingerprintOf("retailer")}} }
            train: { family: logistic, max_iterations: {{iterations}} }
            """);
        return deployment.JobAsync("check", _folder["check.yaml"], "--json");
    }
}
