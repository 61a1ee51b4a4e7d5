using System.Globalization;
using VertFed.Protocol;

namespace VertFed.Coordinator.Configuration;

/// <summary>
/// A YAML map that is read field by field and then closed: a field nobody asked for is an error, and every error names file,
/// line and field.
/// </summary>
internal sealed class YamlFields
{
    private readonly string _file;
    private readonly string _path;
    private readonly YamlMap _map;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    private YamlFields(string file, string path, YamlMap map)
    {
        _file = file;
        _path = path;
        _map = map;
    }

    /// <summary>Reads a file that holds one map.</summary>
    public static YamlFields Load(string file)
    {
        try
        {
            if (new FileInfo(file).Length > Limits.MaxSpecBytes)
                throw new VertFedException(ErrorCode.Usage, $"{file}: longer than 64 KiB");
            return new YamlFields(file, "", StrictYaml.Parse(File.ReadAllText(file), file));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(ErrorCode.Usage, $"{file}: cannot be read: {exception.Message}", exception);
        }
    }

    public string Text(string field) => OptionalText(field) ?? throw Bad(field, "is missing");

    public string? OptionalText(string field) => Child(field) switch
    {
        null => null,
        YamlText { Value.Length: > 0 } text => text.Value,
        _ => throw Bad(field, "must be a single value, not empty"),
    };

    public int Integer(string field, int otherwise, int minimum, int maximum)
    {
        if (OptionalText(field) is not { } text)
            return otherwise;
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= minimum && value <= maximum
            ? value
            : throw Bad(field, string.Create(CultureInfo.InvariantCulture, $"must be a whole number from {minimum} to {maximum}"));
    }

    public YamlFields? OptionalMap(string field) => Child(field) switch
    {
        null => null,
        YamlMap map => new YamlFields(_file, $"{_path}{field}.", map),
        _ => throw Bad(field, "must be a map of fields"),
    };

    /// <summary>A list of maps; empty where the field is missing.</summary>
    public IEnumerable<YamlFields> Maps(string field) => Items(field).Select((item, index) =>
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"{_path}{field}[{index}]");
        return item is YamlMap map ? new YamlFields(_file, name + ".", map) : throw At(item.Line, name, "must be a map of fields");
    });

    /// <summary>A list of texts; empty where the field is missing.</summary>
    public IEnumerable<string> Texts(string field) => Items(field).Select((item, index) => item is YamlText text
        ? text.Value
        : throw At(item.Line, string.Create(CultureInfo.InvariantCulture, $"{_path}{field}[{index}]"), "must be a single value"));

    /// <summary>A single text or a list of them; an error where the field is missing.</summary>
    public IEnumerable<string> OneOrMore(string field) => Child(field) is YamlList ? Texts(field) : [Text(field)];

    /// <summary>Refuses whatever was not asked for.</summary>
    public void Close()
    {
        foreach ((string name, (YamlItem _, long line)) in _map.Entries)
        {
            if (!_known.Contains(name))
                throw At(line, _path + name, "is not a known field");
        }
    }

    public VertFedException Bad(string field, string what) =>
        At(_map.Entries.TryGetValue(field, out (YamlItem Value, long Line) entry) ? entry.Line : _map.Line, _path + field, what);

    private IReadOnlyList<YamlItem> Items(string field) => Child(field) switch
    {
        null => [],
        YamlList list => list.Items,
        _ => throw Bad(field, "must be a list"),
    };

    private YamlItem? Child(string field)
    {
        _known.Add(field);
        return _map.Entries.TryGetValue(field, out (YamlItem Value, long Line) entry) ? entry.Value : null;
    }

    private VertFedException At(long line, string name, string what) =>
        new(ErrorCode.Usage, string.Create(CultureInfo.InvariantCulture, $"{_file}:{line}: {name} {what}"));
}
