namespace VertFed.EndToEnd;

/// <summary>Where things are: the checkout, what was built in it, the shared data sets.</summary>
internal static class Repository
{
    /// <summary>The folder that holds VertFed.sln.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Debug or release, whichever these tests were built as.</summary>
    public static string Configuration { get; } = new DirectoryInfo(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)).Name;

    /// <summary>The folder of a program as the build lays it out: artifacts/bin/Cli/release.</summary>
    public static string Built(string program) =>
        Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "..", program, Configuration));

    /// <summary>Folder of a shared data set, or null where there are none.</summary>
    public static string? SharedData(string name)
    {
        string folder = Environment.GetEnvironmentVariable("VERTFED_DATA") ?? Path.Combine(Root, "..", "shared", "data");
        string set = Path.GetFullPath(Path.Combine(folder, name));
        return Directory.Exists(set) ? set : null;
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? at = new(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "VertFed.sln")))
            {
                return at.FullName;
            }
        }

        throw new InvalidOperationException("VertFed.sln is in no folder above the tests.");
    }
}
