using System.Text;

namespace VertFed.PartyNode.Data;

/// <summary>A feature as it stands in the source; missing values are marked, not filled in.</summary>
public abstract class RawColumn(string name)
{
    public string Name { get; } = name;

    public abstract ColumnKind Kind { get; }

    public abstract int Rows { get; }

    public abstract bool IsMissing(int row);

    /// <summary>These rows, in this order.</summary>
    public abstract RawColumn Take(int[] rows);

    private protected static T[] Gather<T>(T[] values, int[] rows)
    {
        T[] taken = new T[rows.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            taken[i] = values[rows[i]];
        }

        return taken;
    }
}

/// <summary>Numbers: finite, or NaN where the value is missing.</summary>
public sealed class NumericColumn(string name, double[] values) : RawColumn(name)
{
    /// <summary>[row].</summary>
    public double[] Values { get; } = values;

    public override ColumnKind Kind => ColumnKind.Numeric;

    public override int Rows => Values.Length;

    public override bool IsMissing(int row) => double.IsNaN(Values[row]);

    public override RawColumn Take(int[] rows) => new NumericColumn(Name, Gather(Values, rows));
}

/// <summary>Words from a dictionary.</summary>
public sealed class CategoricalColumn : RawColumn
{
    /// <summary>The code of a missing value.</summary>
    public const int Missing = -1;

    private readonly byte[][] _texts;

    /// <param name="codes">[row]: index into <paramref name="levels"/>, or <see cref="Missing"/>.</param>
    /// <param name="levels">The dictionary, in the order of first appearance.</param>
    public CategoricalColumn(string name, int[] codes, string[] levels)
        : this(name, codes, levels, Array.ConvertAll(levels, Encoding.UTF8.GetBytes))
    {
    }

    private CategoricalColumn(string name, int[] codes, string[] levels, byte[][] texts)
        : base(name) => (Codes, Levels, _texts) = (codes, levels, texts);

    public int[] Codes { get; }

    public string[] Levels { get; }

    public override ColumnKind Kind => ColumnKind.Categorical;

    public override int Rows => Codes.Length;

    public override bool IsMissing(int row) => Codes[row] == Missing;

    /// <summary>A row's level as UTF-8; not to be asked for where it is missing.</summary>
    public ReadOnlySpan<byte> Text(int row) => _texts[Codes[row]];

    public override RawColumn Take(int[] rows) => new CategoricalColumn(Name, Gather(Codes, rows), Levels, _texts);
}
