using System.Globalization;

namespace VertFed.Protocol;

/// <summary>
/// Takes named fields out of a YAML map; what is left over at the end is an unknown key. Errors (<see cref="ErrorCode.Usage"/>) name file, line and
/// field.
/// </summary>
/// <param name="file">The name that errors show.</param>
/// <param name="path">What stands before a field's name in them: empty, or the maps around it, each with a dot behind.</param>
public sealed class YamlFields(YamlMap map, string file, string path)
{
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    /// <summary>Reads a configuration file of one map.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>.</exception>
    public static YamlFields Load(string file) => new(StrictYaml.Load(file, file), file, "");

    /// <summary>The line of a field, for errors found later; the map's own line if it is not there.</summary>
    public long LineOf(string key) => map.Entries.TryGetValue(key, out var entry) ? entry.Line : map.Line;

    /// <summary>Whether the field is there, whatever its value.</summary>
    public bool Has(string key) => map.Entries.ContainsKey(key);

    /// <summary>Null where the field is missing.</summary>
    public YamlFields? Map(string key) => Take(key) switch
    {
        null => null,
        YamlMap inner => new YamlFields(inner, file, $"{path}{key}."),
        _ => throw Wrong(key, "is not a map of fields"),
    };

    /// <summary>A list of maps; empty where the field is missing.</summary>
    public IReadOnlyList<YamlFields> Maps(string key) => Take(key) switch
    {
        null => [],
        YamlList list =>
        [
            .. list.Items.Select((item, index) => new YamlFields(
                item as YamlMap ?? throw Wrong(key, "is not a list of maps"), file, string.Create(CultureInfo.InvariantCulture, $"{path}{key}[{index}]."))),
        ],
        _ => throw Wrong(key, "is not a list of maps"),
    };

    /// <summary>A list of texts; empty where the field is missing.</summary>
    public IReadOnlyList<string> Words(string key) => Take(key) switch
    {
        null => [],
        YamlList list => [.. list.Items.Select(item => item as YamlText ?? throw Wrong(key, "is not a list of words")).Select(t => t.Value)],
        _ => throw Wrong(key, "is not a list of words"),
    };

    /// <summary>A single text or a list of them.</summary>
    public IReadOnlyList<string> OneOrMore(string key) => Take(key) is YamlList ? Words(key) : [Required(key)];

    /// <summary>A text that has to be there, and is not empty.</summary>
    public string Required(string key) => Text(key) switch
    {
        null => throw Wrong(key, "is missing"),
        "" => throw Wrong(key, "is empty"),
        { } text => text,
    };

    /// <summary>Null where the field is missing.</summary>
    public string? Text(string key) => Take(key) switch
    {
        null => null,
        YamlText text => text.Value,
        _ => throw Wrong(key, "is not a single value"),
    };

    /// <summary>true or false.</summary>
    public bool Flag(string key, bool otherwise) => Text(key) switch
    {
        null => otherwise,
        "true" => true,
        "false" => false,
        _ => throw Wrong(key, "is neither true nor false"),
    };

    /// <summary>A finite number.</summary>
    public double Number(string key, double otherwise)
    {
        string? text = Text(key);
        return text is null ? otherwise
            : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value) ? value
            : throw Wrong(key, "is not a number");
    }

    public int Integer(string key, int otherwise, int least, int most)
    {
        string? text = Text(key);
        return text is null ? otherwise
            : int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most ? value
            : throw Wrong(key, string.Create(CultureInfo.InvariantCulture, $"must be a whole number from {least} to {most}"));
    }

    public uint Count(string key, uint otherwise)
    {
        string? text = Text(key);
        return text is null ? otherwise
            : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint value) ? value
            : throw Wrong(key, "is not a whole number");
    }

    /// <summary>One of a set of words, by value.</summary>
    public T Word<T>(string key, T otherwise, IReadOnlyDictionary<string, T> words)
        where T : struct => Text(key) is { } text ? Meaning(key, text, words) : otherwise;

    /// <summary>What a word of a field stands for.</summary>
    public T Meaning<T>(string key, string word, IReadOnlyDictionary<string, T> words)
        where T : struct =>
        words.TryGetValue(word, out T value) ? value : throw Wrong(key, $"is none of {string.Join(", ", words.Keys)}");

    /// <summary>Refuses keys that nobody asked for.</summary>
    public void Done()
    {
        foreach ((string key, (YamlItem _, long line)) in map.Entries)
        {
            if (!_taken.Contains(key))
            {
                throw StrictYaml.Wrong(file, line, $"unknown field '{path}{StrictYaml.Shown(key)}'");
            }
        }
    }

    /// <summary>An error about a field.</summary>
    public VertFedException Wrong(string key, string what) => StrictYaml.Wrong(file, LineOf(key), $"{path}{key} {what}");

    private YamlItem? Take(string key)
    {
        _taken.Add(key);
        return map.Entries.TryGetValue(key, out var entry) ? entry.Value : null;
    }
}
