using VertFed.Horizontal.Learning;
using VertFed.Protocol;

namespace VertFed.Cli.Simulate;

/// <summary>How the model does on the test rows that have one value of a declared column. Numbers that do not exist are null.</summary>
internal sealed record GroupScore(double Value, int Rows, double? Score, double? Accuracy, double? Loss);

/// <summary>Scores by the values of a declared column, such as a sex or a region, so that a model that serves one group badly shows it.</summary>
internal static class GroupScores
{
    private const int MostGroups = 50;

    /// <summary>Whether a column groups people, before anything is trained.</summary>
    /// <exception cref="VertFedException">It has too many values.</exception>
    public static void Check(SimulationTable table, int column)
    {
        int values = Enumerable.Range(0, table.Rows.Count).Select(row => table.Rows.Row(row)[column]).Distinct().Count();
        if (values > MostGroups)
        {
            throw new VertFedException(ErrorCode.Usage, $"Column '{table.Names[column]}' of {table.Path} has {values} values; --by takes a column of at most {MostGroups}.");
        }
    }

    /// <param name="model">The model's shape.</param>
    /// <param name="parameters">Its final parameters.</param>
    /// <param name="test">The test rows, scaled.</param>
    /// <param name="raw">The same rows as in the file.</param>
    /// <param name="column">The declared column.</param>
    public static IReadOnlyList<GroupScore> Of(FederatedModel model, double[] parameters, Examples test, Examples raw, int column)
    {
        IGrouping<double, int>[] groups = [.. Enumerable.Range(0, raw.Count).GroupBy(row => raw.Row(row)[column]).OrderBy(static group => group.Key)];
        return
        [
            .. groups.Select(group =>
            {
                Evaluation found = Evaluation.Of(model, parameters, test.Take([.. group]));
                return new GroupScore(group.Key, found.Rows, Finite(found.Score), Finite(found.Accuracy), Finite(found.Loss));
            }),
        ];
    }

    private static double? Finite(double value) => double.IsFinite(value) ? value : null;
}
