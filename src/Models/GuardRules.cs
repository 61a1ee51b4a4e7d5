namespace VertFed.Models;

/// <summary>What a guard says.</summary>
public enum GuardVerdict
{
    Pass = 0,

    /// <summary>Stated in the report.</summary>
    Warn = 1,

    /// <summary>Stops the job, unless the spec and both parties accept the risk.</summary>
    Refuse = 2,
}

/// <summary>One rule applied: its name, its limit, the value found and the verdict.</summary>
public sealed record GuardFinding(string Name, double Limit, double Value, GuardVerdict Verdict);

/// <summary>Limits of the guards. A party's policy may tighten them.</summary>
public sealed record GuardLimits
{
    public static GuardLimits Default { get; } = new();

    public double MinRowsPerFeature { get; init; } = 200;

    /// <summary>Of events and of non-events alike.</summary>
    public double MinEventsPerFeature { get; init; } = 10;

    public int MaxIterations { get; init; } = 30;

    /// <summary>Iterations × features may be at most rows divided by this.</summary>
    public double RowsPerIterationAndFeature { get; init; } = 10;

    /// <summary>Rows of the rarer level of a column with two levels.</summary>
    public long MinRowsPerLevel { get; init; } = 50;

    /// <summary>Rows above this leverage are counted.</summary>
    public double HighLeverage { get; init; } = 0.1;

    /// <summary>So many of them are always tolerated …</summary>
    public double HighLeverageRows { get; init; } = 5;

    /// <summary>… and so large a share of all rows.</summary>
    public double HighLeverageShare { get; init; } = 0.001;

    /// <summary>No row may reach this leverage.</summary>
    public double LargestLeverage { get; init; } = 0.5;
}

/// <summary>
/// The guards of disclosure: rules that keep what a party learns from gradients apart from what they tell of single rows. Each is a
/// function of plain numbers. Names are stable: policies and reports use them.
/// </summary>
public static class GuardRules
{
    public const string RowsPerFeatureName = "rows_per_feature";
    public const string EventsPerFeatureName = "events_per_feature";
    public const string NonEventsPerFeatureName = "non_events_per_feature";
    public const string IterationsName = "iterations";
    public const string IterationsTimesFeaturesName = "iterations_times_features";
    public const string RowsPerLevelName = "rows_per_level";
    public const string HighLeverageRowsName = "high_leverage_rows";
    public const string LargestLeverageName = "largest_leverage";
    public const string ClippedRowsName = "clipped_rows";
    public const string IntersectionDifferenceName = "intersection_difference";

    /// <summary>All rules that a party can judge by its own training data.</summary>
    /// <param name="columns">Own training columns.</param>
    /// <param name="labels">Labels 0 and 1 of a logistic job at the label party, else empty.</param>
    /// <param name="maxIterations">The job's bound of iterations.</param>
    public static IReadOnlyList<GuardFinding> Own(
        QuantisedColumns columns, ReadOnlySpan<double> labels, int maxIterations, GuardLimits? limits = null)
    {
        limits ??= GuardLimits.Default;
        int features = columns.HasIntercept ? columns.Count - 1 : columns.Count;
        List<GuardFinding> findings =
        [
            RowsPerFeature(columns.Rows, features, limits),
            Iterations(maxIterations, limits),
            IterationsTimesFeatures(maxIterations, features, columns.Rows, limits),
        ];
        if (!labels.IsEmpty)
        {
            long events = 0;
            foreach (double label in labels)
            {
                events += label == 1 ? 1 : 0;
            }

            findings.AddRange(EventsPerFeature(events, labels.Length - events, features, limits));
        }

        if (RarestLevel(columns) is { } rarest)
        {
            findings.Add(RowsPerLevel(rarest, limits));
        }

        findings.AddRange(LeverageOf(Leverage.Of(columns), limits));
        return findings;
    }

    /// <summary>Training rows per own feature.</summary>
    public static GuardFinding RowsPerFeature(long rows, int features, GuardLimits limits) =>
        AtLeast(RowsPerFeatureName, limits.MinRowsPerFeature, (double)rows / Math.Max(1, features));

