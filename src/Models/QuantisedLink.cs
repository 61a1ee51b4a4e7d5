namespace VertFed.Models;

/// <summary>
/// Link functions as the integers that enter ciphertexts and shares. With f_r = f_φ + f_ψ the shares add up to
/// 2^f_r (α + β + Σ φψ − y), every function rounded once to nearest.
/// </summary>
public static class QuantisedLink
{
    /// <summary>Clips a linear predictor to [−12, 12] in place and returns how many rows it touched.</summary>
    public static long Clip(Span<double> predictor)
    {
        long clipped = 0;
        for (int i = 0; i < predictor.Length; i++)
        {
            if (!(Math.Abs(predictor[i]) <= ChebyshevSeries.Range))
            {
                Throw.If(double.IsNaN(predictor[i]), ModelError.NotFinite, "A linear predictor is not a number.");
                predictor[i] = predictor[i] > 0 ? ChebyshevSeries.Range : -ChebyshevSeries.Range;
                clipped++;
            }
        }

        return clipped;
    }

    /// <summary>
    /// Bound on what clipping can do to the whitened gradient's norm, to be compared with the convergence tolerance: a clipped
    /// row's probability moves by at most σ(|other| − 12) for a typical other part of one deviation squared above its mean.
    /// </summary>
    /// <param name="clipped">Rows clipped by either party.</param>
    /// <param name="otherDeviation">Standard deviation of the other party's predictor.</param>
    public static double ClippingHarm(long clipped, long rows, double otherDeviation) =>
        clipped == 0
            ? 0
            : Math.Sqrt((double)clipped / rows)
                * DeterministicMath.Sigmoid((otherDeviation * otherDeviation) - ChebyshevSeries.Range);

    /// <summary>A series at clipped values, rounded to multiples of 2^−bits.</summary>
    /// <param name="series">Chebyshev coefficients on [−12, 12].</param>
    public static long[] Quantise(ReadOnlySpan<double> series, ReadOnlySpan<double> clipped, int bits)
    {
        double[] values = new double[clipped.Length];
        ChebyshevSeries.Evaluate(series, clipped, values);
        return Round(values, bits);
    }

    /// <summary>round(x · 2^bits), to even at ties.</summary>
    public static long[] Round(ReadOnlySpan<double> values, int bits)
    {
        double scale = DeterministicMath.PowerOfTwo(bits);
        long[] result = new long[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            result[i] = (long)Math.Round(values[i] * scale, MidpointRounding.ToEven);
        }

        return result;
    }

    /// <summary>The feature party's α(u), its own part of the residual, at f_r bits.</summary>
    public static long[] FeatureShare(LinkSeries series, ReadOnlySpan<double> clippedU, ScalePlan plan) =>
        Quantise(series[0], clippedU, plan.ResidualBits);

    /// <summary>φ_1 … φ_K at the feature party's rows, at f_φ bits.</summary>
    public static long[][] Phi(LinkSeries series, ReadOnlySpan<double> clippedU, ScalePlan plan)
    {
        long[][] phi = new long[series.Pairs][];
        for (int k = 0; k < phi.Length; k++)
        {
            phi[k] = Quantise(series[k + 1], clippedU, plan.PhiBits);
        }

        return phi;
    }

    /// <summary>The label party's β(v) − y, its own part of the residual, at f_r bits.</summary>
    public static long[] LabelShare(LinkTables tables, ReadOnlySpan<double> clippedV, ReadOnlySpan<double> y, ScalePlan plan)
    {
        double[] values = new double[clippedV.Length];
        ChebyshevSeries.Evaluate(tables.LabelSeries(0), clippedV, values);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] -= y[i];
        }

        return Round(values, plan.ResidualBits);
    }

    /// <summary>ψ_1 … ψ_K at the label party's rows, at f_ψ bits.</summary>
    public static long[][] Psi(LinkTables tables, ReadOnlySpan<double> clippedV, ScalePlan plan)
    {
        long[][] psi = new long[tables.Pairs][];
        for (int k = 0; k < psi.Length; k++)
        {
            psi[k] = Quantise(tables.LabelSeries(k + 1), clippedV, plan.PsiBits);
        }

        return psi;
    }

    /// <summary>Linear family: a party's own part of the residual (u, or v − y) at f_r bits.</summary>
    /// <exception cref="ModelException">Its root mean square is above the bound that the scale plan rests on.</exception>
    public static long[] LinearShare(ReadOnlySpan<double> part, ScalePlan plan)
    {
        double rms = Math.Sqrt(Reductions.Dot(part, part) / part.Length);
        Throw.If(
            !(rms <= ScalePlanner.LinearShareBound),
            ModelError.ResidualOutOfBounds,
            $"A party's part of the residual has a root mean square of {rms:G4} on the standardised scale; the bound is {ScalePlanner.LinearShareBound}.");
        return Round(part, plan.ResidualBits);
    }
}
