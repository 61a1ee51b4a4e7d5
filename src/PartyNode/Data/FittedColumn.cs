using VertFed.Models;

namespace VertFed.PartyNode.Data;

/// <summary>What a source column becomes, with everything that was learnt from the aligned training rows.</summary>
public abstract record FittedColumn(string Source)
{
    /// <summary>Names of the columns that it is encoded into, in their order.</summary>
    public abstract IReadOnlyList<string> Names { get; }

    /// <summary>Names of columns that were left out because they have one value in all training rows.</summary>
    public IReadOnlyList<string> Dropped { get; init; } = [];

    /// <summary>How the source column of new rows is to be read.</summary>
    public abstract ColumnDeclaration Declaration { get; }

    /// <summary>Encodes rows, training rows or new ones.</summary>
    /// <param name="unseen">Rows of what training did not meet and no column stands for: a level, which is encoded like the reference level,
    /// or a missing value, which is encoded like that or as the mean.</param>
    /// <param name="marks">[row]: set where the row is one of those; null where nobody asks which.</param>
    internal abstract double[][] Encode(RawColumn raw, InputErrors errors, bool[]? marks, out int unseen);

    private protected static void Mark(bool[]? marks, int row)
    {
        if (marks is not null)
        {
            marks[row] = true;
        }
    }
}

/// <summary>A number, with what stands in for missing ones.</summary>
/// <param name="Fill">With <see cref="MissingRule.Mean"/> the mean of the training rows, with <see cref="MissingRule.Constant"/> the declared number.</param>
/// <param name="HasIndicator">A second column holds 1 where the value was missing, else 0.</param>
public sealed record FittedNumeric(string Source, MissingRule Missing, double Fill, bool HasIndicator) : FittedColumn(Source)
{
    public override IReadOnlyList<string> Names => HasIndicator ? [Source, ColumnEncoder.MissingName(Source)] : [Source];

    public override ColumnDeclaration Declaration => new() { Kind = ColumnKind.Numeric, Missing = Missing, Constant = Fill };

    /// <param name="train">Indices of the training rows.</param>
    internal static FittedNumeric Fit(NumericColumn column, ColumnDeclaration declared, int[] train, InputErrors errors)
    {
        if (declared.Missing != MissingRule.Mean)
        {
            return new FittedNumeric(column.Name, declared.Missing, declared.Constant, HasIndicator: false);
        }

        double[] known = [.. train.Select(row => column.Values[row]).Where(value => !double.IsNaN(value))];
        if (known.Length == 0)
        {
            throw errors.NoTrainingValue(column.Name);
        }

        double mean = Reductions.Sum(known) / known.Length;
        bool indicator = known.Length < train.Length;
        return double.IsFinite(mean)
            ? new FittedNumeric(column.Name, MissingRule.Mean, mean, indicator) { Dropped = indicator ? [] : [ColumnEncoder.MissingName(column.Name)] }
            : throw errors.SumNotFinite(column.Name);
    }

    internal override double[][] Encode(RawColumn raw, InputErrors errors, bool[]? marks, out int unseen)
    {
        double[] values = ((NumericColumn)raw).Values;
        unseen = 0;
        if (Missing == MissingRule.Refuse)
        {
            return Array.Exists(values, double.IsNaN) ? throw errors.MissingInModel(Source) : [values];
        }

        if (Missing == MissingRule.Mean && !HasIndicator)
        {
            // Training had none missing: no coefficient tells what that means, as one would with an indicator.
            for (int row = 0; row < values.Length; row++)
            {
                if (double.IsNaN(values[row]))
                {
                    unseen++;
                    Mark(marks, row);
                }
            }
        }

        double[] filled = Array.ConvertAll(values, value => double.IsNaN(value) ? Fill : value);
        return HasIndicator ? [filled, Array.ConvertAll(values, value => double.IsNaN(value) ? 1.0 : 0.0)] : [filled];
    }
}

