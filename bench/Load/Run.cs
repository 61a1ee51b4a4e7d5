using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using VertFed.Protocol;

namespace VertFed.Load;

/// <summary>One run of a measure: its size, its end, and the tables that it fills.</summary>
/// <param name="IsShort">A smoke test: all parts run, and the figures say nothing.</param>
internal sealed record Run(string Name, bool IsShort, CancellationToken Ended)
{
    private readonly List<ResultTable> _tables = [];

    /// <summary>A size or a time of the full run, or that of the smoke test.</summary>
    public T Of<T>(T full, T brief) => IsShort ? brief : full;

    /// <param name="name">Of the table in JSON.</param>
    /// <param name="title">One sentence on what was measured and how.</param>
    public ResultTable Table(string name, string title, params string[] columns)
    {
        ResultTable table = new(name, title, columns);
        _tables.Add(table);
        return table;
    }

    public string Markdown()
    {
        StringBuilder text = new();
        foreach (ResultTable table in _tables)
        {
            table.WriteMarkdown(text);
        }

        return text.ToString().TrimEnd() + "\n";
    }

    /// <summary>Writes NAME.md and NAME.json.</summary>
    public async Task WriteAsync(string folder)
    {
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, Name + ".md"), Markdown(), CancellationToken.None);
        using MemoryStream stream = new();
        await using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("measure", Name);
            json.WriteBoolean("short", IsShort);
            json.WriteString("taken", TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
            json.WriteString("version", SoftwareVersion.Current);
            json.WriteString("runtime", RuntimeInformation.FrameworkDescription);
            json.WriteString("system", $"{RuntimeInformation.OSDescription}, {RuntimeInformation.ProcessArchitecture}");
            json.WriteNumber("processors", Environment.ProcessorCount);
            json.WriteNumber("memory_mib", GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20);
            json.WriteStartArray("tables");
            foreach (ResultTable table in _tables)
            {
                table.WriteJson(json);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        await File.WriteAllBytesAsync(Path.Combine(folder, Name + ".json"), stream.ToArray(), CancellationToken.None);
    }
}
