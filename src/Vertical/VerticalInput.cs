namespace VertFed.Vertical;

/// <summary>One party's aligned data: row i is the same customer at both parties.</summary>
public sealed class VerticalInput
{
    /// <param name="columns">Feature names, d of them.</param>
    /// <param name="features">d arrays of one value an aligned row, finite, in own units.</param>
    /// <param name="labels">The label party's y, one an aligned row; null at the feature party.</param>
    /// <param name="isTest">Which aligned rows belong to the test set.</param>
    /// <exception cref="ArgumentException">Lengths differ.</exception>
    public VerticalInput(string[] columns, double[][] features, double[]? labels, bool[] isTest)
    {
        if (columns.Length != features.Length || features.Any(column => column.Length != isTest.Length)
            || (labels is not null && labels.Length != isTest.Length))
        {
            throw new ArgumentException("Columns, features, labels and test marks must have matching lengths.", nameof(features));
        }

        (Columns, Features, Labels, IsTest) = (columns, features, labels, isTest);
    }

    public string[] Columns { get; }

    public double[][] Features { get; }

    public double[]? Labels { get; }

    public bool[] IsTest { get; }

    /// <summary>The values of the rows that are (or are not) in the test set, in aligned order.</summary>
    public double[] Select(double[] values, bool test)
    {
        double[] selected = new double[IsTest.Count(t => t == test)];
        int next = 0;
        for (int i = 0; i < values.Length; i++)
        {
            if (IsTest[i] == test)
            {
                selected[next++] = values[i];
            }
        }

        return selected;
    }
}
