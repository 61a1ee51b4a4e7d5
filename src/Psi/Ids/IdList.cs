using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Psi.Ids;

/// <summary>
/// A party's ids, normalised, none empty and none twice, each with the row it came from. Faults are found here, before
/// anything is sent, and are told by row number, never by id.
/// </summary>
public sealed class IdList
{
    private const int RowsNamed = 5;

    private IdList(string[] ids, int[] sourceRows, int duplicateRows, int emptyRows)
    {
        Ids = ids;
        SourceRows = sourceRows;
        DuplicateRows = duplicateRows;
        EmptyRows = emptyRows;
    }

    /// <summary>The normalised ids, in the order of their rows.</summary>
    public IReadOnlyList<string> Ids { get; }

    /// <summary>For every id the index of its row in the input, from 0.</summary>
    public int[] SourceRows { get; }

    /// <summary>Rows left out because an earlier row has the same normalised id.</summary>
    public int DuplicateRows { get; }

    /// <summary>Rows left out because the id, or a part of it, is empty after normalisation.</summary>
    public int EmptyRows { get; }

    /// <summary>Normalises a column of ids, or several columns that together are the id.</summary>
    /// <param name="columns">One list a column, all of the same length; element i of each belongs to row i.</param>
    /// <param name="spec">
    /// The steps of normalisation, and what to do with rows that cannot be aligned: refuse (also when unspecified), or keep
    /// the first row of each id and leave out the others and those without an id.
    /// </param>
    /// <exception cref="VertFedException">
    /// <see cref="ErrorCode.BadInput"/>: duplicate or empty ids that the spec refuses, an id that is too long or no valid
    /// Unicode text, or too many rows. <see cref="ErrorCode.Usage"/>: the spec is wrong.
    /// </exception>
    /// <exception cref="ArgumentException">No columns, or columns of different lengths.</exception>
    public static IdList Create(IReadOnlyList<IReadOnlyList<string>> columns, AlignSpec spec)
    {
        ArgumentNullException.ThrowIfNull(columns);
        ArgumentNullException.ThrowIfNull(spec);
        if (columns.Count == 0 || columns.Any(column => column.Count != columns[0].Count))
        {
            throw new ArgumentException("Ids come in one or more columns of the same length.", nameof(columns));
        }

        if (!Enum.IsDefined(spec.Duplicates))
        {
            throw PsiError.Spec($"align.duplicates has an unknown value ({(int)spec.Duplicates}).");
        }

        int rows = columns[0].Count;
        if (rows > Limits.MaxRows)
        {
            throw PsiError.Input($"The file has {rows} rows; at most {Limits.MaxRows} are allowed.");
        }

        IdNormaliser normaliser = IdNormaliser.FromSpec(spec);
        List<string> ids = new(rows);
        List<int> sourceRows = new(rows);
        FaultyRows duplicates = new();
        FaultyRows empty = new();
        HashSet<string> seen = new(rows, StringComparer.Ordinal);
        string[] parts = new string[columns.Count];
        for (int row = 0; row < rows; row++)
        {
            for (int c = 0; c < parts.Length; c++)
            {
                parts[c] = columns[c][row];
            }

            string id = Join(normaliser, parts, row);
            if (id.Length == 0)
            {
                empty.Add(row);
            }
            else if (!seen.Add(id))
            {
                duplicates.Add(row);
            }
            else
            {
                ids.Add(id);
                sourceRows.Add(row);
            }
        }

        if (spec.Duplicates != DuplicateIds.KeepFirst && duplicates.Count + empty.Count > 0)
        {
            throw PsiError.Input(
                $"{duplicates.Count} rows repeat the id of an earlier row{duplicates.Names}; {empty.Count} rows have an empty id"
                + $"{empty.Names}. The job refuses such rows (align.duplicates).");
        }

        return new IdList([.. ids], [.. sourceRows], duplicates.Count, empty.Count);
    }

    private static string Join(IdNormaliser normaliser, string[] parts, int row)
    {
        string id;
        try
        {
            id = normaliser.Join(parts);
        }
        catch (ArgumentException exception)
        {
            throw PsiError.Input($"The id of row {row + 1} is not usable: it holds broken Unicode or U+001F.", exception);
        }

        IdText.Check(id, row);
        return id;
    }

    /// <summary>How many rows have a fault, and the first few of them for the message, from 1.</summary>
    private sealed class FaultyRows
    {
        private readonly List<int> _first = [];

        public int Count { get; private set; }

        public string Names => Count == 0
            ? ""
            : $" (row {string.Join(", ", _first)}{(Count > _first.Count ? ", ..." : "")})";

        public void Add(int row)
        {
            Count++;
            if (_first.Count < RowsNamed)
            {
                _first.Add(row + 1);
            }
        }
    }
}
