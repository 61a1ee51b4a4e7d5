using VertFed.Horizontal.Learning;
using VertFed.PartyNode.Data;
using VertFed.Protocol;

namespace VertFed.PartyNode.Rounds;

/// <summary>The model on the rows of one level.</summary>
internal sealed record LevelMeasure(string Level, Evaluation Measured);

/// <summary>
/// A party's rows by the levels of the categorical column that a job's report_by names, so that a model which serves one group badly shows it. Only levels
/// that the operator has declared are named, and no number is told of fewer than <see cref="FewestRows"/> rows.
/// </summary>
/// <param name="Levels">The declared levels.</param>
/// <param name="Train">[training row]: place of its level, or the number of levels for any other value.</param>
/// <param name="Test">[test row]: the same.</param>
internal sealed record RowGroups(IReadOnlyList<string> Levels, int[] Train, int[] Test)
{
    /// <summary>A level with fewer rows is not measured by itself.</summary>
    public const int FewestRows = 20;

    /// <summary>All other values, and levels of too few rows, together.</summary>
    public const string Other = "(other)";

    /// <summary>What a job's report_by needs, before the offer is answered.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: no such column, or none that has declared levels.</exception>
    public static void Check(IReadOnlyList<RawColumn> columns, DatasetOptions dataset, JobSpecification job)
    {
        if (job.Horizontal?.ReportBy is { } name && (!columns.Any(column => column.Name == name && column is CategoricalColumn) || dataset.Declared(name).Levels is null))
        {
            throw new VertFedException(ErrorCode.Refused, "the job's report_by names no categorical column with declared levels here") { Field = "horizontal.report_by" };
        }
    }

    /// <summary>Null where the job names no column.</summary>
    /// <exception cref="VertFedException">As <see cref="Check"/>.</exception>
    public static RowGroups? Of(IReadOnlyList<RawColumn> columns, DatasetOptions dataset, JobSpecification job, bool[] isTest)
    {
        if (job.Horizontal?.ReportBy is not { } name)
        {
            return null;
        }

        Check(columns, dataset, job);
        CategoricalColumn column = (CategoricalColumn)columns.Single(column => column.Name == name);
        string[] levels = [.. dataset.Declared(name).Levels!];
        int[] places = [.. column.Levels.Select(level => Array.IndexOf(levels, level)).Select(place => place < 0 ? levels.Length : place)];
        int[] all = [.. column.Codes.Select(code => code == CategoricalColumn.Missing ? levels.Length : places[code])];
        return new RowGroups(levels, [.. all.Where((_, row) => !isTest[row])], [.. all.Where((_, row) => isTest[row])]);
    }

    /// <summary>
    /// Measures by level. Small levels are put together, with the smallest of the others if they are too few even so: whoever takes the levels from the whole
    /// is left with <see cref="FewestRows"/> rows or none.
    /// </summary>
    /// <param name="rows">The training or the test rows, scaled.</param>
    /// <param name="levels">[row]: as <see cref="Train"/> or <see cref="Test"/>.</param>
    public IReadOnlyList<LevelMeasure> Measure(FederatedModel model, ReadOnlySpan<double> parameters, Examples rows, int[] levels)
    {
        List<(string Level, int[] Rows)> told = [.. Levels.Select((level, place) => (level, PlacesOf(levels, place))).Where(one => one.Item2.Length > 0)];
        int[] rest = PlacesOf(levels, Levels.Count);
        foreach ((string Level, int[] Rows) small in told.Where(one => one.Rows.Length < FewestRows).ToArray())
        {
            rest = [.. rest, .. small.Rows];
            told.Remove(small);
        }

        if (rest.Length is > 0 and < FewestRows && told.Count > 0)
        {
            (string Level, int[] Rows) smallest = told.MinBy(one => one.Rows.Length);
            rest = [.. rest, .. smallest.Rows];
            told.Remove(smallest);
        }

        if (rest.Length >= FewestRows)
        {
            told.Add((Other, rest));
        }

        List<LevelMeasure> measures = [];
        foreach ((string level, int[] of) in told)
        {
            measures.Add(new LevelMeasure(level, Evaluation.Of(model, parameters, rows.Take(of))));
        }

        return measures;
    }

    private static int[] PlacesOf(int[] levels, int place) => [.. Enumerable.Range(0, levels.Length).Where(row => levels[row] == place)];
}
