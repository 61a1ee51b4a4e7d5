using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>Every exception this project raises, in one place.</summary>
internal static class Error
{
    /// <summary>A signature, proof, note or transcript does not hold what it says.</summary>
    public static VertFedException DoesNotVerify(string message, string party = "", Exception? inner = null) =>
        new(ErrorCode.DoesNotVerify, message, inner) { Party = party };

    /// <summary>A key file is wrong.</summary>
    public static VertFedException Usage(string message, Exception? inner = null) => new(ErrorCode.Usage, message, inner);

    /// <summary>A file or stream cannot be read or written.</summary>
    public static VertFedException Storage(string message, Exception inner) => new(ErrorCode.Storage, message, inner);

    /// <summary>This process' own code used the library wrongly.</summary>
    public static VertFedException Fault(string message) => new(ErrorCode.Internal, message);
}
