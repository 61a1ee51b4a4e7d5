using System.Diagnostics;
using System.Text.Json;
using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Coordinator.Hosting;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Coordinator;

/// <summary>The executable itself: what it prints, and how it ends.</summary>
public sealed class ProcessTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task It_prints_one_ready_line_and_ends_with_its_parents_pipe()
    {
        using Process process = Start("--parent-pipe");
        using JsonDocument ready = await ReadyAsync(process);
        Assert.Equal("ready", ready.RootElement.GetProperty("event").GetString());
        Assert.StartsWith("https://127.0.0.1:", ready.RootElement.GetProperty("address").GetString(), StringComparison.Ordinal);
        Assert.Equal(process.Id, ready.RootElement.GetProperty("pid").GetInt32());
        Assert.NotEqual("", ready.RootElement.GetProperty("version").GetString());
        process.StandardInput.Close();
        await ExitsAsync(process);
        Assert.Equal("", await process.StandardOutput.ReadToEndAsync());
        Assert.Contains("listening on", await process.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task It_stops_in_order_on_a_signal()
    {
        Skip.If(OperatingSystem.IsWindows(), "SIGTERM is a Unix signal");
        using Process process = Start();
        using JsonDocument ready = await ReadyAsync(process);
        using Process kill = Process.Start("kill", ["-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await ExitsAsync(process);
    }

    [SkippableFact]
    public async Task A_terminals_interrupt_is_left_to_the_parent_that_holds_the_pipe()
    {
        Skip.If(OperatingSystem.IsWindows(), "SIGINT and SIGHUP are Unix signals");
        using Process process = Start("--parent-pipe");
        using JsonDocument ready = await ReadyAsync(process);
        using Process kill = Process.Start("kill", ["-INT", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();

        // It has gone on for as long as it answers the next signal and does not end.
        await HangUpAsync(process, "trust was read again");
        Assert.False(process.HasExited);
        process.StandardInput.Close();
        await ExitsAsync(process);
    }

    [Fact]
    public async Task No_signal_stops_the_host_beside_the_commands_own_handlers()
    {
        using Identity coordinator = Identity.Create();
        TestTls.Save(coordinator, _folder.File("coordinator.pem"));
        await using CoordinatorHost host = await CoordinatorHost.StartAsync(
            global::VertFed.Coordinator.Configuration.ConfigReader.Read(WriteConfiguration()), CancellationToken.None);

        // The default one would take running jobs the time that shutdown_seconds gives them.
        Assert.IsType<global::VertFed.Operations.Service.NoSignals>(host.Service<Microsoft.Extensions.Hosting.IHostLifetime>());
    }

    [SkippableFact]
    public async Task It_reads_its_trust_again_on_a_hang_up_and_keeps_it_where_the_file_is_wrong()
    {
        Skip.If(OperatingSystem.IsWindows(), "SIGHUP is a Unix signal");
        using Identity coordinator = Identity.Create(), next = Identity.Create();
        using Process process = Start(coordinator);
        using JsonDocument ready = await ReadyAsync(process);
        string address = ready.RootElement.GetProperty("address").GetString()!;
        string file = _folder.File("coordinator.yaml"), text = await File.ReadAllTextAsync(file);
        using GrpcChannel channel = TestTls.Connect(address, next, coordinator.Fingerprint);
        JobService.JobServiceClient jobs = new(channel);
        Assert.Equal(StatusCode.Unauthenticated, (await Assert.ThrowsAsync<RpcException>(() => jobs.ListAsync(new ListJobsRequest()).ResponseAsync)).StatusCode);

        await File.WriteAllTextAsync(file, text.Replace(new string('a', 64), next.Fingerprint, StringComparison.Ordinal));
        await HangUpAsync(process, "trust was read again");
        Assert.Empty((await jobs.ListAsync(new ListJobsRequest())).Jobs);
        await File.WriteAllTextAsync(file, "parties: [");
        await HangUpAsync(process, "what was trusted before still is");
        Assert.Empty((await jobs.ListAsync(new ListJobsRequest())).Jobs);
        process.Kill();
        await process.WaitForExitAsync().WaitAsync(Patience);
    }

    /// <summary>Sends the signal and waits for the line that says what came of it.</summary>
    private static async Task HangUpAsync(Process process, string words)
    {
        using Process kill = Process.Start("kill", ["-HUP", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        string? line;
        do
        {
            line = await process.StandardError.ReadLineAsync().WaitAsync(Patience);
        }
        while (line?.Contains(words, StringComparison.Ordinal) == false);
        Assert.NotNull(line);
    }

    private static async Task<JsonDocument> ReadyAsync(Process process)
    {
        string? line = await process.StandardOutput.ReadLineAsync().WaitAsync(Patience);
        return line is null
            ? throw new InvalidOperationException(await process.StandardError.ReadToEndAsync())
            : JsonDocument.Parse(line);
    }

    private static async Task ExitsAsync(Process process)
    {
        try
        {
            await process.WaitForExitAsync().WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            process.Kill();
            throw;
        }

        Assert.Equal(0, process.ExitCode);
    }

    [SkippableFact]
    public async Task An_identity_that_is_missing_or_open_to_others_ends_it_with_2()
    {
        Skip.If(OperatingSystem.IsWindows(), "file modes are Unix");
        string identity = _folder.File("coordinator.pem");
        await RefusedAsync("cannot be read");
        using (Identity key = Identity.Create())
            TestTls.Save(key, identity);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(identity, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        await RefusedAsync("chmod 600");

        async Task RefusedAsync(string words)
        {
            var errors = new StringWriter();
            Assert.Equal(2, await CoordinatorCommand.RunAsync(["--config", WriteConfiguration()], TextWriter.Null, errors));
            Assert.Contains(identity, errors.ToString(), StringComparison.Ordinal);
            Assert.Contains(words, errors.ToString(), StringComparison.Ordinal);
        }
    }

    private Process Start(params string[] more)
    {
        using Identity identity = Identity.Create();
        return Start(identity, more);
    }

    private Process Start(Identity identity, params string[] more)
    {
        TestTls.Save(identity, _folder.File("coordinator.pem"));
        string file = WriteConfiguration();
        string program = Path.Combine(AppContext.BaseDirectory, "VertFed.Coordinator.dll");
        var start = new ProcessStartInfo(Environment.ProcessPath!.EndsWith("dotnet", StringComparison.Ordinal) ? Environment.ProcessPath! : "dotnet")
        {
            UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        foreach (string argument in (string[])[program, "--config", file, .. more])
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    private string WriteConfiguration()
    {
        string file = _folder.File("coordinator.yaml");
        File.WriteAllText(file, $$"""
            listen: "127.0.0.1:0"
            identity: coordinator.pem
            data: ./store
            parties:
              - {name: bank, fingerprint: {{new string('a', 64)}}}
              - {name: retailer, fingerprint: {{new string('b', 64)}}}
            principals: [{name: ann, fingerprint: {{new string('c', 64)}}, roles: [analyst]}]
            """);
        return file;
    }
}
