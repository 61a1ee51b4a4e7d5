using System.Text.RegularExpressions;
using Xunit;

namespace VertFed.EndToEnd;

/// <summary>
/// The launcher script over a small tree, with a `dotnet` of our own in front that records what it was asked and builds by
/// writing three empty assemblies.
/// </summary>
public sealed class LauncherTests : IDisposable
{
    private const string FakeDotnet = """
        #!/usr/bin/env bash
        echo "$*" >> "$FAKE_LOG"
        case "$1" in
          --list-sdks) printf '%s\n' "${FAKE_SDKS-10.0.100 [/sdk]}" ;;
          build)
            if [ -n "${FAKE_FAIL:-}" ]; then echo "src/A.cs(1,1): error CS1002: ; expected [/x.csproj]"; exit 1; fi
            while [ -e "${FAKE_HOLD:-}" ]; do sleep 0.05; done
            for argument; do case "$argument" in -p:ArtifactsPath=*) artifacts="${argument#-p:ArtifactsPath=}" ;; esac; done
            for program in Cli Coordinator PartyNode; do
              mkdir -p "$artifacts/bin/$program/release" && : > "$artifacts/bin/$program/release/VertFed.$program.dll"
            done ;;
          *) shift; echo "ran $*" ;;
        esac
        """;

    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, string?> _environment;

    public LauncherTests()
    {
        Skip.If(OperatingSystem.IsWindows(), "the launcher is a bash script");
        File.Copy(Path.Combine(Repository.Root, "vertfed"), _folder["vertfed"]);
        Executable(_folder["vertfed"]);
        _folder.Write("src/A/A.cs", "class A;");
        _folder.Write("global.json", "{}");
        Executable(_folder.Write("tools/dotnet", FakeDotnet.ReplaceLineEndings("\n")));
        _environment = new()
        {
            ["PATH"] = $"{_folder["tools"]}:{Environment.GetEnvironmentVariable("PATH")}",
            ["FAKE_LOG"] = _folder["log"],
        };
    }

    private int Builds => Calls.Count(call => call.StartsWith("build ", StringComparison.Ordinal));

    private string[] Calls => File.Exists(_folder["log"]) ? File.ReadAllLines(_folder["log"]) : [];

    public void Dispose() => _folder.Dispose();

    [SkippableFact]
    public async Task The_first_start_builds_and_says_so()
    {
        ProgramResult result = await LaunchAsync("job", "list");
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("Building VertFed (first time, about a minute)", result.Error, StringComparison.Ordinal);
        Assert.Equal("ran job list\n", result.Output);
        Assert.Equal(1, Builds);
    }

