namespace VertFed.Protocol;

/// <summary>What a party makes durable before an attempt does anything: the root seed and all that must not change on resume.</summary>
/// <param name="Job">32 lower-case hexadecimal digits.</param>
/// <param name="Attempt">From 1.</param>
/// <param name="RootSeed">32 bytes from the operating system. Secret: never logged, never sent.</param>
/// <param name="SpecHash">SHA-256 of the serialised job spec.</param>
/// <param name="PolicyHash">SHA-256 of the own policy.</param>
/// <param name="DataRoot">SHA-256 over the own input, 32 bytes.</param>
/// <param name="SoftwareVersion">The build that began the attempt; another build is another attempt.</param>
public sealed record AttemptRecord(
    string Job, uint Attempt, byte[] RootSeed, byte[] SpecHash, byte[] PolicyHash, byte[] DataRoot, string SoftwareVersion)
{
    /// <summary>Job and attempt; never the seed.</summary>
    public override string ToString() => $"{Job}/{Attempt}";
}
