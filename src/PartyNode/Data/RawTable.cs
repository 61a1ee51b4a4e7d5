namespace VertFed.PartyNode.Data;

/// <summary>A party's data as loaded: column-major, rows in the order of the source, nothing encoded or filled in.</summary>
public sealed class RawTable
{
    internal RawTable(string source) => Source = source;

    /// <summary>The source as messages name it: a file's name without its folder, or a query.</summary>
    public string Source { get; }

    /// <summary>How the source was read, for people: delimiter, decimal mark, compression and so on.</summary>
    public string Format { get; internal init; } = "";

    /// <summary>What of the reading decides on the values, as one text: delimiter and decimal mark of a file, however they were come by.</summary>
    public string Reading { get; internal init; } = "";

    public int Rows { get; internal init; }

    /// <summary>[id column][row], exactly as in the source.</summary>
    public required string[][] Ids { get; init; }

    /// <summary>The features. <see cref="TakeRows"/> replaces them one by one.</summary>
    public required RawColumn[] Columns { get; init; }

    /// <summary>[row], or null where no label was read.</summary>
    public double[]? Labels { get; init; }

    /// <summary>Name of the label column, or null.</summary>
    public string? LabelName { get; init; }

    /// <summary>[row]: line in the file, or row of the query, from 1.</summary>
    public required int[] Positions { get; init; }

    /// <summary>SHA-256 over the file's bytes after decompression, or over the query's cells (docs/party.md).</summary>
    public required byte[] Sha256 { get; init; }

    /// <summary>Names of the features.</summary>
    public string[] Names => Array.ConvertAll(Columns, column => column.Name);

    /// <summary>Keeps these rows of every feature, in this order. Columns are replaced one by one, so that memory grows by one column only.</summary>
    public RawColumn[] TakeRows(int[] rows)
    {
        for (int i = 0; i < Columns.Length; i++)
        {
            Columns[i] = Columns[i].Take(rows);
        }

        return Columns;
    }
}
