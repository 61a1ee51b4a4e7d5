using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>`demo horizontal`: a coordinator and five nodes as processes, held to the fit on all rows in one place.</summary>
[Trait("Speed", "slow")]
public sealed class HorizontalDemoTests : IDisposable
{
    private static readonly string[] s_nodes = ["north", "east", "south", "west", "centre"];
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static string Schema => File.ReadAllText(Path.Combine(Repository.Root, "docs", "horizontal-report.schema.json"));

    [Fact]
    public async Task Five_nodes_train_one_model_of_which_the_coordinator_learns_sums_alone()
    {
        (JsonElement report, ProgramResult result) = await RunAsync(kill: null, "--rows", "2000", "--secure", "--seed", "7", "--rounds", "12");

        RequireNear(report, trainRows: 1600, rounds: 12);
        JsonElement training = report.GetProperty("training");
        Assert.Equal("bonawitz", training.GetProperty("secure_aggregation").GetString());
        Assert.All(training.GetProperty("rounds").EnumerateArray(), round => Assert.Equal(s_nodes, Names(round.GetProperty("counted"))));
        Assert.Contains("no party's own", report.GetProperty("disclosures")[0].GetProperty("what").GetString(), StringComparison.Ordinal);
        foreach (string heading in (string[])["Rounds", "Test (400 rows", "worst decile", "Who learned what", "Files"])
        {
            Assert.Contains(heading, result.Output, StringComparison.Ordinal);
        }

        Assert.Contains("of 12", result.Error, StringComparison.Ordinal);
        Assert.All(report.GetProperty("files").EnumerateObject(), file => Assert.True(Path.Exists(file.Value.GetString()), file.Value.GetString()));

        JsonElement files = report.GetProperty("files");
        string transcript = files.GetProperty("transcript").GetString()!;
        ProgramResult verified = await RunningProgram.RunVertfedAsync("audit", "verify", transcript, "--model", files.GetProperty("model").GetString()!);
        Assert.True(verified.ExitCode == 0, verified.ToString());
        Assert.Contains("VERIFIED: complete, co-signed by all 5 parties", verified.Output, StringComparison.Ordinal);
        ProgramResult ledger = await RunningProgram.RunVertfedAsync("audit", "ledger", transcript);
        Assert.True(ledger.ExitCode == 0, ledger.ToString());
        Assert.Contains("the coordinator learned sums alone, of 5 parties at least", ledger.Output, StringComparison.Ordinal);
        ProgramResult replayed = await RunningProgram.RunVertfedAsync("audit", "replay", transcript, "--party-config", files.GetProperty("south_config").GetString()!);
        Assert.True(replayed.ExitCode == 0, replayed.ToString());
        Assert.Contains("south: FAITHFUL", replayed.Output, StringComparison.Ordinal);
    }

    /// <summary>In one of the two runs a node is killed in one of the first rounds, and started again.</summary>
    [SkippableTheory]
    [InlineData("iid", 10, null)]
    [InlineData("dirichlet:0.3", 30, "north")]
    public async Task Default_credit_split_by_rows_comes_within_0_002_of_the_AUC_of_the_joined_table(string partition, int rounds, string? kill)
    {
        string? data = Repository.SharedData("default_credit");
        Skip.IfNot(kill is null || OperatingSystem.IsLinux(), "children are looked up in /proc");
        Skip.If(data is null, "there is no default_credit in $VERTFED_DATA or ../shared/data");
        Dictionary<string, string> retailer = File.ReadLines(Path.Combine(data!, "retailer.csv")).ToDictionary(IdOf, line => line[IdOf(line).Length..], StringComparer.Ordinal);
        string[] joined = [.. File.ReadLines(Path.Combine(data!, "bank.csv")).Where(line => retailer.ContainsKey(IdOf(line))).Select(line => line + retailer[IdOf(line)])];
        File.WriteAllLines(_folder["all.csv"], joined);

        (JsonElement report, ProgramResult result) = await RunAsync(kill, "--data", _folder["all.csv"], "--partition", partition, "--rounds", rounds.ToString(CultureInfo.InvariantCulture));

        int rows = joined.Length - 1;
        RequireNear(report, trainRows: rows - (int)Math.Round(0.2 * rows, MidpointRounding.ToEven), rounds);
        Assert.Equal(kill is not null, result.Error.Contains($"The {kill} process ended with exit code 137; starting it again", StringComparison.Ordinal));
        Assert.All(report.GetProperty("training").GetProperty("rounds").EnumerateArray(), round => Assert.Equal(s_nodes, Names(round.GetProperty("counted"))));
    }

