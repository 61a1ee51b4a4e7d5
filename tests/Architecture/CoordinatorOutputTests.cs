using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace VertFed.Architecture;

/// <summary>The coordinator as built and as published holds no code that could open what it relays.</summary>
public sealed class CoordinatorOutputTests
{
    // BouncyCastle is there for the Ed25519 of checkpoints; what could open a payload is in the projects. Models and Horizontal make and add up
    // models, and hold no code of the vertical protocol.
    private static readonly string[] Forbidden =
        ["VertFed.Lattice", "VertFed.Psi", "VertFed.Vertical", "VertFed.PartyNode"];

    [Fact]
    public void The_built_coordinator_depends_on_none_of_the_protocols()
    {
        // Built before these tests, in the same configuration.
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        string path = Repository.PathTo("artifacts", "bin", "Coordinator", configuration, "VertFed.Coordinator.deps.json");

        AssertBlind(path);
    }

    [Fact]
    public void The_check_sees_the_protocols_where_they_are()
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        IReadOnlyList<string> party = Libraries(Repository.PathTo("artifacts", "bin", "PartyNode", configuration, "VertFed.PartyNode.deps.json"));

        Assert.Contains("VertFed.Lattice", party);
        Assert.Contains("VertFed.Vertical", party);
    }

    [Fact]
    [Trait("Speed", "slow")]
    public async Task The_published_coordinator_has_none_of_their_files()
    {
        string folder = Directory.CreateTempSubdirectory("vertfed-publish").FullName;
        try
        {
            await Publish("src/Coordinator/Coordinator.csproj", folder);

            string published = Path.Combine(folder, "out");
            string[] files = [.. Directory.EnumerateFiles(published, "*", SearchOption.AllDirectories).Select(f => Path.GetFileName(f)!)];
            Assert.Contains("VertFed.Coordinator.dll", files);
            Assert.DoesNotContain(files, file => Forbidden.Any(name => file.StartsWith(name, StringComparison.OrdinalIgnoreCase)));
            AssertBlind(Path.Combine(published, "VertFed.Coordinator.deps.json"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void AssertBlind(string path)
    {
        IReadOnlyList<string> libraries = Libraries(path);
        Assert.Contains("VertFed.Protocol", libraries);
        Assert.Empty(libraries.Intersect(Forbidden, StringComparer.OrdinalIgnoreCase));
    }

    // The libraries of a deps.json, by assembly name: projects are listed under their own names and assembly files.
    private static IReadOnlyList<string> Libraries(string path)
    {
        Assert.True(File.Exists(path), $"{Repository.Relative(path)} is not there; build the solution first.");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (JsonProperty target in document.RootElement.GetProperty("targets").EnumerateObject())
        {
            foreach (JsonProperty library in target.Value.EnumerateObject())
            {
                names.Add(library.Name.Split('/')[0]);
                if (!library.Value.TryGetProperty("runtime", out JsonElement runtime))
                    continue;
                foreach (JsonProperty file in runtime.EnumerateObject())
                    names.Add(Path.GetFileNameWithoutExtension(file.Name));
            }
        }

        return [.. names];
    }

    private static async Task Publish(string project, string folder)
    {
        using var process = new Process();
        process.StartInfo = new ProcessStartInfo("dotnet")
        {
            WorkingDirectory = Repository.Root,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                "publish", project, "-c", "Release", "-o", Path.Combine(folder, "out"), "--artifacts-path", Path.Combine(folder, "build"),
                "-p:RunAnalyzers=false", "-nodeReuse:false", "-p:UseSharedCompilation=false", "-m:1", "-v", "q",
            },
        };
        process.Start();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(10));
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        Assert.True(process.ExitCode == 0, $"dotnet publish ended with {process.ExitCode}:\n{await output}\n{await error}");
    }
}
