using VertFed.Horizontal.Learning;

namespace VertFed.Horizontal.Updates;

/// <summary>What a client does with the global model in one round.</summary>
public sealed record LocalWork
{
    private const int MostSteps = 1_000_000;

    /// <summary>Passes over the client's rows, 1 to 1000.</summary>
    public int Epochs { get; init; } = 1;

    /// <summary>The most optimiser steps, 1 to 1,000,000: a weaker client does fewer (see <see cref="Limited"/>).</summary>
    public int StepLimit { get; init; } = MostSteps;

    /// <summary>Rows of a step; 0 takes all rows at once.</summary>
    public int BatchSize { get; init; } = 32;

    public OptimiserSpec Optimiser { get; init; } = OptimiserSpec.Sgd(0.1);

    /// <summary>λ of the L2 penalty λ/2 ||w||² on weights, from 0.</summary>
    public double L2 { get; init; }

    /// <summary>μ of FedProx's proximal term μ/2 ||x − x_global||², from 0.</summary>
    public double Proximal { get; init; }

    /// <summary>Record-level privacy; null without.</summary>
    public RecordPrivacy? Privacy { get; init; }

    /// <exception cref="HorizontalException">A number is out of its range, or two options do not go together.</exception>
    public void Validate()
    {
        Throw.Invalid(Epochs is < 1 or > 1000, "A client does 1 to 1000 local epochs.");
        Throw.Invalid(StepLimit is < 1 or > MostSteps, $"A client does at most {MostSteps} local steps, and at least 1.");
        Throw.Invalid(BatchSize is < 0 or > 1 << 24, "A batch has 1 to 16,777,216 rows; 0 takes all.");
        Throw.Invalid(!(L2 >= 0 && L2 <= 1e6), "L2 is from 0 to 1e6.");
        Throw.Invalid(!(Proximal >= 0 && Proximal <= 1e6), "The proximal term is from 0 to 1e6.");
        Optimiser.Validate();
        Privacy?.Validate();
    }

    /// <summary>
    /// Adaptive local work: the same order with as many steps as a client of that speed does while the reference client does all of its
    /// own, at least one. FedNova (and any strategy that reads <see cref="ClientUpdate.NormalisedSteps"/>) weights the outcome correctly.
    /// </summary>
    /// <param name="speed">The client's speed by the reference's, in (0, 1].</param>
    /// <param name="rows">The client's rows.</param>
    public LocalWork Limited(double speed, int rows)
    {
        Throw.Invalid(!(speed > 0 && speed <= 1), "A client's relative speed is above 0 and at most 1.");
        return this with { StepLimit = Math.Max(1, (int)Math.Floor(Steps(rows) * speed)) };
    }

    /// <summary>DP-SGD's q: the chance with which a step takes each of so many rows, which is at least one. 1 where the batch is all rows.</summary>
    public double Sampling(int rows) => BatchSize == 0 ? 1 : Math.Min(1, (double)BatchSize / rows);

    /// <summary>Optimiser steps that a client with that many rows does.</summary>
    public int Steps(int rows)
    {
        if (rows == 0)
        {
            return 0;
        }

        int batch = BatchSize == 0 ? rows : Math.Min(BatchSize, rows);
        return (int)Math.Min(StepLimit, Epochs * (((long)rows + batch - 1) / batch));
    }
}

/// <summary>
/// DP-SGD (Abadi et al. 2016) at the client: every step takes each row with probability q = batch size / rows (Poisson sampling), clips each
/// row's gradient to norm C, adds N(0, σ² C²) to every coordinate of the sum and divides by q · rows. The noise protects a row from whoever
/// sees the update; its cost is counted by the privacy accountant with (σ, q, steps).
/// </summary>
/// <param name="Clip">C, above 0.</param>
/// <param name="NoiseMultiplier">σ, from 0; 0 clips without noise and is not private.</param>
public sealed record RecordPrivacy(double Clip, double NoiseMultiplier)
{
    /// <exception cref="HorizontalException">A number is out of its range.</exception>
    public void Validate()
    {
        Throw.Invalid(!(Clip > 0 && Clip <= 1e9), "The clip of a row's gradient is above 0 and at most 1e9.");
        Throw.Invalid(!(NoiseMultiplier >= 0 && NoiseMultiplier <= 1e6), "The noise multiplier is from 0 to 1e6.");
    }
}
