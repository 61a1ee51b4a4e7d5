using Xunit;

namespace VertFed.Architecture;

public sealed class ProjectGraphTests
{
    // The whole graph: an arrow more or less is a decision, and shows here.
    private static readonly Dictionary<string, string[]> Expected = new(StringComparer.Ordinal)
    {
        ["Primitives"] = [],
        ["Lattice"] = ["Primitives"],
        ["Models"] = [],
        ["Horizontal"] = ["Models", "Primitives", "Protocol"],
        ["Protocol"] = ["Primitives"],
        ["Psi"] = ["Primitives", "Protocol"],
        ["Vertical"] = ["Lattice", "Models", "Primitives", "Protocol"],
        ["Transcript"] = ["Protocol"],
        ["Storage"] = ["Protocol", "Transcript"],
        ["Operations"] = ["Protocol"],
        ["PartyNode"] = ["Horizontal", "Lattice", "Models", "Operations", "Primitives", "Protocol", "Psi", "Storage", "Transcript", "Vertical"],
        ["Coordinator"] = ["Horizontal", "Models", "Operations", "Primitives", "Protocol", "Storage", "Transcript"],
        ["Cli"] = ["Horizontal", "Models", "Protocol", "Transcript"],
    };

    // What can read a party's payload or its rows.
    private static readonly string[] Secrets = ["Lattice", "Psi", "Vertical", "PartyNode"];

    [Fact]
    public void The_project_references_are_the_intended_ones()
    {
        IReadOnlyDictionary<string, IReadOnlyList<string>> graph = ProjectGraph.Read();

        Assert.Equal(Lines(Expected.ToDictionary(p => p.Key, p => (IReadOnlyList<string>)p.Value)), Lines(graph));
    }

    [Theory]
    [InlineData("Coordinator")]
    [InlineData("Cli")]
    public void Neither_coordinator_nor_command_line_reaches_the_protocols(string project)
    {
        IReadOnlyList<string> closure = ProjectGraph.Closure(ProjectGraph.Read(), project);

        Assert.Contains("Protocol", closure);
        Assert.Empty(closure.Intersect(Secrets));
    }

    [Fact]
    public void The_closure_follows_references_of_references()
    {
        var graph = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal)
        {
            ["A"] = ["B"],
            ["B"] = ["C", "A"],
            ["C"] = [],
        };

        Assert.Equal(["A", "B", "C"], ProjectGraph.Closure(graph, "A"));
    }

    [Fact]
    public void Only_the_gRPC_assemblies_of_compat_are_added_to_projects_from_outside()
    {
        string targets = File.ReadAllText(Repository.PathTo("Directory.Build.targets")) + File.ReadAllText(Repository.PathTo("Directory.Build.props"));

        Assert.Equal(2, targets.Split("<ProjectReference ").Length - 1);
        Assert.Contains("compat/Grpc.Core.Api/Grpc.Core.Api.csproj", targets, StringComparison.Ordinal);
        Assert.Contains("compat/Grpc.Net.Common/Grpc.Net.Common.csproj", targets, StringComparison.Ordinal);
    }

    [Fact]
    public void The_solution_lists_every_project()
    {
        string solution = File.ReadAllText(Repository.PathTo("VertFed.sln")).Replace('\\', '/');
        IEnumerable<string> projects = new[] { "src", "compat", "tests", "bench", "samples" }.SelectMany(folder => Repository.Files(folder, "*.csproj"));

        Assert.All(projects.Select(Repository.Relative), path => Assert.Contains($"\"{path}\"", solution, StringComparison.Ordinal));
    }

    private static string[] Lines(IReadOnlyDictionary<string, IReadOnlyList<string>> graph) =>
        [.. graph.Select(p => $"{p.Key} -> {string.Join(", ", p.Value)}").Order(StringComparer.Ordinal)];
}
