using VertFed.Protocol;

namespace VertFed.Cli;

/// <summary>Every error that the command line raises by itself, in one place.</summary>
internal static class Error
{
    public static VertFedException ReportUnreadable(string origin, string why, Exception? inner = null) =>
        new(ErrorCode.ProtocolViolation, $"The report part '{origin}' cannot be read: {why}.", inner);

    public static VertFedException CannotWrite(string path, Exception inner) =>
        new(ErrorCode.Usage, $"'{path}' cannot be written: {OneLine(inner.Message)}", inner);

    public static VertFedException OutFolderNotEmpty(string path) =>
        new(ErrorCode.Usage, $"The out folder '{path}' is not empty. Name one that does not exist yet, or an empty one.");

    public static VertFedException OutFolderIsFile(string path) =>
        new(ErrorCode.Usage, $"The out folder '{path}' is a file.");

    public static VertFedException DataFileMissing(string path) =>
        new(ErrorCode.BadInput, $"The data file '{path}' does not exist. The folder given with --data holds bank.csv (id, y, features) and retailer.csv (id, features).");

    public static VertFedException FileMissing(string what, string path) =>
        new(ErrorCode.Usage, $"{what} '{path}' does not exist.");

    public static VertFedException FileExists(string path) =>
        new(ErrorCode.Usage, $"'{path}' exists already; it is not overwritten.");

    public static VertFedException OptionMissing(string option, string variable, string what) =>
        new(ErrorCode.Usage, $"{what} is not given: use {option}, or set {variable}.");

    public static VertFedException NoCoordinator(string path) =>
        new(ErrorCode.Usage, $"The trust file '{path}' names no coordinator; add it with: vertfed identity trust FILE NAME FINGERPRINT --as coordinator --address URL");

    public static VertFedException BadAddress(string value) =>
        new(ErrorCode.Usage, $"'{value}' is not a coordinator's address such as https://coordinator.example:7400.");

    public static VertFedException BadFingerprint(string where) =>
        new(ErrorCode.Usage, $"{where}: a fingerprint is 64 lower-case hexadecimal digits, as 'vertfed identity show' prints it.");

    public static VertFedException HostMissing(string name, string path) =>
        new(ErrorCode.Usage, $"The {name} program is not at '{path}'. Start VertFed with its launcher, ./vertfed, which builds it.");

    public static VertFedException ChildEnded(string name, int exitCode, int restarts, string? lastLine, string logPath)
    {
        ErrorCode code = Enum.IsDefined((ErrorCode)exitCode) ? (ErrorCode)exitCode : ErrorCode.Internal;
        string reason = string.IsNullOrEmpty(lastLine) ? "" : $": {lastLine}";
        string again = restarts > 0 ? $", after it had been started again {restarts} times" : "";
        return new VertFedException(code, $"The {name} process ended with exit code {exitCode} before the job was done{again}{reason} (its log: {logPath})")
        {
            Party = name,
        };
    }

    public static VertFedException ChildNotReady(string name, double seconds, string logPath) =>
        new(ErrorCode.PeerUnavailable, $"The {name} process was not ready after {seconds:0} seconds (its log: {logPath}).") { Party = name };

    public static VertFedException Job(ErrorCode code, string message, string party = "", string step = "") =>
        new(code, message) { Party = party, Step = step };

    public static VertFedException Cancelled() => new(ErrorCode.Cancelled, "Cancelled.");

    /// <summary>One line of text without control characters, fit for a terminal.</summary>
    public static string OneLine(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\0', '\x1f') && !text.AsSpan().ContainsAnyInRange('\x7f', '\x9f'))
        {
            return text;
        }

        return string.Create(text.Length, text, static (span, source) =>
        {
            for (int i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source[i]) ? ' ' : source[i];
            }
        }).Trim();
    }
}
