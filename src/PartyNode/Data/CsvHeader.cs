using System.Text;
using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>The header row, checked, and which position holds what.</summary>
internal sealed class CsvHeader
{
    private const int LongestName = 200;

    private CsvHeader(string[] names, int[] ids, int label, int[] features)
    {
        Names = names;
        Ids = ids;
        Label = label;
        Features = features;
    }

    public string[] Names { get; }

    /// <summary>Positions of the id columns.</summary>
    public int[] Ids { get; }

    /// <summary>Position of the label column, or -1.</summary>
    public int Label { get; }

    /// <summary>Positions of the feature columns.</summary>
    public int[] Features { get; }

    public static CsvHeader Read(CsvTokeniser record, CsvOptions options, CsvErrors errors)
    {
        string[] names = new string[record.FieldCount];
        Dictionary<string, int> positions = new(StringComparer.Ordinal);
        RefuseOtherDelimiter(record, options, errors);
        for (int i = 0; i < names.Length; i++)
        {
            string name = Encoding.UTF8.GetString(record.Field(i)).Trim();
            CheckName(name, i + 1, errors);
            names[i] = name;
            if (!positions.TryAdd(name, i))
            {
                throw errors.DuplicateColumn(name);
            }
        }

        int[] ids = [.. options.Id.Select(name => Find(positions, name, "id column", errors))];
        int label = options.Label is null ? -1 : Find(positions, options.Label, "label column", errors);
        int[] features = options.Features is null
            ? [.. Enumerable.Range(0, names.Length).Where(i => i != label && !ids.Contains(i))]
            : [.. options.Features.Select(name => Find(positions, name, "feature column", errors))];
        if (features.Length == 0)
        {
            throw errors.NoFeatures();
        }

        return features.Length > Limits.MaxColumns
            ? throw errors.TooManyColumns(features.Length, Limits.MaxColumns)
            : new CsvHeader(names, ids, label, features);
    }

    private static int Find(Dictionary<string, int> positions, string name, string purpose, CsvErrors errors) =>
        positions.TryGetValue(name, out int position) ? position : throw errors.MissingColumn(name, purpose);

    private static void CheckName(string name, int position, CsvErrors errors)
    {
        if (name.Length == 0)
        {
            throw errors.EmptyColumnName(position);
        }

        if (name.Length > LongestName)
        {
            throw errors.BadColumnName(position, $"is longer than {LongestName} characters");
        }

        if (name.Any(char.IsControl))
        {
            throw errors.BadColumnName(position, "holds a control character");
        }

        // The report lists the intercept under this name beside the features.
        if (name is "(intercept)")
        {
            throw errors.BadColumnName(position, "is '(intercept)', which is reserved");
        }
    }

    /// <summary>A header that does not split where it is expected to, and would with another delimiter.</summary>
    private static void RefuseOtherDelimiter(CsvTokeniser record, CsvOptions options, CsvErrors errors)
    {
        foreach ((char other, string looksLike, string declare) in new[]
        {
            (';', "semicolon", "';'"), ('\t', "tab", "\"\\t\""), ('|', "pipe", "'|'"), (',', "comma", "','"),
        })
        {
            int count = 0;
            for (int i = 0; i < record.FieldCount; i++)
            {
                count += record.Field(i).Count((byte)other);
            }

            if (other != options.Delimiter && count >= record.FieldCount)
            {
                throw errors.WrongDelimiter(looksLike, declare);
            }
        }
    }
}
