using VertFed.PartyNode.Data;

namespace VertFed.PartyNode.Configuration;

/// <summary>Where a dataset's rows come from.</summary>
internal static class SourceReader
{
    public static SourceOptions Read(YamlMap map, string folder) => ReadCsv(map, folder);

    private static CsvSource ReadCsv(YamlMap map, string folder)
    {
        string? delimiter = map.OptionalText("delimiter");
        if (delimiter is not (null or "," or ";" or "\t" or "|"))
        {
            throw map.Bad("delimiter", "one of ',' ';' '|' and \"\\t\" is expected");
        }

        bool? decimalComma = map.OptionalFlag("decimal_comma");
        if (decimalComma == true && delimiter == ",")
        {
            throw map.Bad("decimal_comma", "needs another delimiter than ','");
        }

        return new CsvSource
        {
            Path = Path.GetFullPath(map.Text("csv"), folder),
            Delimiter = delimiter?[0],
            DecimalComma = decimalComma,
            MaxBytes = map.Integer("max_bytes", CsvSource.DefaultMaxBytes, 1, long.MaxValue),
        };
    }
}
