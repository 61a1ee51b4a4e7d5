namespace VertFed.PartyNode.Profiling;

/// <summary>What a column holds.</summary>
/// <param name="Use">id, label or feature.</param>
/// <param name="Kind">numeric or categorical; ids are text.</param>
/// <param name="Missing">Cells that count as missing.</param>
/// <param name="Distinct">Different values, or null where there are more than <see cref="ColumnProfiler.DistinctLimit"/>.</param>
public sealed record ColumnProfile(string Name, string Use, string Kind, long Rows, long Missing, int? Distinct)
{
    /// <summary>Null for a column without numbers.</summary>
    public NumberSummary? Numbers { get; init; }

    /// <summary>Null for a column that is not categorical.</summary>
    public LevelSummary? Levels { get; init; }

    /// <summary>In a numeric column: cells that are no finite number, and the position of the first; a job would be refused.</summary>
    public (long Count, long First)? NotNumbers { get; init; }
}

/// <summary>Of the finite numbers of a column.</summary>
/// <param name="Quantiles">At 1, 5, 25, 50, 75, 95 and 99 per cent: of ranked values the nearest.</param>
/// <param name="Sampled">The quantiles are of a random sample of <see cref="ColumnProfiler.SampleSize"/> values.</param>
public sealed record NumberSummary(double Minimum, double Maximum, double Mean, IReadOnlyList<double> Quantiles, bool Sampled);

/// <summary>The most frequent levels of a column.</summary>
/// <param name="Top">Levels and their rows, most frequent first.</param>
/// <param name="RareLevels">Levels with too few rows to be shown.</param>
/// <param name="RareRows">Their rows together.</param>
/// <param name="UnshownLevels">Levels below the top ones.</param>
public sealed record LevelSummary(IReadOnlyList<(string Level, long Rows)> Top, int RareLevels, long RareRows, int UnshownLevels);

/// <summary>A source at a glance.</summary>
/// <param name="Format">How it was read.</param>
/// <param name="DuplicateIds">Rows whose id an earlier row has, as the ids stand; null where there were too many rows to tell.</param>
public sealed record SourceProfile(string Dataset, string Source, string Format, long Rows, long? DuplicateIds, long EmptyIds, IReadOnlyList<ColumnProfile> Columns);
