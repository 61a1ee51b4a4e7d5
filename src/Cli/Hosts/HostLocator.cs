namespace VertFed.Cli.Hosts;

/// <summary>Finds the other two programs, which are built beside this one, and the runtime that starts them.</summary>
internal static class HostLocator
{
    public const string Coordinator = "Coordinator";
    public const string PartyNode = "PartyNode";

    /// <summary>The assembly of a program: a sibling folder of this one's, as the launcher and the build lay them out.</summary>
    /// <exception cref="VertFed.Protocol.VertFedException">It is not there.</exception>
    public static string Find(string program) => Find(program, AppContext.BaseDirectory);

    internal static string Find(string program, string baseDirectory)
    {
        string assembly = $"VertFed.{program}.dll";
        DirectoryInfo here = new(Path.TrimEndingDirectorySeparator(Path.GetFullPath(baseDirectory)));

        // .build/<stamp>/Cli beside .build/<stamp>/Coordinator, or bin/Cli/release beside bin/Coordinator/release.
        string beside = Path.Combine(here.Parent?.FullName ?? here.FullName, program, assembly);
        string inBuildTree = Path.Combine(here.Parent?.Parent?.FullName ?? here.FullName, program, here.Name, assembly);
        if (File.Exists(beside))
        {
            return beside;
        }

        return File.Exists(inBuildTree) ? inBuildTree : throw Error.HostMissing(program, beside);
    }

    /// <summary>The `dotnet` that runs this process, else the one on the PATH.</summary>
    public static string Runtime()
    {
        string? own = Environment.ProcessPath;
        return own is not null && string.Equals(Path.GetFileNameWithoutExtension(own), "dotnet", StringComparison.OrdinalIgnoreCase)
            ? own
            : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") is { Length: > 0 } host ? host : "dotnet";
    }
}
