using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace VertFed.Operations.Logging;

/// <summary>How log lines look.</summary>
public enum LogFormat
{
    /// <summary><c>2026-01-31T09:00:00.000Z info  [1201] job … accepted</c></summary>
    Plain,

    /// <summary>One object a line: time, level, event (the number), name, message, and the message's fields.</summary>
    Json,
}

/// <summary>
/// Writes each log line to a writer at once, on one line, with its event id. Text in fields that came from outside is cut to
/// <see cref="MaxText"/> characters and loses its control characters, so that no peer can forge a line.
/// </summary>
public sealed class LineLogger(TextWriter output, TimeProvider time, LogFormat format, LogLevel level) : ILogger
{
    /// <summary>Longest text of a field or a message, in characters.</summary>
    public const int MaxText = 2000;

    private readonly Lock _gate = new();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= level && logLevel != LogLevel.None;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
            return;
        string stamp = time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        string message = Shown(formatter(state, null));
        string line = format == LogFormat.Json
            ? Json(stamp, logLevel, eventId, message, state as IReadOnlyList<KeyValuePair<string, object?>>, exception)
            : string.Create(CultureInfo.InvariantCulture, $"{stamp} {Name(logLevel),-5} [{eventId.Id}] {message}") + Where(exception);
        lock (_gate)
        {
            output.WriteLine(line);
            output.Flush();
        }
    }

    /// <summary>Text on one line and of bounded length.</summary>
    public static string Shown(string text)
    {
        string cut = text.Length > MaxText ? text[..MaxText] : text;
        return cut.Any(char.IsControl) ? string.Concat(cut.Select(c => char.IsControl(c) ? ' ' : c)) : cut;
    }

    // Type and place of an exception, never its message: that could quote what was read.
    private static string Where(Exception? exception) =>
        exception is null ? "" : $" {exception.GetType().FullName}{Environment.NewLine}{exception.StackTrace}";

    private static string Name(LogLevel level) => level switch
    {
        LogLevel.Trace or LogLevel.Debug => "debug",
        LogLevel.Information => "info",
        LogLevel.Warning => "warn",
        _ => "error",
    };

    private static string Json(
        string stamp, LogLevel level, EventId eventId, string message, IReadOnlyList<KeyValuePair<string, object?>>? fields, Exception? exception)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteString("time", stamp);
            json.WriteString("level", Name(level));
            json.WriteNumber("event", eventId.Id);
            json.WriteString("name", eventId.Name ?? "");
            json.WriteString("message", message);
            foreach ((string key, object? value) in fields ?? [])
            {
                if (key != "{OriginalFormat}")
                    Field(json, JsonNamingPolicy.SnakeCaseLower.ConvertName(key), value);
            }

            if (exception is not null)
            {
                json.WriteString("exception", exception.GetType().FullName);
                json.WriteString("stack", exception.StackTrace);
            }

            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    private static void Field(Utf8JsonWriter json, string key, object? value)
    {
        // The line's own words keep their places.
        string name = key is "time" or "level" or "event" or "name" or "message" or "exception" or "stack" ? "field_" + key : key;
        switch (value)
        {
            case null:
                json.WriteNull(name);
                break;
            case bool flag:
                json.WriteBoolean(name, flag);
                break;
            case double number when double.IsFinite(number):
                json.WriteNumber(name, number);
                break;
            case long or int or uint or short or byte:
                json.WriteNumber(name, Convert.ToInt64(value, CultureInfo.InvariantCulture));
                break;
            default:
                json.WriteString(name, Shown(Convert.ToString(value, CultureInfo.InvariantCulture) ?? ""));
                break;
        }
    }
}
