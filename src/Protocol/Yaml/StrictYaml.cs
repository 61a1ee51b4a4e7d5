using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace VertFed.Protocol;

/// <summary>A node of a YAML document, with where it stands.</summary>
/// <param name="Line">From 1.</param>
/// <param name="Column">From 1.</param>
public abstract record YamlItem(long Line, long Column);

/// <summary>A single value as written.</summary>
/// <param name="Quoted">Whether it stood in quotes, so that it is text whatever it looks like.</param>
public sealed record YamlText(string Value, bool Quoted, long Line, long Column) : YamlItem(Line, Column);

/// <summary>A list.</summary>
public sealed record YamlList(IReadOnlyList<YamlItem> Items, long Line, long Column) : YamlItem(Line, Column);

/// <summary>Keys and values, in the order written; no key comes twice.</summary>
public sealed record YamlMap(IReadOnlyDictionary<string, (YamlItem Value, long Line)> Entries, long Line, long Column)
    : YamlItem(Line, Column);

/// <summary>
/// Reads the plain part of YAML that configuration needs: one document of maps, lists and values. Anchors, aliases, tags,
/// repeated keys, deep nesting and long documents are refused, so that what a reader sees is what is meant.
/// </summary>
public static class StrictYaml
{
    private const int MaxDepth = 16;
    private const int MaxItems = 20_000;

    /// <summary>Reads a document whose root is a map.</summary>
    /// <param name="file">The name that errors show.</param>
    /// <param name="mostBytes">Of the text in UTF-8.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>, with file, line and column.</exception>
    public static YamlMap Parse(string text, string file, int mostBytes = Limits.MaxSpecBytes)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (Encoding.UTF8.GetByteCount(text) > mostBytes)
        {
            throw TooLong(file, mostBytes);
        }

        try
        {
            Reader reader = new(new Parser(new StringReader(text)), file);
            return reader.ReadDocument();
        }
        catch (YamlException e)
        {
            throw Error.Usage($"{file}:{e.Start.Line}:{e.Start.Column}: not well-formed YAML: {e.Message}", e);
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or FormatException or OverflowException)
        {
            // Some broken texts, such as "a: [1, 2\nb: }", end YamlDotNet's scanner with what is no YamlException.
            throw Error.Usage($"{file}: not well-formed YAML", e);
        }
    }

    /// <summary>Reads a configuration file of at most <see cref="Limits.MaxConfigurationBytes"/>, whose root is a map.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>: it cannot be read, or as in <see cref="Parse"/>.</exception>
    public static YamlMap Load(string path, string file)
    {
        try
        {
            return new FileInfo(path).Length > Limits.MaxConfigurationBytes
                ? throw TooLong(file, Limits.MaxConfigurationBytes)
                : Parse(File.ReadAllText(path), file, Limits.MaxConfigurationBytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Error.Usage($"{path}: {(File.Exists(path) ? $"cannot be read: {e.Message}" : "no such file")}", e);
        }
    }

    private static VertFedException TooLong(string file, int mostBytes) => Error.Usage($"{file}: longer than {mostBytes} bytes.");

    /// <summary>An error at a place in a file.</summary>
    internal static VertFedException Wrong(string file, long line, string what) => Error.Usage($"{file}:{line}: {what}.");

    private sealed class Reader(Parser parser, string file)
    {
        private int _items;

        public YamlMap ReadDocument()
        {
            Next<StreamStart>();
            if (Peek() is StreamEnd)
            {
                throw Wrong(file, 1, "the file is empty");
            }

            Next<DocumentStart>();
            YamlItem root = ReadItem(depth: 0);
            Next<DocumentEnd>();
            return Peek() is not StreamEnd
                ? throw Wrong(file, parser.Current!.Start.Line, "a second document begins")
                : root as YamlMap ?? throw Wrong(file, root.Line, "the file is not a list of 'key: value'");
        }

        private YamlItem ReadItem(int depth)
        {
            ParsingEvent e = Peek();
            if (depth > MaxDepth || ++_items > MaxItems)
            {
                throw Wrong(file, e.Start.Line, "nested too deeply or too long");
            }

            if (e is NodeEvent node && (!node.Anchor.IsEmpty || !node.Tag.IsEmpty))
            {
                throw Wrong(file, e.Start.Line, "anchors and tags are not accepted");
            }

            parser.MoveNext();
            return e switch
            {
                // No name, path or text has one; file systems and databases stumble over it.
                Scalar scalar when scalar.Value.Contains('\0', StringComparison.Ordinal) => throw Wrong(file, e.Start.Line, "a value holds a NUL character"),
                Scalar scalar => new YamlText(scalar.Value, scalar.Style is not ScalarStyle.Plain, e.Start.Line, e.Start.Column),
                SequenceStart => ReadList(e.Start, depth),
                MappingStart => ReadMap(e.Start, depth),
                _ => throw Wrong(file, e.Start.Line, "aliases are not accepted"),
            };
        }

        private YamlList ReadList(Mark start, int depth)
        {
            List<YamlItem> items = [];
            while (Peek() is not SequenceEnd)
            {
                items.Add(ReadItem(depth + 1));
            }

            parser.MoveNext();
            return new YamlList(items, start.Line, start.Column);
        }

        private YamlMap ReadMap(Mark start, int depth)
        {
            Dictionary<string, (YamlItem Value, long Line)> entries = new(StringComparer.Ordinal);
            while (Peek() is not MappingEnd)
            {
                YamlText key = ReadItem(depth + 1) as YamlText ?? throw Wrong(file, start.Line, "a key is not a plain word");
                if (!entries.TryAdd(key.Value, (ReadItem(depth + 1), key.Line)))
                {
                    throw Wrong(file, key.Line, $"'{Shown(key.Value)}' comes twice");
                }
            }

            parser.MoveNext();
            return new YamlMap(entries, start.Line, start.Column);
        }

        private ParsingEvent Peek()
        {
            if (parser.Current is null)
            {
                parser.MoveNext();
            }

            return parser.Current ?? throw Wrong(file, 1, "the file ends too early");
        }

        private void Next<TEvent>()
            where TEvent : ParsingEvent
        {
            ParsingEvent e = Peek();
            if (e is not TEvent)
            {
                throw Wrong(file, e.Start.Line, "not one plain document");
            }

            parser.MoveNext();
        }
    }

    /// <summary>A key as errors show it: short, without control characters.</summary>
    public static string Shown(string key)
    {
        string printable = string.Concat(key.Select(c => char.IsControl(c) ? '?' : c));
        return printable.Length <= 40 ? printable : string.Concat(printable.AsSpan(0, 40), "…");
    }
}
