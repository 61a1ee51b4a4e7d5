using System.Text.Json;
using VertFed.Testing;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>kill -9 of a process whose store is in PostgreSQL: the demo starts it again, and the job goes on where it was.</summary>
[Trait("Speed", "slow")]
public sealed class PostgresCrashTests
{
    [SkippableTheory]
    [InlineData("coordinator")]
    [InlineData("bank")]
    public async Task A_job_outlives_a_killed_process_whose_store_is_in_PostgreSQL(string process)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "children are looked up in /proc");
        await using PostgresServer server = await PostgresServer.StartAsync();
        using TemporaryFolder folder = new();
        using RunningProgram demo = RunningProgram.Start(
            "dotnet",
            [Path.Combine(Repository.Built("Cli"), "VertFed.Cli.dll"), "demo", "--rows", "8000", "--out", folder["out"]],
            new Dictionary<string, string?>(StringComparer.Ordinal) { ["VERTFED_DATABASE"] = server.ConnectionString() });
        await demo.PrintedAsync("train: iteration 2");
        bool killed = ProcessTable.Kill(demo.Id, process + ".yaml");

        ProgramResult result = await demo.EndAsync();

        Assert.True(killed, result.ToString());
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains("starting it again", result.Error, StringComparison.Ordinal);
        Assert.Equal("done", JsonDocument.Parse(File.ReadAllText(folder["out", "report.json"])).RootElement.GetProperty("status").GetString());
        Assert.Empty(Directory.GetFiles(folder["out"], "*.db*", SearchOption.AllDirectories));
        foreach (string schema in new[] { "vertfed_coordinator", "vertfed_party_bank", "vertfed_party_retailer" })
            Assert.True(await server.ScalarAsync<long>($"SELECT COUNT(*) FROM {schema}.jobs WHERE state = 3") >= 1);
        Assert.Equal(process == "coordinator" ? 2 : 1, await server.ScalarAsync<long>("SELECT epoch FROM vertfed_coordinator.store_epoch"));
    }
}
