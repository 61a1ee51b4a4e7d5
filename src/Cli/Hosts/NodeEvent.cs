using System.Text.Json;

namespace VertFed.Cli.Hosts;

/// <summary>One line of JSON that a coordinator or a party prints on standard output, such as {"event":"ready",...}.</summary>
internal sealed class NodeEvent
{
    private readonly JsonElement _root;

    private NodeEvent(string name, JsonElement root)
    {
        Name = name;
        _root = root;
    }

    public string Name { get; }

    /// <summary>Reads a line. A line that is not a JSON object with an event's name gives null: it is not an event.</summary>
    public static NodeEvent? TryParse(string line)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 16 });
            return document.RootElement.ValueKind == JsonValueKind.Object
                && document.RootElement.TryGetProperty("event", out JsonElement name)
                && name.ValueKind == JsonValueKind.String
                ? new NodeEvent(name.GetString()!, document.RootElement.Clone())
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The whole event, as JSON on one line.</summary>
    public string Json => _root.GetRawText();

    /// <summary>A field that is an object, as an event of its own; null where there is none.</summary>
    public NodeEvent? Object(string field) =>
        _root.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.Object ? new NodeEvent(field, value) : null;

    /// <summary>The objects of a field that is an array; none where there is no such field.</summary>
    public IEnumerable<NodeEvent> Objects(string field) =>
        _root.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray().Where(item => item.ValueKind == JsonValueKind.Object).Select(item => new NodeEvent(field, item))
            : [];

    public string Text(string field) =>
        _root.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    public double? Number(string field) =>
        _root.TryGetProperty(field, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    public bool? Flag(string field) =>
        _root.TryGetProperty(field, out JsonElement value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : null;
}
