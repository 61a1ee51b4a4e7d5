using System.Text.Json;
using VertFed.Load.Programs;
using VertFed.Protocol.V1;

namespace VertFed.Load.Measures;

/// <summary>Batch scoring by three processes, from the submission to the file of scores, by phase. Scoring encrypts nothing homomorphically: after the alignment the
/// feature party's sums cross, sealed.</summary>
internal static class ScoreMeasure
{
    private const int Columns = 5;

    public static async Task TakeAsync(Run run)
    {
        int[] sizes = run.Of([1_000, 10_000, 100_000], new[] { 250 });
        await using LoadDeployment deployment = await LoadDeployment.StartAsync(run.Of(4_000, 800), Columns, sizes, run.Ended);
        JobCost trained = await deployment.RunAsync(change: null, run.Ended);
        ResultTable table = run.Table(
            "score",
            FormattableString.Invariant($"Scoring {Columns} + {Columns} columns, four fifths of the rows shared, by three processes: alignment (PSI), scores (binding, shares and sums), and the rest (session, reading both files, writing the scores):"),
            "rows a party", "scored", "total s", "alignment s", "scores s", "the rest s", "processor s, all three", "rows/s", "rows/s of the scores", "alignment bytes", "scores bytes");
        foreach (int rows in sizes)
        {
            JobCost cost = await deployment.RunAsync(
                spec =>
                {
                    spec.Kind = JobKind.Score;
                    spec.Train = null;
                    spec.Holdout = 0;
                    spec.Dataset = LoadDeployment.DatasetOf(rows);
                    spec.Score = new ScoreSpec { Model = trained.Job };
                },
                run.Ended);
            JsonElement align = cost.Report.GetProperty("align"), score = cost.Report.GetProperty("score");
            int scored = score.GetProperty("scored").GetInt32();
            MeasureException.Require(scored == rows - (rows / 5), $"{scored} of {rows} rows were scored");
            double aligning = align.GetProperty("seconds").GetDouble(), scoring = score.GetProperty("seconds").GetDouble();
            table.Add(
                rows, scored, cost.Seconds, aligning, scoring, cost.Seconds - aligning - scoring, cost.Processor, rows / cost.Seconds, scored / Math.Max(scoring, 0.001),
                align.GetProperty("bytes").GetInt64(), score.GetProperty("bytes").GetInt64());
        }
    }
}
