using System.Globalization;
using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Protocol;

namespace VertFed.Cli.Simulate;

/// <summary>A table as read.</summary>
/// <param name="Path">The file, for messages.</param>
/// <param name="Label">Name of the label column.</param>
/// <param name="Names">Of the feature columns.</param>
/// <param name="Rows">Features and labels.</param>
internal sealed record SimulationTable(string Path, string Label, string[] Names, Examples Rows)
{
    /// <summary>Holds the labels to a model's kind.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming file, line and column.</exception>
    public void CheckLabels(LossHead head)
    {
        for (int row = 0; row < Rows.Count; row++)
        {
            try
            {
                head.ValidateLabel(Rows.Label(row));
            }
            catch (HorizontalException e)
            {
                throw new VertFedException(ErrorCode.BadInput, $"{Path}, line {row + FirstLine}, column '{Label}': {e.Message}", e);
            }
        }
    }

    /// <summary>The line of the first row; none is left out after it.</summary>
    private const int FirstLine = 2;

    /// <summary>The place of a feature column.</summary>
    public int Column(string name)
    {
        int at = Array.IndexOf(Names, name);
        return at >= 0 ? at : throw new VertFedException(ErrorCode.Usage, $"{Path} has no feature column '{Error.OneLine(name)}' (--by).");
    }
}

/// <summary>A numeric table of all clients' rows, as a file that the analyst has: a header, commas, decimal points, no empty cells, no quotes.</summary>
internal static class SimulationCsv
{
    private const int MostColumns = 4096;
    private const int MostRows = 10_000_000;
    private const int MostLine = 1 << 20;
    private const long MostCells = 1L << 28;

    /// <summary>Reads the label column and every other one; a column called <c>id</c> is left out.</summary>
    /// <param name="path">The file.</param>
    /// <param name="label">Name of the label column.</param>
    /// <exception cref="VertFedException">The file is missing, or not such a table; the message names file, line and column, and no value.</exception>
    public static SimulationTable Read(string path, string label, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
        {
            throw Error.FileMissing("The data file", path);
        }

        using StreamReader reader = new(path);
        string[] header = Line(reader, path, 1)?.Split(',') ?? throw Bad(path, 1, "the file is empty");
        Check(header.Length is >= 2 and <= MostColumns, path, 1, $"a table has 2 to {MostColumns} columns");
        Check(header.Distinct(StringComparer.Ordinal).Count() == header.Length, path, 1, "a column name is there twice");
        int labelAt = Array.IndexOf(header, label);
        Check(labelAt >= 0, path, 1, $"there is no label column '{Error.OneLine(label)}' (--label names it)");
        int idAt = Array.IndexOf(header, "id");
        int width = header.Length - 1 - (idAt >= 0 && idAt != labelAt ? 1 : 0);
        Check(width >= 1, path, 1, "there is no feature column");
        List<double> features = [];
        List<double> labels = [];
        for (int number = 2; Line(reader, path, number) is { } line; number++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Check(labels.Count < MostRows && (long)(labels.Count + 1) * width <= MostCells, path, number, $"a simulation takes {MostRows} rows and {MostCells} cells at most");
            int column = 0;
            foreach (Range range in line.AsSpan().Split(','))
            {
                Check(column < header.Length, path, number, "the line has more cells than the header");
                if (column == idAt && column != labelAt)
                {
                    column++;
                    continue;
                }

                bool number64 = double.TryParse(line.AsSpan(range), NumberStyles.Float, CultureInfo.InvariantCulture, out double value);
                Check(number64 && double.IsFinite(value), path, number, $"column '{header[column]}' does not hold a finite number");
                (column == labelAt ? labels : features).Add(value);
                column++;
            }

            Check(column == header.Length, path, number, "the line has fewer cells than the header");
        }

        Check(labels.Count >= 2, path, 2, "a simulation needs at least two rows");
        string[] names = [.. header.Where((_, at) => at != labelAt && at != idAt)];
        return new SimulationTable(path, label, names, Examples.FromRows([.. features], [.. labels], width));
    }

    private static string? Line(StreamReader reader, string path, int number)
    {
        string? line = reader.ReadLine();
        Check(line is null || line.Length <= MostLine, path, number, "the line is too long");
        return line;
    }

    private static void Check([System.Diagnostics.CodeAnalysis.DoesNotReturnIf(false)] bool holds, string path, int line, string why)
    {
        if (!holds)
        {
            throw Bad(path, line, why);
        }
    }

    private static VertFedException Bad(string path, int line, string why) =>
        new(ErrorCode.BadInput, $"{path}, line {line}: {why}.");
}
