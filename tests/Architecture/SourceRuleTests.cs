using Xunit;

namespace VertFed.Architecture;

/// <summary>Rules that the text of the sources keeps.</summary>
public sealed class SourceRuleTests
{
    private const int MostLines = 600;

    private static readonly string[] AllSources = ["src", "tests", "bench", "samples"];

    // Their randomness is seeded by whoever runs them, so that a run can be replayed.
    private static readonly string[] SeededProjects = ["src/Lattice", "src/Psi", "src/Vertical", "src/Models", "src/Horizontal"];

    // Fragments, so that this file does not find itself.
    private static readonly string[] Unfinished = ["NotImplemented" + "Exception", "Thread." + "Sleep", "DateTime." + "Now", "DateTimeOffset." + "Now"];

    private static readonly string[] AmbientRandomness =
        ["RandomNumberGenerator", "Random.Shared", "new Random(", "Guid.NewGuid", "Guid.CreateVersion7", "SecureRandom("];

    // Words by which another part would show that it knows what compat/ holds.
    private static readonly string[] StandIns = ["stand-" + "in", "stand" + "in for Grpc", "compat/" + "Grpc", "grpc-" + "public.snk"];

    // Every word is searched for in this case: they are identifiers and marks.
    private const StringComparison Exact = StringComparison.Ordinal;

    [Fact]
    public void Nothing_is_left_unfinished_and_nobody_sleeps_or_reads_the_local_time() =>
        Assert.Empty(Findings(AllSources, Unfinished, Exact));

    [Fact]
    public void Protocol_and_model_code_draws_no_randomness_of_its_own() =>
        Assert.Empty(Findings(SeededProjects, AmbientRandomness, Exact));

    [Fact]
    public void Nothing_but_the_build_files_knows_what_compat_holds()
    {
        List<string> findings = Findings(
            [.. AllSources, "docs", "proto"], StandIns, StringComparison.OrdinalIgnoreCase, "*.cs", "*.csproj", "*.md", "*.proto");

        // The test of the project graph pins the one place where the build adds the references.
        Assert.DoesNotContain(findings, finding => !finding.StartsWith("tests/Architecture/ProjectGraphTests.cs:", Exact));
    }

    [Fact]
    public void No_source_file_is_longer_than_the_limit()
    {
        IEnumerable<(string Path, int Lines)> files =
            Repository.Files("src", "*.cs").Select(path => (Repository.Relative(path), File.ReadLines(path).Count()));

        Assert.DoesNotContain(files, file => file.Lines > MostLines);
    }

    [Fact]
    public void No_line_speaks_of_work_to_be_done() =>
        Assert.Empty(Findings(["src", "compat"], ["TODO", "FIXME", "XXX"], Exact));

    [Fact]
    public void The_search_finds_what_it_is_asked_for()
    {
        Assert.NotEmpty(Findings(["tests/Architecture"], ["The_search_finds_" + "what"], Exact));
        Assert.All(SeededProjects, project => Assert.True(Directory.Exists(Repository.PathTo(project)), project));
    }

    private static List<string> Findings(
        IEnumerable<string> folders, IReadOnlyCollection<string> words, StringComparison comparison, params string[] patterns)
    {
        var findings = new List<string>();
        string[] wanted = patterns.Length == 0 ? ["*.cs"] : patterns;
        foreach (string path in folders.SelectMany(folder => wanted.SelectMany(pattern => Repository.Files(folder, pattern))))
        {
            int number = 0;
            foreach (string line in File.ReadLines(path))
            {
                number++;
                foreach (string word in words.Where(word => line.Contains(word, comparison)))
                    findings.Add($"{Repository.Relative(path)}:{number}: {word}");
            }
        }

        return findings;
    }
}
