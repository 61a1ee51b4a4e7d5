using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>A table's features as numbers.</summary>
/// <param name="Names">Column names, as the coefficients have them.</param>
/// <param name="Columns">[column][row], finite. A numeric column without missing values is the raw one, not a copy.</param>
/// <param name="Unseen">By source column, where there are any: rows whose level no column stands for. They are encoded like the reference level.</param>
public sealed record EncodedColumns(string[] Names, double[][] Columns, IReadOnlyDictionary<string, int> Unseen);

/// <summary>
/// Turns a party's declared columns into the numbers that a model is fitted to: missing numbers filled, levels as columns of 0 and 1
/// (Hastie, Tibshirani and Friedman 2009, section 4.2: one fewer than there are levels). What it needs to know is learnt from the aligned
/// training rows alone and is kept with the model, so that new rows are encoded in the same way.
/// </summary>
/// <remarks>The same rows give the same encoder, bit for bit, on every machine: levels are in ordinal order, sums in the fixed order of
/// <see cref="Models.Reductions"/>.</remarks>
public sealed class ColumnEncoder
{
    /// <summary>Most levels of a column that get a column each.</summary>
    public const int MaxLevels = 256;

    /// <summary>Most different words in a column whose levels are named or have a least number of rows.</summary>
    public const int MaxRawLevels = 65_536;

    /// <summary>Longest level, in bytes of UTF-8.</summary>
    public const int LongestLevelBytes = 200;

    private const string Other = "(other)";
    private const string Missing = "(missing)";

    internal ColumnEncoder(IReadOnlyList<FittedColumn> sources)
    {
        Sources = sources;
        Names = [.. sources.SelectMany(source => source.Names)];
        Dropped = [.. sources.SelectMany(source => source.Dropped)];
    }

    /// <summary>The source columns in their order.</summary>
    public IReadOnlyList<FittedColumn> Sources { get; }

    /// <summary>Names of the encoded columns in their order: a numeric column's own, then "column=(missing)"; "column=level" for a level.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Names of encoded columns that were left out because they have one value in all aligned training rows.</summary>
    public IReadOnlyList<string> Dropped { get; }

    /// <summary>Whether encoding changes nothing: plain numbers only.</summary>
    public bool IsIdentity => Sources.All(source => source is FittedNumeric { Missing: MissingRule.Refuse });

    /// <summary>The encoder of columns that are plain numbers.</summary>
    public static ColumnEncoder Plain(IReadOnlyList<string> columns) =>
        new([.. columns.Select(name => new FittedNumeric(name, MissingRule.Refuse, Fill: 0, HasIndicator: false))]);

    /// <summary>Learns means, levels and reference levels from the aligned training rows.</summary>
    /// <param name="aligned">The features, in the joint order.</param>
    /// <param name="isTest">[row]: not to be learnt from.</param>
    /// <param name="source">Names the source in errors.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming the column: nothing to learn a mean from, too many
    /// levels, a reference level without rows, a name that is taken, or no column that is left.</exception>
    public static ColumnEncoder Fit(IReadOnlyList<RawColumn> aligned, bool[] isTest, DatasetOptions options, string source)
    {
        InputErrors errors = new(source);
        int[] train = [.. Enumerable.Range(0, isTest.Length).Where(row => !isTest[row])];
        List<FittedColumn> fitted = [];
        foreach (RawColumn column in aligned)
        {
            ColumnDeclaration declared = options.Declared(column.Name);
            fitted.Add(column is NumericColumn numeric
                ? FittedNumeric.Fit(numeric, declared, train, errors)
                : FittedCategorical.Fit((CategoricalColumn)column, declared, train, errors));
        }

        RequireUniqueNames(fitted, errors);
        ColumnEncoder encoder = new(fitted);
        return encoder.Names.Count switch
        {
            0 => throw errors.NothingToLearnFrom(),
            > Limits.MaxColumns => throw errors.TooManyColumns(encoder.Names.Count, Limits.MaxColumns),
            _ => encoder,
        };
    }

    /// <summary>Encodes aligned rows: those that it learnt from, or new ones for the model to score.</summary>
    /// <param name="aligned">Must have every source column, by name, of the kind that it was learnt from; others are ignored.</param>
    /// <param name="source">Names the source in errors.</param>
    /// <param name="marks">[row]: set where <see cref="EncodedColumns.Unseen"/> counts the row; null where nobody asks which.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: a column is missing or of another kind, or has missing values
    /// that were refused in training.</exception>
    public EncodedColumns Encode(IReadOnlyList<RawColumn> aligned, string source, bool[]? marks = null)
    {
        InputErrors errors = new(source);
        Dictionary<string, RawColumn> raw = aligned.ToDictionary(column => column.Name, StringComparer.Ordinal);
        List<double[]> columns = [];
        Dictionary<string, int> unseen = new(StringComparer.Ordinal);
        foreach (FittedColumn fitted in Sources)
        {
            if (!raw.TryGetValue(fitted.Source, out RawColumn? column))
            {
                throw errors.NotInModel(fitted.Source);
            }

            if (column.Kind != (fitted is FittedNumeric ? ColumnKind.Numeric : ColumnKind.Categorical))
            {
                throw errors.OtherKind(fitted.Source);
            }

            columns.AddRange(fitted.Encode(column, errors, marks, out int rows));
            if (rows > 0)
            {
                unseen[fitted.Source] = rows;
            }
        }

        return new EncodedColumns([.. Names], [.. columns], unseen);
    }

    internal static string LevelName(string column, string level) => $"{column}={level}";

    internal static string OtherName(string column) => LevelName(column, Other);

    internal static string MissingName(string column) => LevelName(column, Missing);

    /// <summary>Why a text cannot be a level, or null.</summary>
    internal static string? ObjectionToLevel(ReadOnlySpan<char> level)
    {
        if (level is Other or Missing)
        {
            return $"is '{Other}' or '{Missing}', which are reserved";
        }

        foreach (char c in level)
        {
            if (char.IsControl(c))
            {
                return "holds a control character";
            }
        }

        return null;
    }

    private static void RequireUniqueNames(List<FittedColumn> fitted, InputErrors errors)
    {
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (FittedColumn column in fitted)
        {
            foreach (string name in column.Names.Concat(column.Dropped))
            {
                if (!names.Add(name))
                {
                    throw errors.NameTaken(column.Source);
                }
            }
        }
    }
}
