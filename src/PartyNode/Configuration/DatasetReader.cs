using System.Text;
using VertFed.PartyNode.Data;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Configuration;

/// <summary>The `data`, `datasets` and `public_data` parts of a configuration file: sources by name, `data` under the name "default".</summary>
internal static class DatasetReader
{
    private const int MaxDatasets = 256;
    private const int MaxIdColumns = 8;

    public static IReadOnlyDictionary<string, DatasetOptions> Read(YamlMap map, Role role, string folder)
    {
        Dictionary<string, DatasetOptions> datasets = new(StringComparer.Ordinal)
        {
            [JobSpecification.DefaultDataset] = ReadDataset(map.Map("data"), role, folder),
        };
        if (map.OptionalMap("datasets") is not { } others)
        {
            return datasets;
        }

        foreach (string name in others.Keys())
        {
            if (!PartyReference.IsName(name) || !datasets.TryAdd(name, ReadDataset(others.Map(name), role, folder)))
            {
                throw others.Bad(name, $"a dataset's name is 1 to 64 of a-z, 0-9, - and _, starting with a letter, and not '{JobSpecification.DefaultDataset}', which 'data' is");
            }
        }

        return datasets.Count <= MaxDatasets ? datasets : throw map.Bad("datasets", $"at most {MaxDatasets} datasets are accepted");
    }

    /// <summary>The `public_data` part: sources by name. Columns are understood as those of the dataset that a job takes.</summary>
    public static IReadOnlyDictionary<string, SourceOptions> ReadPublic(YamlMap map, string folder)
    {
        Dictionary<string, SourceOptions> sources = new(StringComparer.Ordinal);
        if (map.OptionalMap("public_data") is not { } sets)
        {
            return sources;
        }

        foreach (string name in sets.Keys())
        {
            if (!PartyReference.IsName(name))
            {
                throw sets.Bad(name, "a name is 1 to 64 of a-z, 0-9, - and _, starting with a letter");
            }

            YamlMap source = sets.Map(name);
            sources[name] = SourceReader.Read(source, folder);
            source.RefuseOthers();
        }

        return sources.Count <= MaxDatasets ? sources : throw map.Bad("public_data", $"at most {MaxDatasets} are accepted");
    }

    private static DatasetOptions ReadDataset(YamlMap map, Role role, string folder)
    {
        string? label = map.OptionalText("label");
        if (role == Role.FeatureParty && label is not null)
        {
            throw map.Bad("label", "a feature party has no label");
        }

        IReadOnlyList<string> ids = map.OptionalTexts("id") ?? ["id"];
        label ??= role == Role.LabelParty ? "y" : null;
        if (ids.Count > MaxIdColumns)
        {
            throw map.Bad("id", $"at most {MaxIdColumns} id columns are accepted");
        }

        if (label is not null && ids.Contains(label, StringComparer.Ordinal))
        {
            throw map.Bad("id", "the label column cannot be an id column");
        }

        IReadOnlyList<string>? features = map.OptionalTexts("features");
        if (features is not null && features.Any(name => name == label || ids.Contains(name, StringComparer.Ordinal)))
        {
            throw map.Bad("features", "id and label columns cannot be features");
        }

        IReadOnlyDictionary<string, ColumnDeclaration> columns = ColumnReader.Read(map.OptionalMap("columns"));
        if (features is not null && columns.Keys.FirstOrDefault(name => !features.Contains(name, StringComparer.Ordinal)) is { } stranger)
        {
            throw map.Bad("columns", $"'{stranger}' is not among 'features'");
        }

        DatasetOptions options = new()
        {
            Source = SourceReader.Read(map, folder),
            Id = ids,
            Label = label,
            Features = features,
            Columns = columns,
            MissingValues = ReadMissingValues(map),
        };
        map.RefuseOthers();
        return options;
    }

    private static IReadOnlyList<string> ReadMissingValues(YamlMap map)
    {
        const int Most = 64;
        const int Longest = 64;
        IReadOnlyList<string> texts = map.OptionalTexts("missing_values", emptyToo: true) ?? [""];
        return texts.Count <= Most && texts.All(text => Encoding.UTF8.GetByteCount(text) <= Longest)
            ? texts
            : throw map.Bad("missing_values", $"at most {Most} texts of at most {Longest} bytes are accepted");
    }
}