/// <summary>Words, one column of 0 and 1 a level but for the reference level.</summary>
/// <param name="Reference">The level without a column; null where no level was kept: beside a column for missing values, all levels together
/// are what it is compared with.</param>
/// <param name="Levels">Levels with a column, in ordinal order.</param>
/// <param name="HasOther">A column stands for every other level.</param>
/// <param name="HasMissing">A column stands for missing values.</param>
public sealed record FittedCategorical(
    string Source, MissingRule Missing, string? Reference, IReadOnlyList<string> Levels, bool HasOther, bool HasMissing) : FittedColumn(Source)
{
    public override IReadOnlyList<string> Names =>
    [
        .. Levels.Select(level => ColumnEncoder.LevelName(Source, level)),
        .. HasOther ? [ColumnEncoder.OtherName(Source)] : Array.Empty<string>(),
        .. HasMissing ? [ColumnEncoder.MissingName(Source)] : Array.Empty<string>(),
    ];

    public override ColumnDeclaration Declaration => new() { Kind = ColumnKind.Categorical, Missing = Missing, Reference = Reference, Levels = Levels };

    /// <param name="train">Indices of the training rows.</param>
    internal static FittedCategorical Fit(CategoricalColumn column, ColumnDeclaration declared, int[] train, InputErrors errors)
    {
        Dictionary<string, int> counts = Count(column, train, out int missing);
        List<string> kept =
        [
            .. ((IEnumerable<string>?)declared.Levels ?? counts.Keys).Where(level =>
                level == declared.Reference || counts.GetValueOrDefault(level) is var rows && (rows == 0 || rows >= declared.MinimumRows)),
        ];
        kept.Sort(StringComparer.Ordinal);
        if (declared.Reference is { } wanted && counts.GetValueOrDefault(wanted) == 0)
        {
            throw errors.NoReferenceRows(column.Name);
        }

        // Sorted by name before: of equally frequent levels it is the first.
        string? reference = declared.Reference ?? kept.Where(level => counts.GetValueOrDefault(level) > 0).MaxBy(level => counts[level]);
        kept.Remove(reference!);
        int inKept = kept.Sum(level => counts.GetValueOrDefault(level)) + (reference is null ? 0 : counts[reference]);
        int other = train.Length - missing - inKept;
        string[] levels = [.. kept.Where(level => counts.GetValueOrDefault(level) > 0)];
        if (levels.Length > ColumnEncoder.MaxLevels)
        {
            throw errors.TooManyUsedLevels(column.Name, ColumnEncoder.MaxLevels);
        }

        bool hasMissing = missing > 0 && missing < train.Length;

        // Without a reference level (other) and (missing) would add up to 1 in every row, as the intercept does, and no coefficient
        // of the three would be determined: (other) is the reference then.
        bool hasOther = other > 0 && other < train.Length && reference is not null;
        return new FittedCategorical(column.Name, declared.Missing, reference, levels, hasOther, hasMissing)
        {
            Dropped =
            [
                .. kept.Except(levels, StringComparer.Ordinal).Select(level => ColumnEncoder.LevelName(column.Name, level)),
                .. hasOther ? Array.Empty<string>() : [ColumnEncoder.OtherName(column.Name)],
                .. hasMissing || declared.Missing != MissingRule.Level ? Array.Empty<string>() : [ColumnEncoder.MissingName(column.Name)],
            ],
        };
    }

    internal override double[][] Encode(RawColumn raw, InputErrors errors, bool[]? marks, out int unseen)
    {
        CategoricalColumn column = (CategoricalColumn)raw;
        int other = HasOther ? Levels.Count : Reference is null && HasMissing ? -2 : -1;
        int missing = HasMissing ? Levels.Count + (HasOther ? 1 : 0) : -1;
        int[] target = Array.ConvertAll(column.Levels, level => IndexOf(level) is >= 0 and int index ? index : level == Reference ? -2 : other);
        double[][] encoded = [.. Names.Select(_ => new double[column.Rows])];
        unseen = 0;
        for (int row = 0; row < column.Rows; row++)
        {
            int code = column.Codes[row];
            if (code == CategoricalColumn.Missing && Missing == MissingRule.Refuse)
            {
                throw errors.MissingInModel(Source);
            }

            int index = code == CategoricalColumn.Missing ? missing : target[code];
            if (index >= 0)
            {
                encoded[index][row] = 1;
            }

            if (index == -1)
            {
                unseen++;
                Mark(marks, row);
            }
        }

        return encoded;
    }

    private static Dictionary<string, int> Count(CategoricalColumn column, int[] train, out int missing)
    {
        int[] byCode = new int[column.Levels.Length];
        missing = 0;
        foreach (int row in train)
        {
            if (column.IsMissing(row))
            {
                missing++;
            }
            else
            {
                byCode[column.Codes[row]]++;
            }
        }

        Dictionary<string, int> counts = new(StringComparer.Ordinal);
        for (int code = 0; code < byCode.Length; code++)
        {
            if (byCode[code] > 0)
            {
                counts[column.Levels[code]] = byCode[code];
            }
        }

        return counts;
    }

    private int IndexOf(string level)
    {
        for (int i = 0; i < Levels.Count; i++)
        {
            if (string.Equals(Levels[i], level, StringComparison.Ordinal))
            {
                return i;
            }
        }

        return -1;
    }
}
