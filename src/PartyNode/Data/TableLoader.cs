using System.Text;
using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>
/// Loads a source into columns: ids as text, the label as numbers, features as they are declared. Whatever is not as expected is refused
/// with source, position and column; nothing is guessed, filled in or skipped.
/// </summary>
public static class TableLoader
{
    /// <summary>Loads the whole source. Memory: 8 bytes a number, 4 a level, the ids as strings, and a buffer.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming source, position and column.</exception>
    public static RawTable Load(DatasetOptions options, LabelKind labels, CancellationToken cancellationToken = default)
    {
        InputErrors errors = RowSources.Errors(options.Source);
        using IRowSource source = RowSources.Open(options.Source, errors, cancellationToken);
        return Load(source, options, labels, errors, cancellationToken);
    }

    /// <summary>Refuses a file that does not exist or cannot be opened, without reading it. A database server is not asked.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>.</exception>
    public static void RequireReadable(DatasetOptions options) => RowSources.RequireReadable(options.Source);

    internal static RawTable Load(
        IRowSource source, DatasetOptions options, LabelKind labels, InputErrors errors, CancellationToken cancellationToken)
    {
        TableLayout layout = TableLayout.Of(source.Names, options, labels, errors);
        PagedColumn<string>[] ids = Array.ConvertAll(layout.Ids, _ => new PagedColumn<string>());
        ColumnBuilder[] features = Array.ConvertAll(layout.Features, i => ColumnBuilder.Of(i, options.Declared(layout.Names[i])));
        PagedColumn<double> label = new();
        PagedColumn<int> positions = new();
        CellReader cells = new(source, layout.Names, options, errors);
        source.ExpectNumbers(layout.Numbers(options));
        while (source.Read(cancellationToken))
        {
            for (int i = 0; i < ids.Length; i++)
            {
                ids[i].Add(Encoding.UTF8.GetString(source.Text(layout.Ids[i])));
            }

            foreach (ColumnBuilder feature in features)
            {
                feature.Add(cells);
            }

            if (layout.Label >= 0)
            {
                label.Add(cells.Label(layout.Label, labels));
            }

            positions.Add(checked((int)source.Position));
            if (positions.Count > Limits.MaxRows)
            {
                throw errors.TooManyRows(Limits.MaxRows);
            }

            if ((positions.Count & 0xFFFF) == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }
        }

        return positions.Count == 0
            ? throw errors.NoRows()
            : new RawTable(errors.Source)
            {
                Format = source.Format,
                Reading = source.Reading,
                Rows = positions.Count,
                Ids = Array.ConvertAll(ids, column => column.ToArray()),
                Columns = Array.ConvertAll(features, feature => feature.Build(layout.Names[feature.Position])),
                Labels = layout.Label >= 0 ? label.ToArray() : null,
                LabelName = options.Label,
                Positions = positions.ToArray(),
                Sha256 = source.Digest(),
            };
    }
}
