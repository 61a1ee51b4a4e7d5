using System.Xml.Linq;

namespace VertFed.Architecture;

/// <summary>Which project of src/ references which, as the project files say.</summary>
internal static class ProjectGraph
{
    /// <summary>Project names (the file names without extension) with the names of the projects they reference, both sorted.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<string>> Read() =>
        Repository.Files("src", "*.csproj").ToDictionary(
            path => Path.GetFileNameWithoutExtension(path), References, StringComparer.Ordinal);

    /// <summary>Whatever a project reaches through references, sorted, without itself.</summary>
    public static IReadOnlyList<string> Closure(IReadOnlyDictionary<string, IReadOnlyList<string>> graph, string project)
    {
        var reached = new SortedSet<string>(StringComparer.Ordinal);
        var open = new Stack<string>(graph[project]);
        while (open.TryPop(out string? next))
        {
            if (!reached.Add(next) || !graph.TryGetValue(next, out IReadOnlyList<string>? references))
                continue;
            foreach (string reference in references)
                open.Push(reference);
        }

        return [.. reached];
    }

    private static IReadOnlyList<string> References(string path)
    {
        XDocument project = XDocument.Load(path);
        return
        [
            .. project.Descendants("ProjectReference")
                .Select(reference => (string?)reference.Attribute("Include")
                    ?? throw new InvalidDataException($"{Repository.Relative(path)} has a ProjectReference without Include."))
                .Select(include => Path.GetFileNameWithoutExtension(include.Replace('\\', '/')))
                .Order(StringComparer.Ordinal),
        ];
    }
}
