using System.Reflection;

namespace VertFed.Protocol;

/// <summary>The version that this build states in handshakes, key derivation and reports.</summary>
public static class SoftwareVersion
{
    /// <summary>Longest version text a peer may state, in characters.</summary>
    public const int MaxLength = 128;

    /// <summary>The informational version of the assembly: <c>release+build</c>, the build part being the source revision where known.</summary>
    public static string Current { get; } =
        typeof(SoftwareVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
        ?? typeof(SoftwareVersion).Assembly.GetName().Version?.ToString()
        ?? throw Error.Fault("The assembly carries no version.");

    /// <summary>The part before '+': two parties must run the same release, since both derive the optimiser's decisions.</summary>
    public static string ReleaseOf(string version)
    {
        ArgumentNullException.ThrowIfNull(version);
        int plus = version.IndexOf('+', StringComparison.Ordinal);
        return plus < 0 ? version : version[..plus];
    }
}
