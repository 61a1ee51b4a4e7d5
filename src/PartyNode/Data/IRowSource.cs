namespace VertFed.PartyNode.Data;

/// <summary>What a cell of the current row holds.</summary>
internal enum CellKind
{
    /// <summary>SQL's NULL; a file has none.</summary>
    Null,
    Text,
    Number,
}

/// <summary>
/// Rows of named cells, read once from the first to the last, in memory bounded by a row. A file's cells are all text, of which
/// <see cref="DecimalPoint"/> tells how to read numbers; a query's have types.
/// </summary>
internal interface IRowSource : IDisposable
{
    /// <summary>Column names, checked by nobody yet.</summary>
    IReadOnlyList<string> Names { get; }

    /// <summary>How the source is read, for people. Complete once <see cref="ExpectNumbers"/> was called.</summary>
    string Format { get; }

    /// <summary>What of the reading decides on the values; no more depends on whether it was declared or detected. Complete when <see cref="Format"/> is.</summary>
    string Reading { get; }

    /// <summary>Line in the file or row of the query, from 1, of the current row.</summary>
    long Position { get; }

    /// <summary>The decimal mark in text, or null where text is never a number.</summary>
    byte? DecimalPoint { get; }

    /// <summary>Names the columns that will be read as numbers, before the first row.</summary>
    void ExpectNumbers(IReadOnlyList<int> columns);

    /// <summary>Goes to the next row; false after the last.</summary>
    bool Read(CancellationToken cancellationToken);

    CellKind Kind(int column);

    /// <summary>A cell as UTF-8, also where it is a number; empty for NULL. Valid until the next call of any member.</summary>
    ReadOnlySpan<byte> Text(int column);

    /// <summary>A cell of kind <see cref="CellKind.Number"/>; it may be infinite or NaN.</summary>
    double Number(int column);

    /// <summary>SHA-256 over what was read, once the last row was.</summary>
    byte[] Digest();
}
