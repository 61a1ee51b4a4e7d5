namespace Grpc.Core;

/// <summary>The version of the API.</summary>
public static class VersionInfo
{
    /// <summary>Assembly version; fixed for all 2.x.</summary>
    public const string CurrentAssemblyVersion = "2.0.0.0";

    /// <summary>File version.</summary>
    public const string CurrentAssemblyFileVersion = "2.85.0.0";

    /// <summary>The version of the API as packages name it.</summary>
    public const string CurrentVersion = "2.85.0";
}
