namespace VertFed.Protocol;

/// <summary>Why something ended without a result. The numbers are the process exit codes of every command.</summary>
public enum ErrorCode
{
    /// <summary>A fault of the software itself.</summary>
    Internal = 1,

    /// <summary>The command line or a configuration file is wrong.</summary>
    Usage = 2,

    /// <summary>A data file is wrong; the message names file, line and column.</summary>
    BadInput = 3,

    /// <summary>A policy or guard refused; the message names the rule.</summary>
    Refused = 4,

    /// <summary>A peer is away or a deadline passed; the message names who was awaited at which step.</summary>
    PeerUnavailable = 5,

    /// <summary>A message broke the protocol.</summary>
    ProtocolViolation = 6,

    /// <summary>A transcript or signature does not verify.</summary>
    DoesNotVerify = 7,

    /// <summary>A replay or a resumed run differs from what was recorded.</summary>
    Diverges = 8,

    /// <summary>A store cannot be opened, read or written: disk full, permissions, damage, or a newer schema.</summary>
    Storage = 9,

    /// <summary>Cancelled by the analyst or the operator.</summary>
    Cancelled = 130,
}

/// <summary>The one exception type that crosses project boundaries: a code, a message for people, and where it happened.</summary>
/// <remarks>Messages never hold an id, a value of a row or key material.</remarks>
public sealed class VertFedException : Exception
{
    public VertFedException(ErrorCode code, string message, Exception? innerException = null)
        : base(message, innerException) => Code = code;

    public ErrorCode Code { get; }

    /// <summary>The party that raised it, by name; empty where the host fills it in.</summary>
    public string Party { get; init; } = "";

    /// <summary>What others than this party may be told instead of the message; empty where the party's host decides that by the code.</summary>
    public string ForOthers { get; init; } = "";

    /// <summary>The protocol step, or empty outside the protocol.</summary>
    public string Step { get; init; } = "";

    /// <summary>The field of a request or a job spec that is wrong, as a path such as train.l2; empty where none can be named.</summary>
    public string Field { get; init; } = "";

    /// <summary>Where a resumed run or a replay first differs from the record, where it is an envelope that does; else null.</summary>
    public Divergence? Divergence { get; init; }
}
