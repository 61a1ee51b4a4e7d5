using VertFed.PartyNode.Data;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>Tables from memory instead of a file.</summary>
internal static class Tables
{
    /// <summary>Loads a file's content as the file that the options name.</summary>
    public static RawTable Load(Stream stream, DatasetOptions options, LabelKind labels = LabelKind.None)
    {
        CsvSource csv = (CsvSource)options.Source;
        InputErrors errors = new(Path.GetFileName(csv.Path));
        using CsvRowSource source = new(stream, csv, errors);
        return TableLoader.Load(source, options, labels, errors, CancellationToken.None);
    }

    public static double[] Numbers(this RawTable table, int column) => Assert.IsType<NumericColumn>(table.Columns[column]).Values;

    public static CategoricalColumn Words(this RawTable table, int column) => Assert.IsType<CategoricalColumn>(table.Columns[column]);
}
