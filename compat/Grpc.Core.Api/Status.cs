namespace Grpc.Core;

/// <summary>How a call ended: a code, a text that travels with it, and a local exception that does not.</summary>
public struct Status
{
    /// <summary><see cref="StatusCode.OK"/> without a text.</summary>
    public static readonly Status DefaultSuccess = new(StatusCode.OK, "");

    /// <summary><see cref="StatusCode.Cancelled"/> without a text.</summary>
    public static readonly Status DefaultCancelled = new(StatusCode.Cancelled, "");

    public Status(StatusCode statusCode, string detail)
        : this(statusCode, detail, null)
    {
    }

    public Status(StatusCode statusCode, string detail, Exception? debugException)
    {
        StatusCode = statusCode;
        Detail = detail;
        DebugException = debugException;
    }

    public StatusCode StatusCode { get; }

    /// <summary>The text of the <c>grpc-message</c> trailer.</summary>
    public string Detail { get; }

    /// <summary>What went wrong on this side; never sent, and for diagnosis only.</summary>
    public Exception? DebugException { get; }

    public override readonly string ToString()
    {
        string head = $"Status(StatusCode=\"{StatusCode}\", Detail=\"{Detail}\"";
        return DebugException is null ? head + ")" : $"{head}, DebugException=\"{DebugException}\")";
    }
}
