using System.Globalization;

namespace VertFed.EndToEnd;

/// <summary>Reads the plain CSV files of samples and data sets (no quotes) for the tests' own arithmetic.</summary>
internal static class CsvColumns
{
    public static Dictionary<string, string[]> Read(string path)
    {
        string[][] lines = [.. File.ReadLines(path).Select(line => line.Split(','))];
        return lines[0].Select((name, column) => (name, Values: lines.Skip(1).Select(line => line[column]).ToArray()))
            .ToDictionary(entry => entry.name, entry => entry.Values, StringComparer.Ordinal);
    }

    public static double[] Numbers(string[] column) => [.. column.Select(text => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture))];
}
