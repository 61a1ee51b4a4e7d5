using System.Text;
using VertFed.PartyNode.Data;

namespace VertFed.PartyNode.Configuration;

/// <summary>The `columns` part of a dataset: how features are to be understood.</summary>
internal static class ColumnReader
{
    public static IReadOnlyDictionary<string, ColumnDeclaration> Read(YamlMap? map)
    {
        Dictionary<string, ColumnDeclaration> columns = new(StringComparer.Ordinal);
        foreach (string name in map?.Keys() ?? [])
        {
            YamlMap column = map!.Map(name);
            columns[name] = column.Text("type") switch
            {
                "numeric" => ReadNumeric(column),
                "categorical" => ReadCategorical(column),
                _ => throw column.Bad("type", "numeric or categorical is expected"),
            };
            column.RefuseOthers();
        }

        return columns;
    }

    private static ColumnDeclaration ReadNumeric(YamlMap column)
    {
        if (column.IsMap("missing"))
        {
            YamlMap constant = column.Map("missing");
            ColumnDeclaration filled = new() { Kind = ColumnKind.Numeric, Missing = MissingRule.Constant, Constant = constant.Number("constant") };
            constant.RefuseOthers();
            return filled;
        }

        return new ColumnDeclaration
        {
            Kind = ColumnKind.Numeric,
            Missing = column.OptionalText("missing") switch
            {
                null or "refuse" => MissingRule.Refuse,
                "mean" => MissingRule.Mean,
                _ => throw column.Bad("missing", "refuse, mean or {constant: NUMBER} is expected"),
            },
        };
    }

    private static ColumnDeclaration ReadCategorical(YamlMap column)
    {
        IReadOnlyList<string>? levels = column.OptionalTexts("levels");
        if (levels is not null && levels.Count > ColumnEncoder.MaxLevels)
        {
            throw column.Bad("levels", $"at most {ColumnEncoder.MaxLevels} levels are accepted");
        }

        string? reference = column.OptionalText("reference");
        foreach ((string key, string level) in (levels ?? []).Select(level => ("levels", level)).Append(("reference", reference ?? "x")))
        {
            if (ColumnEncoder.ObjectionToLevel(level) is { } why)
            {
                throw column.Bad(key, $"a level {why}");
            }

            if (level != level.Trim(' ', '\t') || Encoding.UTF8.GetByteCount(level) > ColumnEncoder.LongestLevelBytes)
            {
                throw column.Bad(key, $"a level has no spaces around it and at most {ColumnEncoder.LongestLevelBytes} bytes");
            }
        }

        if (levels is not null && reference is not null && !levels.Contains(reference, StringComparer.Ordinal))
        {
            throw column.Bad("reference", "is not among 'levels'");
        }

        return new ColumnDeclaration
        {
            Kind = ColumnKind.Categorical,
            Levels = levels,
            Reference = reference,
            MinimumRows = (int)column.Integer("minimum_rows", 1, 1, 1_000_000),
            Missing = column.OptionalText("missing") switch
            {
                null or "refuse" => MissingRule.Refuse,
                "level" => MissingRule.Level,
                _ => throw column.Bad("missing", "refuse or level is expected"),
            },
        };
    }
}
