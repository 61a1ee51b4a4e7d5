using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>A coordinator and parties as an operator runs them, each from its own configuration file and command.</summary>
internal sealed class Deployment : IDisposable
{
    private readonly TemporaryFolder _folder;
    private readonly List<RunningProgram> _programs = [];
    private readonly Dictionary<string, string> _fingerprints = new(StringComparer.Ordinal);

    private Deployment(TemporaryFolder folder) => _folder = folder;

    public string Address { get; private set; } = "";

    public string Analyst => _folder["analyst.pem"];

    /// <summary>Of bank, retailer, analyst or coordinator.</summary>
    public string FingerprintOf(string name) => _fingerprints[name];

    public static async Task<Deployment> StartCoordinatorAsync(TemporaryFolder folder)
    {
        Deployment deployment = new(folder);
        foreach (string name in (string[])["bank", "retailer", "analyst", "coordinator"])
        {
            ProgramResult made = await RunningProgram.RunVertfedAsync("identity", "create", folder[$"{name}.pem"]);
            Assert.True(made.ExitCode == 0, made.ToString());
            deployment._fingerprints[name] = made.Output.Trim();
        }

        folder.Write("coordinator.yaml", $"""
            listen: 127.0.0.1:0
            identity: coordinator.pem
            data: coordinator-data
            parties:
              - name: bank
                fingerprint: {deployment._fingerprints["bank"]}
              - name: retailer
                fingerprint: {deployment._fingerprints["retailer"]}
            principals:
              - name: analyst
                fingerprint: {deployment._fingerprints["analyst"]}
                roles: [analyst]
            """);
        RunningProgram coordinator = RunningProgram.Vertfed("coordinator", "--config", folder["coordinator.yaml"]);
        deployment._programs.Add(coordinator);
        await coordinator.PrintedAsync("\"ready\"");
        string ready = coordinator.Output.Split('\n').First(line => line.Contains("\"ready\"", StringComparison.Ordinal));
        deployment.Address = JsonDocument.Parse(ready).RootElement.GetProperty("address").GetString()!;
        return deployment;
    }

    /// <param name="more">More of the configuration file.</param>
    public async Task<RunningProgram> StartPartyAsync(string name, string csv, string more = "")
    {
        string peer = name == "bank" ? "retailer" : "bank";
        _folder.Write($"{name}.yaml", $"""
            name: {name}
            role: {(name == "bank" ? "label" : "feature")}
            coordinator: {Address}
            coordinator_fingerprint: {_fingerprints["coordinator"]}
            identity: {name}.pem
            data_dir: {name}-data
            peers:
              - name: {peer}
                fingerprint: {_fingerprints[peer]}
            submitters: [{_fingerprints["analyst"]}]
            data:
              csv: '{csv}'
            policy:
              share_coefficients_with_submitter: {(name == "retailer" ? "true" : "false")}
            {more}
            """);
        RunningProgram party = RunningProgram.Vertfed("party", "--config", _folder[$"{name}.yaml"]);
        _programs.Add(party);
        await party.PrintedAsync("\"ready\"");
        return party;
    }

    /// <summary>A file of samples/ with this deployment's address and keys in the place of the ones that stand there.</summary>
    public string OfSample(string file, string model = "")
    {
        string text = File.ReadAllText(Path.Combine(Repository.Root, "samples", file))
            .Replace("https://coordinator.example:7400", Address, StringComparison.Ordinal)
            .Replace("0123456789abcdef0123456789abcdef", model, StringComparison.Ordinal);
        foreach ((string name, char placeholder) in new[] { ("bank", 'b'), ("retailer", 'c'), ("analyst", 'a'), ("coordinator", 'd') })
        {
            text = text.Replace(new string(placeholder, 64), _fingerprints[name], StringComparison.Ordinal);
        }

        return _folder.Write(Path.GetFileName(file), text);
    }

    /// <summary>Starts a party from its configuration file.</summary>
    public async Task<RunningProgram> StartPartyFromAsync(string file)
    {
        RunningProgram party = RunningProgram.Vertfed("party", "--config", file);
        _programs.Add(party);
        await party.PrintedAsync("\"ready\"");
        return party;
    }

    /// <summary>Submits a training job and returns its id.</summary>
    public async Task<string> SubmitAsync(int deadlineSeconds = 600)
    {
        _folder.Write("job.yaml", $$"""
            label_party: { name: bank, fingerprint: {{_fingerprints["bank"]}} }
            feature_party: { name: retailer, fingerprint: {{_fingerprints["retailer"]}} }
            train:
              family: logistic
            deadline_seconds: {{deadlineSeconds}}
            """);
        ProgramResult result = await JobAsync("submit", _folder["job.yaml"]);
        Assert.True(result.ExitCode == 0, result.ToString());
        return result.Output.Trim();
    }

    /// <summary>Submits a score job and returns its id.</summary>
    public async Task<string> SubmitScoreAsync(string model, string dataset)
    {
        _folder.Write("score.yaml", $$"""
            kind: score
            label_party: { name: bank, fingerprint: {{_fingerprints["bank"]}} }
            feature_party: { name: retailer, fingerprint: {{_fingerprints["retailer"]}} }
            score: { model: {{model}} }
            dataset: {{dataset}}
            """);
        ProgramResult result = await JobAsync("submit", _folder["score.yaml"], "--identity", Analyst);
        Assert.True(result.ExitCode == 0, result.ToString());
        return result.Output.Trim();
    }

    /// <summary>Writes a job's transcript to a file.</summary>
    public Task<ProgramResult> ExportAsync(string job, string file) => RunningProgram.RunVertfedAsync(
        "audit", "export", job, "-o", file, "--coordinator", Address, "--coordinator-fingerprint", _fingerprints["coordinator"], "--identity", Analyst);

    public Task<ProgramResult> JobAsync(params string[] arguments) =>
        RunningProgram.RunVertfedAsync(
            ["job", .. arguments, "--coordinator", Address, "--coordinator-fingerprint", _fingerprints["coordinator"],
                .. arguments.Contains("--identity") ? (string[])[] : ["--identity", Analyst]]);

    public void Dispose() => _programs.ForEach(program => program.Dispose());
}
