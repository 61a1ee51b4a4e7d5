namespace VertFed.Protocol;

/// <summary>Bounds on whatever comes from outside.</summary>
public static class Limits
{
    /// <summary>Largest sealed payload of one envelope, in bytes. Larger content is sent as several envelopes of one step.</summary>
    public const int MaxPayloadBytes = 16 * 1024 * 1024;

    /// <summary>Largest chunk of a payload on the relay, in bytes.</summary>
    public const int MaxChunkBytes = 1024 * 1024;

    /// <summary>Largest serialised core, header or attestation, in bytes.</summary>
    public const int MaxCoreBytes = 1024;

    /// <summary>Largest serialised job spec, in bytes.</summary>
    public const int MaxSpecBytes = 64 * 1024;

    /// <summary>Largest configuration file, in bytes.</summary>
    public const int MaxConfigurationBytes = 1024 * 1024;

    /// <summary>Most rows a party may bring.</summary>
    public const long MaxRows = 100_000_000;

    /// <summary>Most feature columns a party may bring.</summary>
    public const int MaxColumns = 4096;

    /// <summary>Longest id after normalisation, in UTF-8 bytes.</summary>
    public const int MaxIdBytes = 1024;
}