    /// <summary>As a terminal does it: its interrupt reaches the demo and the six processes that it started.</summary>
    [SkippableFact]
    public async Task An_interrupt_cancels_the_job_in_order_and_leaves_no_process()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "children are looked up in /proc");
        Skip.If(ProcessTable.IgnoresInterrupt, ProcessTable.InterruptIsIgnored);
        using RunningProgram demo = RunningProgram.Vertfed("demo", "horizontal", "--out", _folder["out"], "--rows", "500", "--rounds", "1000");
        await demo.PrintedAsync(" of 1000,");
        IReadOnlyList<int> children = ProcessTable.ChildrenOf(demo.Id);
        Assert.Equal(s_nodes.Length + 1, children.Count);
        foreach (int child in children)
        {
            using Process kill = Process.Start("kill", ["-INT", child.ToString(CultureInfo.InvariantCulture)]);
            await kill.WaitForExitAsync();
        }

        demo.Signal("INT");
        ProgramResult result = await demo.EndAsync();

        Assert.True(result.ExitCode == 130, result.ToString());
        Assert.All(children, child => Assert.False(ProcessTable.Runs(child, ".yaml")));
        Assert.Contains("Cancelled by a signal.", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("cannot be reached", result.Error, StringComparison.Ordinal);
        string report = File.ReadAllText(_folder["out", "report.json"]);
        Assert.Empty(JsonSchemaValidator.Validate(Schema, report));
        using JsonDocument document = JsonDocument.Parse(report);
        Assert.Equal("cancelled", document.RootElement.GetProperty("status").GetString());
    }

    private static void RequireNear(JsonElement report, int trainRows, int rounds)
    {
        Assert.Equal("done", report.GetProperty("status").GetString());
        JsonElement test = report.GetProperty("demo").GetProperty("test");
        Assert.InRange(test.GetProperty("auc").GetDouble(), test.GetProperty("auc_centralised").GetDouble() - 0.002, test.GetProperty("auc_centralised").GetDouble() + 0.002);
        Assert.InRange(test.GetProperty("auc").GetDouble(), 0.65, 1);
        Assert.Equal(rounds + 1, report.GetProperty("training").GetProperty("rounds").GetArrayLength());
        Assert.Equal(s_nodes, report.GetProperty("parties").EnumerateArray().Select(party => party.GetProperty("party").GetString()));
        Assert.Equal(trainRows, report.GetProperty("parties").EnumerateArray().Sum(party => party.GetProperty("train_rows").GetInt32()));
        Assert.InRange(report.GetProperty("spread").GetProperty("worst").GetDouble(), 0, report.GetProperty("spread").GetProperty("best").GetDouble());
    }

    private async Task<(JsonElement Report, ProgramResult Result)> RunAsync(string? kill, params string[] options)
    {
        using RunningProgram demo = RunningProgram.Vertfed(["demo", "horizontal", "--out", _folder["out"], .. options]);
        if (kill is not null)
        {
            // Whichever it is: the coordinator tells several changes within a moment as one.
            await demo.PrintedAsync("train: round ");
            Assert.True(ProcessTable.Kill(demo.Id, kill + ".yaml"));
        }

        ProgramResult result = await demo.EndAsync();
        Assert.True(result.ExitCode == 0, result.ToString());
        string report = File.ReadAllText(_folder["out", "report.json"]);
        Assert.Empty(JsonSchemaValidator.Validate(Schema, report));
        return (JsonDocument.Parse(report).RootElement, result);
    }

    private static string[] Names(JsonElement names) => [.. names.EnumerateArray().Select(name => name.GetString()!)];

    private static string IdOf(string line) => line[..line.IndexOf(',', StringComparison.Ordinal)];
}
