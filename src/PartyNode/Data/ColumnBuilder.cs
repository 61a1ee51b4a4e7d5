using System.Text;

namespace VertFed.PartyNode.Data;

/// <summary>Collects one feature's cells while the rows go by.</summary>
internal abstract class ColumnBuilder(int position)
{
    /// <summary>The column's place in the source.</summary>
    public int Position { get; } = position;

    public abstract void Add(CellReader cells);

    /// <summary>The column; the builder is used up.</summary>
    public abstract RawColumn Build(string name);

    public static ColumnBuilder Of(int position, ColumnDeclaration declared) => declared.Kind == ColumnKind.Numeric
        ? new NumericBuilder(position, declared.Missing == MissingRule.Refuse)
        : new CategoricalBuilder(position, declared);
}

internal sealed class NumericBuilder(int position, bool refuseMissing) : ColumnBuilder(position)
{
    private readonly PagedColumn<double> _values = new();

    public override void Add(CellReader cells) => _values.Add(cells.Number(Position, refuseMissing));

    public override RawColumn Build(string name) => new NumericColumn(name, _values.ToArray());
}

internal sealed class CategoricalBuilder : ColumnBuilder
{
    private readonly int _mostLevels;
    private readonly bool _refuseMissing;
    private readonly PagedColumn<int> _codes = new();
    private readonly List<string> _levels = [];
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _known;
    private readonly char[] _text = new char[ColumnEncoder.LongestLevelBytes];

    public CategoricalBuilder(int position, ColumnDeclaration declared)
        : base(position)
    {
        // What is declared bounds the columns; the words are all kept all the same, for the commitment to the rows covers them.
        _mostLevels = declared.Levels is null && declared.MinimumRows == 1 ? ColumnEncoder.MaxLevels : ColumnEncoder.MaxRawLevels;
        _refuseMissing = declared.Missing == MissingRule.Refuse;
        _known = new Dictionary<string, int>(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public override void Add(CellReader cells)
    {
        ReadOnlySpan<byte> cell = cells.Level(Position, _refuseMissing, out bool missing);
        if (missing)
        {
            _codes.Add(CategoricalColumn.Missing);
            return;
        }

        ReadOnlySpan<char> text = _text.AsSpan(0, Encoding.UTF8.GetChars(cell, _text));
        if (!_known.TryGetValue(text, out int code))
        {
            code = _levels.Count;
            cells.RequireNewLevel(Position, text, code, _mostLevels);
            string level = text.ToString();
            _levels.Add(level);
            _known[level] = code;
        }

        _codes.Add(code);
    }

    public override RawColumn Build(string name) => new CategoricalColumn(name, _codes.ToArray(), [.. _levels]);
}
