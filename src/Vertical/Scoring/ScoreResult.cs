using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>What one party knows at the end of a score job.</summary>
public sealed record ScoreResult
{
    /// <summary>Aligned rows, each of which was scored.</summary>
    public required int Rows { get; init; }

    /// <summary>The label party's: one an aligned row, a probability (logistic) or a prediction on y's own scale (linear). Null at the
    /// feature party.</summary>
    public required double[]? Scores { get; init; }

    public required IReadOnlyList<Disclosure> Disclosures { get; init; }

    /// <summary>What scoring lets the parties learn; alike at both.</summary>
    internal static IReadOnlyList<Disclosure> DisclosuresOf(JobSpecification specification, int rows) =>
    [
        new(
            specification.LabelParty.Name,
            $"{specification.FeatureParty.Name}'s partial score of each shared customer, to 2^-12",
            rows,
            nameof(Step.ScoreShares)),
        new("coordinator", "envelope sizes: blocks of 8192 shared customers", (rows + ScoreShareCrossing.BlockRows - 1) / ScoreShareCrossing.BlockRows, nameof(Step.ScoreShares)),
    ];
}
