using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using VertFed.Protocol;

namespace VertFed.Cli.Reports;

/// <summary>Reads and writes report files.</summary>
internal static class ReportFile
{
    /// <summary>A part larger than this is refused rather than parsed, in bytes.</summary>
    public const long MaxBytes = 64L * 1024 * 1024;

    // Feature names may hold any script; the file is UTF-8 JSON and never embedded in HTML.
    private static readonly ReportJson s_json = new(new JsonSerializerOptions(ReportJson.Default.Options)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });

    public static string Serialise(Report report) => JsonSerializer.Serialize(report, s_json.Report) + "\n";

    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: not a report, of another schema version or too large.</exception>
    public static Report Parse(ReadOnlySpan<byte> utf8, string origin)
    {
        if (utf8.Length > MaxBytes)
        {
            throw Error.ReportUnreadable(origin, $"it has {utf8.Length} bytes, more than {MaxBytes}");
        }

        Report? report;
        try
        {
            report = JsonSerializer.Deserialize(utf8, s_json.Report);
        }
        catch (JsonException e)
        {
            throw Error.ReportUnreadable(origin, $"not valid JSON near line {(e.LineNumber ?? 0) + 1}, {e.Path}", e);
        }

        if (report is null || report.Schema != Report.CurrentSchema)
        {
            throw Error.ReportUnreadable(origin, $"schema {report?.Schema.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "null"} is not {Report.CurrentSchema}");
        }

        return report;
    }

    /// <summary>Reads a report file, or returns null where there is none.</summary>
    public static Report? ReadIfPresent(string path)
    {
        FileInfo file = new(path);
        if (!file.Exists)
        {
            return null;
        }

        if (file.Length > MaxBytes)
        {
            throw Error.ReportUnreadable(path, $"it has {file.Length} bytes, more than {MaxBytes}");
        }

        return Parse(File.ReadAllBytes(path), path);
    }

    /// <summary>
    /// Writes the file as a whole: a reader sees the old content or the new, never a part. The bytes are on the disk before
    /// the name points to them.
    /// </summary>
    public static void Write(string path, Report report) => WriteText(path, Serialise(report));

    /// <summary>The same of a report that is text already.</summary>
    public static void WriteText(string path, string report)
    {
        string temporary = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            using (FileStream stream = new(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
            {
                stream.Write(Encoding.UTF8.GetBytes(report));
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // In a folder that is not there, deleting would fail itself and hide why.
            if (File.Exists(temporary))
            {
                File.Delete(temporary);
            }

            throw Error.CannotWrite(path, e);
        }
    }
}
