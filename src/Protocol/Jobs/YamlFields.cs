using System.Globalization;

namespace VertFed.Protocol;

/// <summary>Takes named fields out of a YAML map; what is left over at the end is an unknown key.</summary>
internal sealed class YamlFields(YamlMap map, string file, string path)
{
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    /// <summary>The line of a field, for errors found later; the map's own line if it is not there.</summary>
    public long LineOf(string key) => map.Entries.TryGetValue(key, out var entry) ? entry.Line : map.Line;

    public bool Has(string key) => map.Entries.ContainsKey(key);

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
        YamlList list => [.. list.Items.Select(item => new YamlFields(item as YamlMap ?? throw Wrong(key, "is not a list of maps"), file, $"{path}{key}."))],
        _ => throw Wrong(key, "is not a list of maps"),
    };

    public IReadOnlyList<string> Words(string key) => Take(key) switch
    {
        null => [],
        YamlList list => [.. list.Items.Select(item => item as YamlText ?? throw Wrong(key, "is not a list of words")).Select(t => t.Value)],
        _ => throw Wrong(key, "is not a list of words"),
    };

    public string? Text(string key) => Take(key) switch
    {
        null => null,
        YamlText text => text.Value,
        _ => throw Wrong(key, "is not a single value"),
    };

    public bool Flag(string key, bool otherwise) => Text(key) switch
    {
        null => otherwise,
        "true" => true,
        "false" => false,
        _ => throw Wrong(key, "is neither true nor false"),
    };

    public double Number(string key, double otherwise)
    {
        string? text = Text(key);
        return text is null ? otherwise
            : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value) ? value
            : throw Wrong(key, "is not a number");
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

    public VertFedException Wrong(string key, string what) => StrictYaml.Wrong(file, LineOf(key), $"{path}{key} {what}");

    private YamlItem? Take(string key)
    {
        _taken.Add(key);
        return map.Entries.TryGetValue(key, out var entry) ? entry.Value : null;
    }
}
