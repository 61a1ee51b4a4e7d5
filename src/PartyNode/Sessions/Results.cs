using VertFed.Protocol;
using VertFed.Vertical;

namespace VertFed.PartyNode.Sessions;

/// <summary>A session's result as the values that ResultCommitment binds (docs/session.md).</summary>
internal static class Results
{
    /// <param name="alignedIdsHash">SHA-256 over the sorted aligned ids joined by line feeds.</param>
    public static ResultValues Of(VerticalResult result, byte[] alignedIdsHash) => new(
        ResultValues.Encode(result.Coefficients.Select(entry => (entry.Key, entry.Value))),
        alignedIdsHash,
        ResultValues.Encode(Metrics(result)));

    /// <summary>The same of a score job: the coefficients that were used, and of the label party every score in the joint order.</summary>
    public static ResultValues Of(ScoreResult result, byte[] coefficients, byte[] alignedIdsHash) => new(
        coefficients,
        alignedIdsHash,
        ResultValues.Encode((result.Scores ?? []).Select(score => ("score", score)).Prepend(("scored", result.Rows))));

    private static IEnumerable<(string Name, double Value)> Metrics(VerticalResult result)
    {
        (string Name, double? Value)[] all =
        [
            ("train_rows", result.TrainRows),
            ("test_rows", result.TestRows),
            ("iterations", result.Iterations),
            ("converged", result.Converged ? 1 : 0),
            ("train_loss", result.TrainLoss),
            ("auc", result.Test.Auc),
            ("ks", result.Test.Ks),
            ("rmse", result.Test.Rmse),
        ];
        return all.Where(metric => metric.Value is { } value && double.IsFinite(value)).Select(metric => (metric.Name, metric.Value!.Value));
    }
}
