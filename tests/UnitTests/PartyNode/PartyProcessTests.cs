using System.Diagnostics;
using System.Globalization;
using VertFed.Protocol.V1;
using VertFed.Storage;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>The executable itself: how it ends, and that it takes up what it was doing when it was killed.</summary>
public sealed class PartyProcessTests
{
    [Fact]
    public async Task Command_line_and_configuration_errors_end_with_2_and_missing_data_with_3()
    {
        Assert.Equal((2, "error: usage: party --config FILE [--parent-pipe] | --doctor [--config FILE]"), await RunAsync());
        Assert.Equal(2, (await RunAsync("--config", "/nowhere/party.yaml")).Code);
        Assert.Equal(2, (await RunAsync("--colour", "red")).Code);
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        Assert.Equal((3, "error: bank.csv: no such file"), await RunAsync("--config", fixture.WriteConfiguration(Role.LabelParty)));
    }

    [Fact]
    public async Task It_ends_with_its_parents_pipe()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(10);
        using Process process = Start("--config", fixture.WriteConfiguration(Role.LabelParty), "--parent-pipe");
        await ReadEventAsync(process, "ready");
        process.StandardInput.Close();
        Assert.Equal(130, await ExitAsync(process));
    }

    [SkippableFact]
    public async Task It_ends_with_130_on_a_signal()
    {
        Skip.If(OperatingSystem.IsWindows(), "SIGTERM is a Unix signal");
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(10);
        using Process process = Start("--config", fixture.WriteConfiguration(Role.LabelParty));
        await ReadEventAsync(process, "ready");
        using Process kill = Process.Start("kill", ["-TERM", process.Id.ToString(CultureInfo.InvariantCulture)]);
        Assert.Equal(130, await ExitAsync(process));
    }

    [Fact]
    public async Task The_key_that_seals_seeds_comes_from_the_environment_and_must_be_the_stores()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(10);
        string config = fixture.WriteConfiguration(Role.LabelParty);
        string key = new('7', 64);
        Assert.Equal(
            (2, $"error: {SecretsKey.Variable}: the key that seals secrets is 64 hexadecimal digits"),
            await RunAsync(With(SecretsKey.Variable, "77"), "--config", config));
        using (Process process = Start(With(SecretsKey.Variable, key), "--config", config, "--parent-pipe"))
        {
            await ReadEventAsync(process, "ready");
            process.StandardInput.Close();
            Assert.Equal(130, await ExitAsync(process));
        }

        Assert.False(File.Exists(Path.Combine(fixture.Folder, "bank", "secrets.key")));
        (int code, string error) = await RunAsync(With(SecretsKey.Variable, new string('8', 64)), "--config", config);
        Assert.Equal(9, code);
        Assert.Contains("the secrets key is not the one that sealed this store's seeds", error, StringComparison.Ordinal);
        Assert.DoesNotContain("8888", error, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task A_node_that_was_killed_goes_on_from_its_journal()
    {
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(800);
        RunningNode bank = fixture.StartNode(Role.LabelParty);
        string config = fixture.WriteConfiguration(Role.FeatureParty);
        using Process first = Start("--config", config);
        string job = await fixture.SubmitAsync(spec => spec.DeadlineSeconds = 120);
        await ReadEventAsync(first, "iteration");
        first.Kill();
        await first.WaitForExitAsync();

        using Process second = Start("--config", config);
        Task<string> log = second.StandardError.ReadToEndAsync();
        JobStatus status = await fixture.CoSignedEndOfAsync(job);
        second.Kill();
        await second.WaitForExitAsync();
        Assert.True(status.State == JobState.Done, $"{status.Error}\n{bank.Log}\n{await log}");
        Assert.Contains("resuming attempt 1 from the journal", await log, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task The_operator_speaks_to_the_running_node_from_another_process()
    {
        Skip.If(OperatingSystem.IsWindows(), "file modes are Unix ones");
        await using NodeFixture fixture = await NodeFixture.StartAsync();
        fixture.WriteData(200);
        fixture.StartNode(Role.FeatureParty);
        string config = fixture.WriteConfiguration(Role.LabelParty, "  allow_disclosure_risk: true\n  approval: manual");
        (int code, string error) = await RunAsync("jobs", "--config", config);
        Assert.Equal((5, "error: the node of 'bank' is not running: nobody answers at data_dir/control.sock; `vertfed party --config FILE` starts it"), (code, error));
        using Process node = Start("--config", config, "--parent-pipe");
        await ReadEventAsync(node, "ready");
        string first = await fixture.SubmitAsync();
        await ReadEventAsync(node, "held");

        Assert.Contains($"{first}  held       train", await OutputAsync("jobs", "--config", config, "--held"), StringComparison.Ordinal);
        string shown = await OutputAsync("show", first, "--config", config);
        Assert.Contains("data       default: 200 rows, 2 columns", shown, StringComparison.Ordinal);
        Assert.Contains("  pass     submitter-allowed", shown, StringComparison.Ordinal);
        Assert.Contains("\"state\": \"JOB_STATE_OFFERED\"", await OutputAsync("show", first, "--config", config, "--json"), StringComparison.Ordinal);
        Assert.Equal((2, "error: this node has no job of this id"), await RunAsync("approve", new string('0', 32), "--config", config));
        Assert.Equal((2, "error: a job id is 32 lower-case hexadecimal digits"), await RunAsync("approve", "../x", "--config", config));
        Assert.Contains("decision   refused: wrong quarter", await OutputAsync("refuse", first, "--config", config, "--reason", "wrong quarter"), StringComparison.Ordinal);
        Assert.Equal(JobState.Refused, (await fixture.EndOfAsync(first)).State);

        string second = await fixture.SubmitAsync();
        await ReadEventAsync(node, "held");
        await OutputAsync("approve", second, "--config", config);
        await ReadEventAsync(node, "phase");
        await fixture.CancelAsync(second);
        node.StandardInput.Close();
        Assert.Equal(130, await ExitAsync(node));
        Assert.False(File.Exists(Path.Combine(fixture.Folder, "bank", "control.sock")));
    }

    /// <summary>What a command prints that succeeds.</summary>
    private static async Task<string> OutputAsync(params string[] arguments)
    {
        using Process process = Start(arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync().WaitAsync(NodeFixture.Patience);
        Assert.True(await ExitAsync(process) == 0, await error);
        return output;
    }

    /// <summary>
    /// The program in its own output folder (artifacts/bin/PartyNode/CONFIGURATION beside artifacts/bin/UnitTests/CONFIGURATION):
    /// the copy in the tests' folder lacks what ASP.NET Core brings to the tests.
    /// </summary>
    private static string Program
    {
        get
        {
            DirectoryInfo tests = new(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
            return Path.Combine(tests.Parent!.Parent!.FullName, "PartyNode", tests.Name, "VertFed.PartyNode.dll");
        }
    }

    private static Dictionary<string, string> With(string name, string value) => new(StringComparer.Ordinal) { [name] = value };

    private static Process Start(params string[] arguments) => Start([], arguments);

    private static Process Start(Dictionary<string, string> environment, params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        start.ArgumentList.Add(Program);
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start)!;
    }

    private static Task<(int Code, string Error)> RunAsync(params string[] arguments) => RunAsync([], arguments);

    private static async Task<(int Code, string Error)> RunAsync(Dictionary<string, string> environment, params string[] arguments)
    {
        using Process process = Start(environment, arguments);
        string error = await process.StandardError.ReadToEndAsync().WaitAsync(NodeFixture.Patience);
        return (await ExitAsync(process), error.TrimEnd());
    }

    private static async Task ReadEventAsync(Process process, string name)
    {
        while (true)
        {
            string line = await process.StandardOutput.ReadLineAsync().WaitAsync(NodeFixture.Patience)
                ?? throw new InvalidOperationException(await process.StandardError.ReadToEndAsync());
            if (line.StartsWith($"{{\"event\":\"{name}\"", StringComparison.Ordinal))
            {
                return;
            }
        }
    }

    private static async Task<int> ExitAsync(Process process)
    {
        try
        {
            await process.WaitForExitAsync().WaitAsync(NodeFixture.Patience);
        }
        catch (TimeoutException)
        {
            process.Kill();
            throw;
        }

        return process.ExitCode;
    }
}
