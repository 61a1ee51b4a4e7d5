using System.Buffers.Binary;
using System.Security.Cryptography;
using VertFed.PartyNode.Data;
using VertFed.Protocol;

namespace VertFed.PartyNode.Profiling;

/// <summary>Reads a dataset once and sums up its columns, for its operator, before any job. Memory does not grow with the rows, but for 8 bytes an id.</summary>
internal static class Profiler
{
    /// <summary>Levels with fewer rows are not named unless asked for.</summary>
    public const int FewestRowsToName = 10;

    /// <summary>Beyond these rows repeated ids are no longer counted.</summary>
    private const int MostIds = 20_000_000;

    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: the source cannot be read, or a row of it.</exception>
    public static SourceProfile Run(string dataset, DatasetOptions options, bool showRare, CancellationToken cancellationToken)
    {
        InputErrors errors = RowSources.Errors(options.Source);
        using IRowSource source = RowSources.Open(options.Source, errors, cancellationToken);
        return Run(source, dataset, options, showRare, errors, cancellationToken);
    }

    internal static SourceProfile Run(
        IRowSource source, string dataset, DatasetOptions options, bool showRare, InputErrors errors, CancellationToken cancellationToken)
    {
        bool hasLabel = options.Label is { } label && source.Names.Any(name => name.Trim() == label);
        TableLayout layout = TableLayout.Of(source.Names, options, hasLabel ? LabelKind.Number : LabelKind.None, errors);
        CellReader cells = new(source, layout.Names, options, errors);
        ColumnProfiler[] columns =
        [
            .. layout.Ids.Select(i => new ColumnProfiler(i, layout.Names[i], "id", kind: null)),
            .. layout.Label >= 0 ? [new ColumnProfiler(layout.Label, layout.Names[layout.Label], "label", ColumnKind.Numeric)] : Array.Empty<ColumnProfiler>(),
            .. layout.Features.Select(i => new ColumnProfiler(i, layout.Names[i], "feature", options.Declared(layout.Names[i]).Kind)),
        ];
        source.ExpectNumbers(layout.Numbers(options));
        HashSet<long> ids = [];
        long rows = 0;
        long duplicates = 0;
        long empty = 0;
        while (source.Read(cancellationToken))
        {
            rows = rows < Limits.MaxRows ? rows + 1 : throw errors.TooManyRows(Limits.MaxRows);
            foreach (ColumnProfiler column in columns)
            {
                column.Add(cells, source.Position);
            }

            bool isEmpty = Array.Exists(layout.Ids, i => cells.Trimmed(i).IsEmpty);
            empty += isEmpty ? 1 : 0;
            duplicates += !isEmpty && rows <= MostIds && !ids.Add(HashOf(source, layout.Ids)) ? 1 : 0;
        }

        int fewest = showRare ? 1 : FewestRowsToName;
        return new SourceProfile(
            dataset, errors.Source, source.Format, rows, rows <= MostIds ? duplicates : null, empty, [.. columns.Select(column => column.Profile(fewest))]);
    }

    /// <summary>The first 8 bytes of SHA-256: two ids in 20 million fall together by chance once in a hundred thousand times.</summary>
    private static long HashOf(IRowSource source, int[] ids)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        foreach (int id in ids)
        {
            ReadOnlySpan<byte> text = source.Text(id);
            if (ids.Length == 1)
            {
                SHA256.HashData(text, digest);
                return BinaryPrimitives.ReadInt64BigEndian(digest);
            }

            BinaryPrimitives.WriteInt32BigEndian(digest, text.Length);
            hash.AppendData(digest[..sizeof(int)]);
            hash.AppendData(text);
        }

        hash.GetHashAndReset(digest);
        return BinaryPrimitives.ReadInt64BigEndian(digest);
    }
}
