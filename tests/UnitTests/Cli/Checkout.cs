namespace VertFed.UnitTests.Cli;

/// <summary>Files of the checkout that the tests run in.</summary>
internal static class Checkout
{
    private static readonly string s_root = FindRoot();

    public static string PathOf(string name) => Path.Combine(s_root, name);

    public static string Read(string name) => File.ReadAllText(PathOf(name));

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
