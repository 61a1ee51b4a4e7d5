using VertFed.PartyNode.Scoring;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.PartyNode.Reporting;

/// <summary>What a score job came to, as one party knows it.</summary>
/// <param name="Model">What the model is bound to.</param>
/// <param name="Counts">Of the own file's rows.</param>
/// <param name="Quantiles">The label party's: scores below which 5, 25, 50, 75 and 95 % of the shared customers lie; null for fewer than 100 of
/// them, where a quantile is nearly one customer's score.</param>
/// <param name="Bytes">Sealed payload that both parties sent for it.</param>
internal sealed record ScorePart(
    ModelIdentity Model, Family Family, ScoreCounts Counts, IReadOnlyList<double>? Quantiles, double Seconds, long Bytes, IReadOnlyList<Disclosure> Disclosures)
{
    private const int FewestScores = 100;

    /// <summary>The shares of <see cref="Quantiles"/>, in percent.</summary>
    public static readonly int[] Shares = [5, 25, 50, 75, 95];

    /// <summary>Quantiles of at least 100 scores, by nearest rank.</summary>
    public static IReadOnlyList<double>? QuantilesOf(double[]? scores)
    {
        if (scores is null || scores.Length < FewestScores)
        {
            return null;
        }

        double[] sorted = [.. scores];
        Array.Sort(sorted);
        return [.. Shares.Select(share => sorted[(int)(((long)share * (sorted.Length - 1)) / 100)])];
    }
}
