namespace VertFed.Transcript;

/// <summary>Names of the rules that a transcript is held to; docs/transcript-format.md explains each under the same name.</summary>
public static class Rules
{
    /// <summary>Records, their lengths, their order, and the one encoding of each.</summary>
    public const string Format = "format";

    /// <summary>The file ends before its trailer does.</summary>
    public const string Truncated = "truncated";

    /// <summary>Bytes after the trailer.</summary>
    public const string TrailingBytes = "trailing-bytes";
}

/// <summary>Carries a broken rule to where it becomes a verdict or a <see cref="Protocol.VertFedException"/>; it never leaves the library.</summary>
internal sealed class RuleBrokenException(string rule, string message, string party = "", Exception? inner = null)
    : Exception(message, inner)
{
    /// <summary>One of <see cref="Rules"/>.</summary>
    public string Rule { get; } = rule;

    /// <summary>Who broke it, by name; empty where the file does not tell.</summary>
    public string Party { get; } = party;
}