    /// <summary>Events and non-events per feature.</summary>
    public static IReadOnlyList<GuardFinding> EventsPerFeature(long events, long nonEvents, int features, GuardLimits limits) =>
    [
        AtLeast(EventsPerFeatureName, limits.MinEventsPerFeature, (double)events / Math.Max(1, features)),
        AtLeast(NonEventsPerFeatureName, limits.MinEventsPerFeature, (double)nonEvents / Math.Max(1, features)),
    ];

    /// <summary>Full-batch gradients that a job may ask for.</summary>
    public static GuardFinding Iterations(int maxIterations, GuardLimits limits) =>
        AtMost(IterationsName, limits.MaxIterations, maxIterations);

    /// <summary>Numbers that cross as gradients, beside the rows that they are sums over.</summary>
    public static GuardFinding IterationsTimesFeatures(int maxIterations, int features, long rows, GuardLimits limits) =>
        AtMost(IterationsTimesFeaturesName, rows / limits.RowsPerIterationAndFeature, (double)maxIterations * features);

    /// <summary>Rows of the rarest level of all columns with two levels.</summary>
    public static GuardFinding RowsPerLevel(long rarest, GuardLimits limits) => AtLeast(RowsPerLevelName, limits.MinRowsPerLevel, rarest);

    /// <summary>Number of rows of high leverage (some: warn, many: refuse) and the largest leverage.</summary>
    public static IReadOnlyList<GuardFinding> LeverageOf(ReadOnlySpan<double> leverages, GuardLimits limits)
    {
        long high = 0;
        double largest = 0;
        foreach (double leverage in leverages)
        {
            high += leverage > limits.HighLeverage ? 1 : 0;
            largest = Math.Max(largest, leverage);
        }

        double tolerated = Math.Max(limits.HighLeverageRows, limits.HighLeverageShare * leverages.Length);
        GuardVerdict verdict = high > tolerated ? GuardVerdict.Refuse : high > 0 ? GuardVerdict.Warn : GuardVerdict.Pass;
        return
        [
            new GuardFinding(HighLeverageRowsName, tolerated, high, verdict),
            new GuardFinding(
                LargestLeverageName, limits.LargestLeverage, largest, largest >= limits.LargestLeverage ? GuardVerdict.Refuse : GuardVerdict.Pass),
        ];
    }

    /// <summary>Rows whose score was clipped in the last round: any number warns.</summary>
    public static GuardFinding ClippedRows(long clipped) =>
        new(ClippedRowsName, 0, clipped, clipped > 0 ? GuardVerdict.Warn : GuardVerdict.Pass);

    /// <summary>
    /// Rows by which this job's intersection differs from an earlier one's with the same peer: none is the same job again, a few would tell
    /// those few rows' part of the gradient.
    /// </summary>
    /// <param name="leastDifference">k of the party's policy.</param>
    public static GuardFinding IntersectionDifference(long difference, long leastDifference) =>
        new(
            IntersectionDifferenceName,
            leastDifference,
            difference,
            difference > 0 && difference < leastDifference ? GuardVerdict.Refuse : GuardVerdict.Pass);

    /// <summary>Rows of the rarest level among columns with exactly two values; null where there is none.</summary>
    private static long? RarestLevel(QuantisedColumns columns)
    {
        long? rarest = null;
        int features = columns.HasIntercept ? columns.Count - 1 : columns.Count;
        for (int j = 0; j < features; j++)
        {
            ReadOnlySpan<int> column = columns[j];
            int other = column.IndexOfAnyExcept(column[0]);
            if (other < 0 || column[other..].IndexOfAnyExcept(column[0], column[other]) >= 0)
            {
                continue;
            }

            long count = column.Count(column[0]);
            count = Math.Min(count, column.Length - count);
            rarest = Math.Min(rarest ?? long.MaxValue, count);
        }

        return rarest;
    }

    private static GuardFinding AtLeast(string name, double limit, double value) =>
        new(name, limit, value, value >= limit ? GuardVerdict.Pass : GuardVerdict.Refuse);

    private static GuardFinding AtMost(string name, double limit, double value) =>
        new(name, limit, value, value <= limit ? GuardVerdict.Pass : GuardVerdict.Refuse);
}
