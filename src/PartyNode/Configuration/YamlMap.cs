using System.Globalization;
using VertFed.Protocol;

namespace VertFed.PartyNode.Configuration;

/// <summary>
/// A mapping of a configuration file, read strictly: each key is asked for by name and type, and <see cref="RefuseOthers"/>
/// refuses what nobody asked for. Errors name file and line.
/// </summary>
internal sealed class YamlMap
{
    private readonly string _file;
    private readonly string _path;
    private readonly Protocol.YamlMap _node;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    private YamlMap(string file, string path, Protocol.YamlMap node)
    {
        _file = file;
        _path = path;
        _node = node;
    }

    /// <summary>Parses a file that holds one document, a mapping.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>.</exception>
    public static YamlMap Load(string path)
    {
        string file = Path.GetFileName(path);
        return new YamlMap(file, "", StrictYaml.Load(path, file));
    }

    /// <summary>Parses text; <paramref name="file"/> names it in errors.</summary>
    public static YamlMap Parse(string file, string text) => new(file, "", StrictYaml.Parse(text, file, Limits.MaxConfigurationBytes));

    /// <summary>Whether the key is there, whatever its value.</summary>
    public bool Has(string key) => Find(key) is not null;

    public string Text(string key) => OptionalText(key) ?? throw Missing(key);

    public string? OptionalText(string key)
    {
        YamlItem? node = Find(key);
        return node switch
        {
            null => null,
            YamlText { Value: { Length: > 0 } value } => value,
            _ => throw At(node, key, "a text is expected"),
        };
    }

    public bool Flag(string key, bool otherwise) => OptionalFlag(key) ?? otherwise;

    public bool? OptionalFlag(string key)
    {
        YamlItem? node = Find(key);
        return node switch
        {
            null => null,
            YamlText { Value: "true" } => true,
            YamlText { Value: "false" } => false,
            _ => throw At(node, key, "true or false is expected"),
        };
    }

    public long Integer(string key, long otherwise, long least, long most)
    {
        YamlItem? node = Find(key);
        if (node is null)
        {
            return otherwise;
        }

        return node is YamlText scalar
            && long.TryParse(scalar.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            && value >= least && value <= most
            ? value
            : throw At(node, key, string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most} is expected"));
    }

    /// <summary>A finite number.</summary>
    public double Number(string key)
    {
        YamlItem node = Find(key) ?? throw Missing(key);
        return node is YamlText scalar
            && double.TryParse(scalar.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value)
            ? value
            : throw At(node, key, "a number is expected");
    }

    /// <summary>A finite number, or the default where the key is not there.</summary>
    public double Number(string key, double otherwise, double least, double most)
    {
        YamlItem? node = Find(key);
        double value = node is null ? otherwise : Number(key);
        return value >= least && value <= most
            ? value
            : throw At(node!, key, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most} is expected"));
    }

    /// <param name="emptyToo">Whether an empty text may be in the list.</param>
    public IReadOnlyList<string>? OptionalTexts(string key, bool emptyToo = false)
    {
        YamlItem? node = Find(key);
        if (node is null)
        {
            return null;
        }

        if (node is not YamlList list)
        {
            throw At(node, key, "a list is expected");
        }

        List<string> texts = [];
        foreach (YamlItem item in list.Items)
        {
            if (item is not YamlText { Value: var text } || (text.Length == 0 && !emptyToo))
            {
                throw At(item, key, "a list of texts is expected");
            }

            if (texts.Contains(text, StringComparer.Ordinal))
            {
                throw At(item, key, $"'{text}' appears twice");
            }

            texts.Add(text);
        }

        return texts.Count == 0 ? throw At(node, key, "the list is empty") : texts;
    }

    /// <summary>A single text, or a list of them without repetitions.</summary>
    public IReadOnlyList<string> OneOrMore(string key) => Find(key) is YamlList ? OptionalTexts(key)! : [Text(key)];

    /// <summary>Whether a key's value is a mapping, where it may be something else.</summary>
    public bool IsMap(string key) => Find(key) is Protocol.YamlMap;

    /// <summary>Whether the key's value is a list without entries, where that means nobody.</summary>
    public bool IsEmptyList(string key) => Find(key) is YamlList list && list.Items.Count == 0;

    /// <summary>Whether the key's value is a single text, where either that or something else may stand.</summary>
    public bool IsText(string key) => Find(key) is YamlText;

    /// <summary>One of the given words.</summary>
    public string Word(string key, string otherwise, params string[] words)
    {
        string word = OptionalText(key) ?? otherwise;
        return words.Contains(word, StringComparer.Ordinal) ? word : throw Bad(key, $"{string.Join(" or ", words)} is expected");
    }

    /// <summary>The keys in their order, for a mapping whose keys are names.</summary>
    public IReadOnlyList<string> Keys() => [.. _node.Entries.Keys];

    public YamlMap Map(string key) => OptionalMap(key) ?? throw Missing(key);

    public YamlMap? OptionalMap(string key)
    {
        YamlItem? node = Find(key);
        return node switch
        {
            null => null,
            Protocol.YamlMap map => new YamlMap(_file, Join(key), map),
            _ => throw At(node, key, "keys and values are expected"),
        };
    }

    public IReadOnlyList<YamlMap> Maps(string key)
    {
        YamlItem node = Find(key) ?? throw Missing(key);
        return node is YamlList list && list.Items.Count > 0
            ? [.. list.Items.Select(item => item is Protocol.YamlMap map
                ? new YamlMap(_file, Join(key), map)
                : throw At(item, key, "a list of keys and values is expected"))]
            : throw At(node, key, "a list with at least one entry is expected");
    }

    /// <summary>Refuses keys that were not asked for.</summary>
    public void RefuseOthers()
    {
        foreach ((string name, (YamlItem _, long line)) in _node.Entries)
        {
            if (!_known.Contains(name))
            {
                string known = string.Join(", ", _known.Order(StringComparer.Ordinal));
                throw Wrong($"{_file}:{line}: unknown key '{Join(StrictYaml.Shown(name))}' (known here: {known})");
            }
        }
    }

    /// <summary>An error about the value of a key.</summary>
    public VertFedException Bad(string key, string what) =>
        Find(key) is { } node ? At(node, key, what) : Wrong($"{_file}:{_node.Line}: {Join(key)}: {what}");

    private static VertFedException Wrong(string message) => new(ErrorCode.Usage, message);

    private YamlItem? Find(string key)
    {
        _known.Add(key);
        return _node.Entries.TryGetValue(key, out (YamlItem Value, long Line) entry) ? entry.Value : null;
    }

    private VertFedException Missing(string key) => Wrong($"{_file}:{_node.Line}: key '{Join(key)}' is missing");

    private VertFedException At(YamlItem node, string key, string what) =>
        Wrong($"{_file}:{node.Line}: {Join(key)}: {what}");

    private string Join(string key) => _path.Length == 0 ? key : $"{_path}.{key}";
}
