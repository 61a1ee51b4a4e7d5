namespace VertFed.Horizontal.Learning;

/// <summary>
/// Labelled rows: features row-major (a row is what every step reads), labels one a row. A view names the rows it has, so a thousand
/// simulated clients share one table.
/// </summary>
public sealed class Examples
{
    private readonly double[] _features;
    private readonly double[] _labels;
    private readonly int[] _rows;

    private Examples(double[] features, double[] labels, int[] rows, int width)
    {
        _features = features;
        _labels = labels;
        _rows = rows;
        Features = width;
    }

    /// <param name="features">Row-major, labels.Length × width, all finite; kept, not copied.</param>
    /// <param name="labels">One for each row, finite; kept, not copied.</param>
    /// <param name="width">Features of a row, at least 1.</param>
    /// <exception cref="HorizontalException">The shapes do not match, or a number is not finite.</exception>
    public static Examples FromRows(double[] features, double[] labels, int width)
    {
        Throw.Invalid(width < 1, "A row has at least one feature.");
        Throw.Invalid(features.LongLength != labels.LongLength * width, $"{labels.Length} rows of {width} features are {(long)labels.Length * width} numbers, not {features.Length}.");
        Throw.IfNotFinite(features, "A feature column");
        Throw.IfNotFinite(labels, "The label column");
        int[] rows = new int[labels.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i] = i;
        }

        return new Examples(features, labels, rows, width);
    }

    /// <summary>Rows of this view.</summary>
    public int Count => _rows.Length;

    /// <summary>Features of a row.</summary>
    public int Features { get; }

    /// <summary>The features of the view's row i, length <see cref="Features"/>.</summary>
    public ReadOnlySpan<double> Row(int i) => _features.AsSpan(_rows[i] * Features, Features);

    /// <summary>The label of the view's row i.</summary>
    public double Label(int i) => _labels[_rows[i]];

    /// <summary>All labels of the view, in a new array.</summary>
    public double[] Labels()
    {
        double[] labels = new double[Count];
        for (int i = 0; i < labels.Length; i++)
        {
            labels[i] = Label(i);
        }

        return labels;
    }

    /// <summary>A view of some of this view's rows, in the given order.</summary>
    /// <exception cref="HorizontalException">A row that this view does not have.</exception>
    public Examples Take(ReadOnlySpan<int> rows)
    {
        int[] own = new int[rows.Length];
        for (int i = 0; i < own.Length; i++)
        {
            Throw.Invalid((uint)rows[i] >= (uint)_rows.Length, "A view cannot take a row that is not there.");
            own[i] = _rows[rows[i]];
        }

        return new Examples(_features, _labels, own, Features);
    }

    /// <summary>The same rows with other labels (for tests of poisoning, and for distillation).</summary>
    /// <exception cref="HorizontalException">Another number of labels, or one that is not finite.</exception>
    public Examples WithLabels(ReadOnlySpan<double> labels)
    {
        Throw.Invalid(labels.Length != Count, "There has to be one label a row.");
        double[] features = new double[Count * Features];
        for (int i = 0; i < Count; i++)
        {
            Row(i).CopyTo(features.AsSpan(i * Features));
        }

        return FromRows(features, labels.ToArray(), Features);
    }
}