    [SkippableFact]
    public async Task The_build_leaves_no_server_behind()
    {
        await LaunchAsync("version");
        string build = Assert.Single(Calls, call => call.StartsWith("build ", StringComparison.Ordinal));
        Assert.Contains("-nodeReuse:false", build, StringComparison.Ordinal);
        Assert.Contains("-p:UseSharedCompilation=false", build, StringComparison.Ordinal);
        Assert.Contains("-c Release", build, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task The_second_start_builds_nothing_and_asks_dotnet_for_the_program_alone()
    {
        await LaunchAsync("version");
        int calls = Calls.Length;
        ProgramResult result = await LaunchAsync("version");
        Assert.Equal("", result.Error);
        Assert.EndsWith("/Cli/VertFed.Cli.dll version", Assert.Single(Calls[calls..]), StringComparison.Ordinal);
        Assert.Equal(1, Builds);
    }

    [SkippableFact]
    public async Task A_changed_source_is_built_again_and_a_touched_one_is_not()
    {
        await LaunchAsync("version");
        File.SetLastWriteTimeUtc(_folder["src/A/A.cs"], DateTime.UtcNow.AddHours(1));
        await LaunchAsync("version");
        Assert.Equal(1, Builds);
        _folder.Write("src/A/A.cs", "class B;");
        await LaunchAsync("version");
        Assert.Equal(2, Builds);
    }

    [SkippableFact]
    public async Task Concurrent_starts_build_once_and_the_others_wait()
    {
        // The build does not end before three of the four wait for it.
        string hold = _environment["FAKE_HOLD"] = _folder.Write("hold", "");
        RunningProgram[] programs = [.. Enumerable.Range(0, 4).Select(_ => RunningProgram.Start(_folder["vertfed"], ["version"], _environment))];
        try
        {
            List<Task> waiting = [.. programs.Select(program => program.PrintedAsync("Waiting for another start"))];
            for (int i = 0; i < 3; i++)
            {
                Task next = await Task.WhenAny(waiting);
                await next;
                waiting.Remove(next);
            }

            File.Delete(hold);
            ProgramResult[] results = await Task.WhenAll(programs.Select(program => program.EndAsync()));
            Assert.All(results, result => Assert.Equal("ran version\n", result.Output));
            Assert.Equal(1, Builds);
            await Assert.ThrowsAsync<InvalidOperationException>(() => waiting.Single());
        }
        finally
        {
            Array.ForEach(programs, program => program.Dispose());
        }
    }

    [SkippableFact]
    public async Task A_failed_build_shows_its_errors_and_the_next_start_builds_again()
    {
        _environment["FAKE_FAIL"] = "1";
        ProgramResult failed = await LaunchAsync("version");
        Assert.Equal(1, failed.ExitCode);
        Assert.Contains("error CS1002: ; expected", failed.Error, StringComparison.Ordinal);
        _environment.Remove("FAKE_FAIL");
        Assert.Equal("ran version\n", (await LaunchAsync("version")).Output);
        Assert.Equal(2, Builds);
    }

    [SkippableTheory]
    [InlineData("9.0.305 [/sdk]", "the newest .NET SDK here is 9.0.305")]
    [InlineData("10.0.99 [/sdk]", "the newest .NET SDK here is 10.0.99")]
    [InlineData("10.0.100-rc.2.25502.107 [/sdk]", "the newest .NET SDK here is 10.0.100-rc.2.25502.107")]
    [InlineData("", "has no SDK, only a runtime")]
    public async Task An_old_or_missing_SDK_is_named_with_where_to_get_it(string sdks, string expected)
    {
        _environment["FAKE_SDKS"] = sdks;
        ProgramResult result = await LaunchAsync("version");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
        Assert.Contains("https://dotnet.microsoft.com/download/dotnet/10.0", result.Error, StringComparison.Ordinal);
        Assert.Equal(0, Builds);
    }

    [SkippableFact]
    public async Task Without_dotnet_the_launcher_says_what_is_missing()
    {
        Directory.CreateDirectory(_folder["bare"]);
        foreach (string tool in (string[])["bash", "dirname", "readlink", "env"])
        {
            File.CreateSymbolicLink(_folder["bare", tool], Which(tool));
        }

        Dictionary<string, string?> environment = new() { ["PATH"] = _folder["bare"], ["HOME"] = _folder["bare"], ["DOTNET_ROOT"] = _folder["bare"] };
        bool elsewhere = ((string[])["/usr/share/dotnet/dotnet", "/usr/lib/dotnet/dotnet", "/usr/local/share/dotnet/dotnet"]).Any(File.Exists);
        Skip.If(elsewhere, "this machine has a dotnet in a system folder, which the launcher finds");
        using RunningProgram program = RunningProgram.Start(_folder["vertfed"], ["version"], environment);
        ProgramResult result = await program.EndAsync();
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("the .NET SDK is not installed", result.Error, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("coordinator", "Coordinator")]
    [InlineData("party", "PartyNode")]
    public async Task Hosts_are_started_without_a_detour(string command, string program)
    {
        ProgramResult result = await LaunchAsync(command, "--config", "a file.yaml");
        Assert.Equal("ran --config a file.yaml\n", result.Output);
        Assert.Matches(new Regex($"/{program}/VertFed.{program}.dll --config a file.yaml$", RegexOptions.None, TimeSpan.FromSeconds(1)), Calls[^1]);
    }

    [SkippableFact]
    public async Task It_works_through_a_symbolic_link_from_another_folder()
    {
        Directory.CreateDirectory(_folder["elsewhere"]);
        File.CreateSymbolicLink(_folder["elsewhere", "vf"], "../vertfed");
        using RunningProgram program = RunningProgram.Start(_folder["elsewhere", "vf"], ["version"], _environment, _folder["elsewhere"]);
        ProgramResult result = await program.EndAsync();
        Assert.Equal("ran version\n", result.Output);
    }

    private static string Which(string tool) =>
        Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(folder => Path.Combine(folder, tool)).First(File.Exists);

    private static void Executable(string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    private async Task<ProgramResult> LaunchAsync(params string[] arguments)
    {
        using RunningProgram program = RunningProgram.Start(_folder["vertfed"], arguments, _environment);
        return await program.EndAsync();
    }
}
