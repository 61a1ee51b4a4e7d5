using System.Globalization;
using System.IO.Compression;

namespace VertFed.EndToEnd;

/// <summary>Reads the CSV files of samples and data sets (no quotes; gzip by name) for the tests' own arithmetic.</summary>
internal static class CsvColumns
{
    public static Dictionary<string, string[]> Read(string path, char delimiter = ',')
    {
        using Stream file = File.OpenRead(path);
        using StreamReader text = new(path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionMode.Decompress) : file);
        string[][] lines = [.. text.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.TrimEnd('\r').Split(delimiter))];
        return lines[0].Select((name, column) => (name, Values: lines.Skip(1).Select(line => line[column]).ToArray()))
            .ToDictionary(entry => entry.name, entry => entry.Values, StringComparer.Ordinal);
    }

    public static double[] Numbers(string[] column) => [.. column.Select(text => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture))];
}
