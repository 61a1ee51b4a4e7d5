using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>A source's columns, checked, and which position holds what.</summary>
internal sealed class TableLayout
{
    private const int LongestName = 200;

    private TableLayout(string[] names, int[] ids, int label, int[] features)
    {
        Names = names;
        Ids = ids;
        Label = label;
        Features = features;
    }

    public string[] Names { get; }

    /// <summary>Positions of the id columns.</summary>
    public int[] Ids { get; }

    /// <summary>Position of the label column, or -1 where none is read.</summary>
    public int Label { get; }

    /// <summary>Positions of the feature columns.</summary>
    public int[] Features { get; }

    /// <summary>Positions of the columns that hold numbers: the label and the features that are declared so.</summary>
    public int[] Numbers(DatasetOptions options) =>
        [.. Features.Where(i => options.Declared(Names[i]).Kind == ColumnKind.Numeric), .. Label >= 0 ? [Label] : Array.Empty<int>()];

    /// <summary>Checks names and finds the columns that the options name.</summary>
    /// <param name="labels">With <see cref="LabelKind.None"/> the label column need not be there; where it is, it is no feature.</param>
    public static TableLayout Of(IReadOnlyList<string> columns, DatasetOptions options, LabelKind labels, InputErrors errors)
    {
        string[] names = new string[columns.Count];
        Dictionary<string, int> positions = new(StringComparer.Ordinal);
        for (int i = 0; i < names.Length; i++)
        {
            string name = columns[i].Trim();
            CheckName(name, i + 1, errors);
            names[i] = name;
            if (!positions.TryAdd(name, i))
            {
                throw errors.DuplicateColumn(name);
            }
        }

        int[] ids = [.. options.Id.Select(name => Find(positions, name, "id column", errors))];
        int ignored = options.Label is { } own && positions.TryGetValue(own, out int there) ? there : -1;
        int label = options.Label is null || labels == LabelKind.None ? -1 : Find(positions, options.Label, "label column", errors);
        int[] features = options.Features is null
            ? [.. Enumerable.Range(0, names.Length).Where(i => i != ignored && !ids.Contains(i))]
            : [.. options.Features.Select(name => Find(positions, name, "feature column", errors))];
        foreach (string name in options.Columns.Keys)
        {
            int declared = Find(positions, name, "declared column", errors);
            if (!features.Contains(declared))
            {
                throw errors.DeclaredButNoFeature(name);
            }
        }

        if (features.Length == 0)
        {
            throw errors.NoFeatures();
        }

        return features.Length > Limits.MaxColumns
            ? throw errors.TooManyColumns(features.Length, Limits.MaxColumns)
            : new TableLayout(names, ids, label, features);
    }

    private static int Find(Dictionary<string, int> positions, string name, string purpose, InputErrors errors) =>
        positions.TryGetValue(name, out int position) ? position : throw errors.MissingColumn(name, purpose);

    private static void CheckName(string name, int position, InputErrors errors)
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
}
