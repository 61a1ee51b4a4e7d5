using VertFed.Protocol;

namespace VertFed.Vertical;

/// <summary>What one party knows at the end of a job. Fields that the other party alone knows are null.</summary>
public sealed record VerticalResult
{
    /// <summary>The name under which the intercept stands among the label party's coefficients.</summary>
    public const string InterceptName = "(intercept)";

    /// <summary>Own coefficients on the standardised scale by feature name; the label party's include "(intercept)".</summary>
    public required IReadOnlyList<KeyValuePair<string, double>> Coefficients { get; init; }

    /// <summary>Means and population standard deviations of own training columns, to score new rows with.</summary>
    public required IReadOnlyList<(double Mean, double StandardDeviation)> Scaling { get; init; }

    /// <summary>Linear family: the standard deviation of y over the training rows; else 1. Scores cross in this unit.</summary>
    public double LabelScale { get; init; } = 1;

    public required int TrainRows { get; init; }

    public required int TestRows { get; init; }

    public required int Iterations { get; init; }

    /// <summary>Whether the convergence test of docs/training.md was met under the final tables without harmful clipping.</summary>
    public required bool Converged { get; init; }

    /// <summary>Euclidean norm of the last whitened joint gradient.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>Mean train loss without penalty.</summary>
    public required double TrainLoss { get; init; }

    /// <summary>Rows clipped to ±12 by either party in the last iteration.</summary>
    public required long ClippedRows { get; init; }

    public required TestMetrics Test { get; init; }

    public required IReadOnlyList<Guard> Guards { get; init; }

    public required IReadOnlyList<Disclosure> Disclosures { get; init; }
}

/// <summary>Metrics on the test rows: AUC and KS for labels, RMSE for the linear family; the label party also has those of its own columns alone.</summary>
public sealed record TestMetrics(
    double? Auc, double? Ks, double? Rmse, double? AucLabelPartyOnly, double? KsLabelPartyOnly, double? RmseLabelPartyOnly);

/// <summary>One finished iteration, as progress for people.</summary>
/// <param name="GradientNorm">Euclidean norm of the whitened joint gradient.</param>
/// <param name="Pairs">K of the link, 0 for the linear family.</param>
public sealed record IterationProgress(int Iteration, double GradientNorm, int Pairs, long ClippedRows);

/// <summary>Hears how far a role is. Called from the role's own flow; must return at once.</summary>
public interface IVerticalObserver
{
    /// <summary>Training or evaluation begins.</summary>
    void PhaseStarted(Protocol.V1.Phase phase);

    void IterationFinished(IterationProgress progress);
}
