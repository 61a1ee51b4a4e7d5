using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>What happens to the three processes when someone interrupts, kills or cancels.</summary>
[Trait("Speed", "slow")]
public sealed class ProcessTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableFact]
    public async Task A_demo_that_is_killed_leaves_none_of_its_children()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "children are looked up in /proc");
        using RunningProgram demo = StartDemo();
        await demo.PrintedAsync("iteration 1,");
        IReadOnlyList<int> children = ProcessTable.ChildrenOf(demo.Id);
        Assert.Equal(3, children.Count);
        demo.Signal("KILL");
        await demo.EndAsync();
        Assert.True(await EndWithinAsync(children, TimeSpan.FromMinutes(1)), "children of the killed demo still run");
    }

    [SkippableTheory]
    [InlineData("INT")]
    [InlineData("TERM")]
    public async Task A_signal_cancels_the_job_and_ends_the_tree_with_exit_code_130(string signal)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "children are looked up in /proc");
        Skip.If(signal == "INT" && ProcessTable.IgnoresInterrupt, ProcessTable.InterruptIsIgnored);
        using RunningProgram demo = StartDemo();
        await demo.PrintedAsync("iteration 1,");
        IReadOnlyList<int> children = ProcessTable.ChildrenOf(demo.Id);
        demo.Signal(signal);
        ProgramResult result = await demo.EndAsync();
        Assert.True(result.ExitCode == 130, result.ToString());
        Assert.True(await EndWithinAsync(children, TimeSpan.Zero), "children run after the demo has ended");
        string text = File.ReadAllText(_folder["out", "report.json"]);
        Assert.Empty(JsonSchemaValidator.Validate(File.ReadAllText(Path.Combine(Repository.Root, "docs", "report.schema.json")), text));
        JsonElement report = JsonDocument.Parse(text).RootElement;
        Assert.Equal("cancelled", report.GetProperty("status").GetString());
        Assert.Equal("Cancelled", report.GetProperty("error").GetProperty("code").GetString());
        Assert.DoesNotContain("was not cancelled in order", result.Error, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_child_that_dies_again_and_again_ends_the_demo_with_a_line_that_names_it()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "children are looked up in /proc");
        using RunningProgram demo = StartDemo();
        await demo.PrintedAsync("iteration 1,");
        const int MostRestarts = 5;
        for (int i = 1; i <= MostRestarts; i++)
        {
            Assert.True(ProcessTable.Kill(demo.Id, "retailer.yaml"));
            await demo.PrintedAsync(string.Create(CultureInfo.InvariantCulture, $"starting it again ({i} of {MostRestarts})"));
            while (!ProcessTable.ChildrenOf(demo.Id).Any(id => ProcessTable.Runs(id, "retailer.yaml")))
            {
                Assert.False(demo.HasExited, demo.Error);
                await Task.Delay(10);
            }
        }

        IReadOnlyList<int> children = ProcessTable.ChildrenOf(demo.Id);
        Assert.True(ProcessTable.Kill(demo.Id, "retailer.yaml"));
        ProgramResult result = await demo.EndAsync();
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("The retailer process ended with exit code 137 before the job was done, after it had been started again 5 times", result.Error, StringComparison.Ordinal);
        Assert.True(await EndWithinAsync(children, TimeSpan.Zero), "children run after the demo has ended");
        JsonElement report = JsonDocument.Parse(File.ReadAllText(_folder["out", "report.json"])).RootElement;
        Assert.Equal("failed", report.GetProperty("status").GetString());
        Assert.Equal("retailer", report.GetProperty("error").GetProperty("party").GetString());
    }

    private static async Task<bool> EndWithinAsync(IReadOnlyList<int> processes, TimeSpan patience)
    {
        Stopwatch clock = Stopwatch.StartNew();
        while (processes.Any(ProcessTable.Runs))
        {
            if (clock.Elapsed > patience)
            {
                return false;
            }

            await Task.Delay(50);
        }

        return true;
    }

    /// <summary>A job that goes on for seconds after its first iteration, of which each is short.</summary>
    private RunningProgram StartDemo() => RunningProgram.Vertfed("demo", "--rows", "20000", "--out", _folder["out"]);
}
