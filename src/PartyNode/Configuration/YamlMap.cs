using System.Globalization;
using VertFed.Protocol;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace VertFed.PartyNode.Configuration;

/// <summary>
/// A mapping of a configuration file, read strictly: each key is asked for by name and type, and <see cref="RefuseOthers"/>
/// refuses what nobody asked for. Errors name file and line.
/// </summary>
internal sealed class YamlMap
{
    private const int DeepestNesting = 24;
    private const int LargestFile = 1024 * 1024;
    private readonly string _file;
    private readonly string _path;
    private readonly YamlMappingNode _node;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    private YamlMap(string file, string path, YamlMappingNode node)
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
        try
        {
            FileInfo info = new(path);
            if (info.Exists && info.Length > LargestFile)
            {
                throw Wrong($"{file}: larger than {LargestFile} bytes");
            }

            return Parse(file, File.ReadAllText(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(ErrorCode.Usage, $"{path}: {(File.Exists(path) ? "cannot be read" : "no such file")}", error);
        }
    }

    /// <summary>Parses text; <paramref name="file"/> names it in errors.</summary>
    public static YamlMap Parse(string file, string text)
    {
        YamlStream stream = [];
        try
        {
            // The parser is asked for events first: aliases would let one line stand for many.
            int depth = 0;
            Parser events = new(new StringReader(text));
            while (events.MoveNext())
            {
                if (events.Current is YamlDotNet.Core.Events.AnchorAlias alias)
                {
                    throw Wrong($"{file}, line {alias.Start.Line}: aliases are not accepted");
                }

                // The reader of nodes goes down a level by calling itself: an end of its stack would be the end of the process.
                depth += events.Current!.NestingIncrease;
                if (depth > DeepestNesting)
                {
                    throw Wrong($"{file}, line {events.Current.Start.Line}: nested too deeply");
                }
            }

            stream.Load(new StringReader(text));
        }
        catch (YamlException error)
        {
            throw new VertFedException(ErrorCode.Usage, $"{file}, line {error.Start.Line}: {error.Message}", error);
        }
        catch (Exception error) when (error is InvalidOperationException or ArgumentException or FormatException or OverflowException)
        {
            // Some broken texts, such as "a: [1, 2\nb: }", end YamlDotNet's scanner with what is no YamlException.
            throw new VertFedException(ErrorCode.Usage, $"{file}: not well-formed YAML", error);
        }

        return stream.Documents.Count == 1 && stream.Documents[0].RootNode is YamlMappingNode root
            ? new YamlMap(file, "", root)
            : throw Wrong($"{file}: one document with keys and values is expected");
    }

    /// <summary>Whether the key is there, whatever its value.</summary>
    public bool Has(string key) => Find(key) is not null;

    public string Text(string key) => OptionalText(key) ?? throw Missing(key);

    public string? OptionalText(string key)
    {
        YamlNode? node = Find(key);
        return node switch
        {
            null => null,
            YamlScalarNode { Value: { Length: > 0 } value } when !value.Contains('\0', StringComparison.Ordinal) => value,
            _ => throw At(node, key, "a text is expected"),
        };
    }

    public bool Flag(string key, bool otherwise) => OptionalFlag(key) ?? otherwise;

    public bool? OptionalFlag(string key)
    {
        YamlNode? node = Find(key);
        return node switch
        {
            null => null,
            YamlScalarNode { Value: "true" } => true,
            YamlScalarNode { Value: "false" } => false,
            _ => throw At(node, key, "true or false is expected"),
        };
    }

    public long Integer(string key, long otherwise, long least, long most)
    {
        YamlNode? node = Find(key);
        if (node is null)
        {
            return otherwise;
        }

        return node is YamlScalarNode scalar
            && long.TryParse(scalar.Value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            && value >= least && value <= most
            ? value
            : throw At(node, key, string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most} is expected"));
    }

    /// <summary>A finite number.</summary>
    public double Number(string key)
    {
        YamlNode node = Find(key) ?? throw Missing(key);
        return node is YamlScalarNode scalar
            && double.TryParse(scalar.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value)
            ? value
            : throw At(node, key, "a number is expected");
    }

    /// <summary>A finite number, or the default where the key is not there.</summary>
    public double Number(string key, double otherwise, double least, double most)
    {
        YamlNode? node = Find(key);
        double value = node is null ? otherwise : Number(key);
        return value >= least && value <= most
            ? value
            : throw At(node!, key, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most} is expected"));
    }

    /// <param name="emptyToo">Whether an empty text may be in the list.</param>
    public IReadOnlyList<string>? OptionalTexts(string key, bool emptyToo = false)
    {
        YamlNode? node = Find(key);
        if (node is null)
        {
            return null;
        }

        if (node is not YamlSequenceNode list)
        {
            throw At(node, key, "a list is expected");
        }

        List<string> texts = [];
        foreach (YamlNode item in list)
        {
            if (item is not YamlScalarNode { Value: { } text } || (text.Length == 0 && !emptyToo))
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
    public IReadOnlyList<string> OneOrMore(string key) => Find(key) is YamlSequenceNode ? OptionalTexts(key)! : [Text(key)];

    /// <summary>Whether a key's value is a mapping, where it may be something else.</summary>
    public bool IsMap(string key) => Find(key) is YamlMappingNode;

    /// <summary>Whether the key's value is a list without entries, where that means nobody.</summary>
    public bool IsEmptyList(string key) => Find(key) is YamlSequenceNode list && !list.Any();

    /// <summary>Whether the key's value is a single text, where either that or something else may stand.</summary>
    public bool IsText(string key) => Find(key) is YamlScalarNode;

    /// <summary>One of the given words.</summary>
    public string Word(string key, string otherwise, params string[] words)
    {
        string word = OptionalText(key) ?? otherwise;
        return words.Contains(word, StringComparer.Ordinal) ? word : throw Bad(key, $"{string.Join(" or ", words)} is expected");
    }

    /// <summary>The keys in their order, for a mapping whose keys are names.</summary>
    public IReadOnlyList<string> Keys() => [.. _node.Children.Keys.Select(key => (key as YamlScalarNode)?.Value ?? throw Wrong($"{_file}, line {key.Start.Line}: a name is expected as key"))];

    public YamlMap Map(string key) => OptionalMap(key) ?? throw Missing(key);

    public YamlMap? OptionalMap(string key)
    {
        YamlNode? node = Find(key);
        return node switch
        {
            null => null,
            YamlMappingNode map => new YamlMap(_file, Join(key), map),
            _ => throw At(node, key, "keys and values are expected"),
        };
    }

    public IReadOnlyList<YamlMap> Maps(string key)
    {
        YamlNode node = Find(key) ?? throw Missing(key);
        return node is YamlSequenceNode list && list.Any()
            ? [.. list.Select(item => item is YamlMappingNode map
                ? new YamlMap(_file, Join(key), map)
                : throw At(item, key, "a list of keys and values is expected"))]
            : throw At(node, key, "a list with at least one entry is expected");
    }

    /// <summary>Refuses keys that were not asked for.</summary>
    public void RefuseOthers()
    {
        foreach (YamlNode key in _node.Children.Keys)
        {
            string name = (key as YamlScalarNode)?.Value ?? "";
            if (!_known.Contains(name))
            {
                string known = string.Join(", ", _known.Order(StringComparer.Ordinal));
                throw Wrong($"{_file}, line {key.Start.Line}: unknown key '{Join(name)}' (known here: {known})");
            }
        }
    }

    /// <summary>An error about the value of a key.</summary>
    public VertFedException Bad(string key, string what) =>
        Find(key) is { } node ? At(node, key, what) : Wrong($"{_file}, line {_node.Start.Line}: {Join(key)}: {what}");

    private static VertFedException Wrong(string message) => new(ErrorCode.Usage, message);

    private YamlNode? Find(string key)
    {
        _known.Add(key);
        return _node.Children.TryGetValue(new YamlScalarNode(key), out YamlNode? node) ? node : null;
    }

    private VertFedException Missing(string key) => Wrong($"{_file}, line {_node.Start.Line}: key '{Join(key)}' is missing");

    private VertFedException At(YamlNode node, string key, string what) =>
        Wrong($"{_file}, line {node.Start.Line}: {Join(key)}: {what}");

    private string Join(string key) => _path.Length == 0 ? key : $"{_path}.{key}";
}
