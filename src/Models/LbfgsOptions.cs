namespace VertFed.Models;

/// <summary>Constants of <see cref="VectorFreeLbfgs"/>. Both parties must run with the same.</summary>
public sealed record LbfgsOptions
{
    /// <summary>H0 in whitened coordinates: 1 where each block's curvature is the identity.</summary>
    public double InitialInverseCurvature { get; init; } = 1;

    /// <summary>
    /// The objective is quadratic and each whitened block's curvature exactly the identity (linear family). Then every step tells two
    /// curvature pairs, one per block, and they are used together (block BFGS) instead of one after the other.
    /// </summary>
    public bool ExactBlocks { get; init; }

    /// <summary>Pairs kept.</summary>
    public int History { get; init; } = 10;

    /// <summary>Gradients that may be asked for.</summary>
    public int MaxIterations { get; init; } = 30;

    /// <summary>A pair needs s'y ≥ this · ||s||·||y||.</summary>
    public double CurvatureTolerance { get; init; } = 1e-8;

    /// <summary>A direction needs p'g &lt; −this · ||p||·||g||, or the history is cleared.</summary>
    public double DescentTolerance { get; init; } = 1e-6;

    /// <summary>A pair across two link tables is dropped if their errors together exceed this share of ||y||.</summary>
    public double PairErrorTolerance { get; init; } = 0.1;

    /// <summary>A positive slope above this share of the old slope's size sends the step back by the secant.</summary>
    public double SecantThreshold { get; init; } = 0.9;

    /// <summary>Longest step in whitened coordinates.</summary>
    public double MaxStep { get; init; } = 4;

    /// <summary>Converged: predicted decrement ½ g'Hg below this …</summary>
    public double DecrementTolerance { get; init; } = 2e-9;

    /// <summary>… and ||g|| below this share of the first gradient's norm …</summary>
    public double GradientTolerance { get; init; } = 1e-3;

    /// <summary>… under link tables whose error is at most this, or which are the last.</summary>
    public double LinkTolerance { get; init; } = 1e-5;
}

/// <summary>What both parties know of the round's link tables; see <see cref="LinkSeries.Quality"/>.</summary>
/// <param name="Version">Gradients of one version belong to one function.</param>
/// <param name="RmsError">Root mean square error of the link.</param>
/// <param name="Final">No better tables will come.</param>
public readonly record struct LinkQuality(int Version, double RmsError, bool Final)
{
    /// <summary>The residual is exact (linear family).</summary>
    public static LinkQuality Exact { get; } = new(0, 0, true);
}

/// <summary>What both parties decide alike at the end of a round.</summary>
public enum LbfgsVerdict
{
    /// <summary>Go on with a gradient at the new point.</summary>
    Continue,

    /// <summary>Done; the point holds one last step on the final gradient, whose predicted gain is below the tolerance.</summary>
    Converged,

    /// <summary>The iterations are used up; the point is that of the last gradient.</summary>
    Exhausted,
}

/// <summary>One round's outcome: the same numbers at both parties.</summary>
/// <param name="Iteration">Gradients so far, from 1.</param>
/// <param name="GradientNorm">Whitened norm of the joint gradient at the point that was left.</param>
/// <param name="PredictedDecrement">½ g'Hg: what the quasi-Newton model still promises.</param>
/// <param name="StepNorm">Whitened length of the joint step.</param>
/// <param name="PairKept">The round's curvature pair entered the history.</param>
/// <param name="Restarted">The history was cleared.</param>
/// <param name="Interpolated">The step went back by the secant.</param>
public sealed record LbfgsStep(
    LbfgsVerdict Verdict,
    int Iteration,
    double GradientNorm,
    double PredictedDecrement,
    double StepNorm,
    bool PairKept,
    bool Restarted,
    bool Interpolated);
