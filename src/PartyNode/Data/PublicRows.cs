using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Data;

/// <summary>
/// Rows without labels that every party of a horizontal job with distillation holds alike, with the columns of the job's dataset. The order of the rows
/// is part of what they are, since outputs are compared row by row.
/// </summary>
/// <param name="Sha256">SHA-256 of the canonical form, 32 bytes (docs/horizontal-service.md, "Distillation").</param>
public sealed record PublicRows(RawTable Table, byte[] Sha256)
{
    /// <summary>Loads rows.</summary>
    /// <param name="dataset">Whose columns they have, declared as there; a missing value is refused whatever is declared, for parties would fill it in unlike ways.</param>
    /// <param name="features">The dataset's features, in its order.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming source, position and column.</exception>
    public static PublicRows Load(SourceOptions source, DatasetOptions dataset, IReadOnlyList<string> features, CancellationToken cancellationToken)
    {
        DatasetOptions options = new()
        {
            Source = source,
            Id = [],
            Features = features,
            Columns = dataset.Columns.ToDictionary(column => column.Key, column => column.Value with { Missing = MissingRule.Refuse }, StringComparer.Ordinal),
            MissingValues = dataset.MissingValues,
        };
        RawTable table = TableLoader.Load(options, LabelKind.None, cancellationToken);
        return new PublicRows(table, HashOf(table.Columns, table.Rows));
    }

    /// <summary>The features of a dataset, of which the header alone is read.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming the source.</exception>
    public static IReadOnlyList<string> FeaturesOf(DatasetOptions dataset, CancellationToken cancellationToken)
    {
        InputErrors errors = RowSources.Errors(dataset.Source);
        using IRowSource source = RowSources.Open(dataset.Source, errors, cancellationToken);
        TableLayout layout = TableLayout.Of(source.Names, dataset, LabelKind.None, errors);
        return [.. layout.Features.Select(position => layout.Names[position])];
    }

    /// <summary>Why these are not the rows that a job names; null where they are, or where it names none.</summary>
    /// <param name="held">What this party has under the name; null: nothing.</param>
    public static string? Objection(PublicRowsSpec? named, PublicRows? held) =>
        named is null ? null
        : held is null ? $"'{named.Name}' is not among this party's public_data"
        : held.Table.Rows != named.Rows ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"this party's public rows '{named.Name}' are {held.Table.Rows}, the job's {named.Rows}")
        : !held.Sha256.AsSpan().SequenceEqual(named.Sha256.Span) ? $"this party's public rows '{named.Name}' have another sha256 than the job's: another content, order or columns"
        : null;

    // "vertfed/v1/public-rows", then by column its name and kind, then the rows one by one. Counts and lengths are 4 bytes big-endian.
    private static byte[] HashOf(RawColumn[] columns, int rows)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] eight = new byte[8];
        hash.AppendData("vertfed/v1/public-rows"u8);
        AddCount(columns.Length);
        foreach (RawColumn column in columns)
        {
            AddText(Encoding.UTF8.GetBytes(column.Name));
            hash.AppendData([(byte)(column.Kind == ColumnKind.Numeric ? 0 : 1)]);
        }

        AddCount(rows);
        for (int row = 0; row < rows; row++)
        {
            foreach (RawColumn column in columns)
            {
                if (column is NumericColumn numbers)
                {
                    // −0 is 0: a file may have either.
                    BinaryPrimitives.WriteDoubleBigEndian(eight, numbers.Values[row] + 0.0);
                    hash.AppendData(eight);
                }
                else
                {
                    AddText(((CategoricalColumn)column).Text(row));
                }
            }
        }

        return hash.GetHashAndReset();

        void AddText(ReadOnlySpan<byte> text)
        {
            AddCount(text.Length);
            hash.AppendData(text);
        }

        void AddCount(int count)
        {
            BinaryPrimitives.WriteInt32BigEndian(eight, count);
            hash.AppendData(eight, 0, 4);
        }
    }
}
