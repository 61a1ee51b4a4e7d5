using System.Diagnostics;
using System.Text.RegularExpressions;
using Xunit;

namespace VertFed.Architecture;

/// <summary>
/// The launcher <c>./test</c>, run in a folder of its own with a dotnet of its own whose builds and runs end as a test says.
/// </summary>
public sealed class TestLauncherTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("vertfed test ").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [SkippableFact]
    public async Task Counts_come_from_the_result_files()
    {
        Outcome outcome = await Run(test: Trx(total: 5, executed: 4, passed: 4));

        Assert.Equal("12 passed, 0 failed, 3 skipped", outcome.LastLine);
        Assert.Equal(0, outcome.Code);
    }

    [SkippableFact]
    public async Task A_failed_test_is_named_and_counted()
    {
        Outcome outcome = await Run(test: Trx(total: 2, executed: 2, passed: 1, failedName: "Space.Class.It_does(x: &quot;a&quot;)") + "exit 1\n");

        Assert.Equal("3 passed, 3 failed", outcome.LastLine);
        Assert.Contains("  Space.Class.It_does(x: \"a\")", outcome.Text, StringComparison.Ordinal);
        Assert.NotEqual(0, outcome.Code);
    }

    [SkippableTheory]
    [InlineData(0)]
    [InlineData(134)]
    public async Task A_runner_that_leaves_no_results_is_a_failure(int code)
    {
        Outcome outcome = await Run(test: $"exit {code}\n");

        Assert.Equal("0 passed, 3 failed", outcome.LastLine);
        Assert.NotEqual(0, outcome.Code);
    }

    [SkippableFact]
    public async Task A_runner_that_dies_after_passed_tests_is_a_failure()
    {
        Outcome outcome = await Run(test: Trx(total: 2, executed: 2, passed: 2) + "exit 1\n");

        Assert.Equal("6 passed, 3 failed", outcome.LastLine);
        Assert.NotEqual(0, outcome.Code);
    }

    [SkippableFact]
    public async Task A_run_of_nothing_is_a_failure()
    {
        Outcome outcome = await Run(test: Trx(total: 0, executed: 0, passed: 0));

        Assert.Equal("0 passed, 1 failed", outcome.LastLine);
        Assert.Contains("nothing ran", outcome.Text, StringComparison.Ordinal);
        Assert.NotEqual(0, outcome.Code);
    }

    [SkippableFact]
    public async Task A_failed_build_is_a_failure()
    {
        Outcome outcome = await Run(test: Trx(total: 1, executed: 1, passed: 1), build: "exit 1\n");

        Assert.Equal("0 passed, 1 failed", outcome.LastLine);
        Assert.Contains("the build failed", outcome.Text, StringComparison.Ordinal);
        Assert.NotEqual(0, outcome.Code);
    }

    [SkippableTheory]
    [InlineData("echo '9.0.304 [/usr/share/dotnet/sdk]'", "found 9.0.304")]
    [InlineData("echo '10.0.100-rc.1 [/usr/share/dotnet/sdk]'", "found none")]
    [InlineData("true", "found none")]
    public async Task An_old_or_missing_SDK_is_named(string sdks, string message)
    {
        Outcome outcome = await Run(test: "exit 0\n", sdks: sdks);

        Assert.Equal("0 passed, 1 failed", outcome.LastLine);
        Assert.Contains($"SDK 10.0.100 or newer is needed; {message}", outcome.Text, StringComparison.Ordinal);
        Assert.NotEqual(0, outcome.Code);
    }

    [SkippableFact]
    public async Task Slow_tests_run_only_when_all_are_asked_for_and_a_filter_passes_through()
    {
        string echo = "echo \"arguments: $*\"\n" + Trx(total: 1, executed: 1, passed: 1);

        Assert.Contains("--filter Speed!=slow", (await Run(echo)).Text, StringComparison.Ordinal);
        Assert.DoesNotContain("--filter", (await Run(echo, arguments: ["--all"])).Text, StringComparison.Ordinal);
        Assert.Contains("--filter (A|B)&Speed!=slow", (await Run(echo, arguments: ["--filter", "A|B"])).Text, StringComparison.Ordinal);
        Assert.Contains("--filter A|B", (await Run(echo, arguments: ["--all", "--filter", "A|B"])).Text, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task A_signal_does_not_lose_the_closing_line()
    {
        Outcome outcome = await Run(test: "kill -TERM $PPID; exit 1\n");

        Assert.Matches(new Regex("^[0-9]+ passed, [1-9][0-9]* failed$", RegexOptions.None, TimeSpan.FromSeconds(1)), outcome.LastLine);
        Assert.Equal(143, outcome.Code);
    }

    // Shell lines that write a results file to where the arguments of `dotnet test` say.
    private static string Trx(int total, int executed, int passed, string? failedName = null)
    {
        string result = failedName is null ? "" : $"""<UnitTestResult testId="1" testName="{failedName}" outcome="Failed" duration="0" />""";
        return $"""
            cat > "$results/$trx" <<'XML'
            <TestRun><Results>{result}</Results><ResultSummary outcome="Completed">
            <Counters total="{total}" executed="{executed}" passed="{passed}" failed="{executed - passed}" error="0" notExecuted="0" />
            </ResultSummary></TestRun>
            XML

            """;
    }

    private async Task<Outcome> Run(string test, string build = "exit 0\n", string sdks = "echo '10.0.401 [/sdk]'", string[]? arguments = null)
    {
        Skip.If(OperatingSystem.IsWindows(), "The launcher is a bash script; test.cmd is its twin on Windows.");
        string bin = Directory.CreateDirectory(Path.Combine(_folder, "bin")).FullName;
        File.Copy(Repository.PathTo("test"), Path.Combine(_folder, "test"), overwrite: true);
        string dotnet = Path.Combine(bin, "dotnet");
        await File.WriteAllTextAsync(dotnet, $"""
            #!/usr/bin/env bash
            arguments=("$@")
            for i in "$@"; do
              [ "$previous" = --results-directory ] && results=$i
              case $i in trx\;LogFileName=*) trx=$(echo "$i" | sed 's/.*LogFileName=//') ;; esac
              previous=$i
            done
            case $1 in
            --list-sdks) {sdks} ;;
            build) {build} ;;
            test)
            {test}
            ;;
            esac

            """);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(dotnet, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        using var process = new Process();
        process.StartInfo = new ProcessStartInfo("bash", [Path.Combine(_folder, "test"), .. arguments ?? []])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        process.StartInfo.Environment["PATH"] = $"{bin}:{Environment.GetEnvironmentVariable("PATH")}";
        process.Start();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(Patience);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        string text = await output;
        return new Outcome(process.ExitCode, text + await error, text.TrimEnd('\n').Split('\n')[^1]);
    }

    private sealed record Outcome(int Code, string Text, string LastLine);
}
