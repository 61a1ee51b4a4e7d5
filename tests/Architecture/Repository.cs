namespace VertFed.Architecture;

/// <summary>The working tree that these tests read.</summary>
internal static class Repository
{
    private static readonly string[] Generated = ["artifacts", ".build", "bin", "obj", ".git", ".vs", ".idea"];

    /// <summary>The folder that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    public static string PathTo(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>A path below the root with forward slashes.</summary>
    public static string Relative(string path) => Path.GetRelativePath(Root, path).Replace('\\', '/');

    /// <summary>Files below a folder of the repository, without build output; an absent folder has none.</summary>
    public static IEnumerable<string> Files(string folder, string pattern)
    {
        string path = PathTo(folder);
        if (!Directory.Exists(path))
            return [];
        return Directory.EnumerateFiles(path, pattern, SearchOption.AllDirectories)
            .Where(file => !Relative(file).Split('/').Any(Generated.Contains))
            .Order(StringComparer.Ordinal);
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "VertFed.sln")))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} holds VertFed.sln.");
    }
}
