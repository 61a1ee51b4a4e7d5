namespace VertFed.Models;

/// <summary>Fractional bits of every fixed-point quantity of a job; both parties derive the same plan from public numbers.</summary>
/// <param name="FeatureBits">Of standardised features.</param>
/// <param name="PhiBits">Of the feature party's link functions φ_k(u).</param>
/// <param name="PsiBits">Of the label party's link functions ψ_k(v).</param>
/// <param name="ResidualBits">Of the residual: PhiBits + PsiBits (linear family: chosen alone).</param>
/// <param name="ResidualBound">Bound on the root mean square of the residual that the plan rests on.</param>
public sealed record ScalePlan(int FeatureBits, int PhiBits, int PsiBits, int ResidualBits, double ResidualBound)
{
    /// <summary>Gradient entries arrive as integers in this unit: 2^−(FeatureBits + ResidualBits).</summary>
    public double GradientUnit => DeterministicMath.PowerOfTwo(-(FeatureBits + ResidualBits));
}

/// <summary>
/// Picks fixed-point formats such that no inner product wraps modulo t. A standardised column has Euclidean norm √n, so by
/// Cauchy–Schwarz |Σ x_i r_i| ≤ n · rms(r) and the integers stay below t/2 if
/// f_x + f_r + log2 n + log2 R ≤ log2 t − 1.1, where R bounds rms(r); the 0.1 covers rounding of x.
/// What room is left goes to precision: small n leaves more of it and needs more of it.
/// </summary>
public static class ScalePlanner
{
    /// <summary>Largest residual bound of the logistic link, over the whole of the tables.</summary>
    public const double LogisticResidualBound = 2;

    /// <summary>Largest root mean square, on the scale of the standardised target, that each party may contribute in a linear job.</summary>
    public const double LinearShareBound = 8;

    private const double Margin = 1.1;
    private const int MinFeatureBits = 10;
    private const int MinLinkBits = 8;
    private const int MaxFeatureBits = 18;
    private const int MaxLinkBits = 16;
    private const int MaxLinearResidualBits = 32;

    /// <param name="rows">Aligned training rows, n.</param>
    /// <param name="hasLink">False where the residual needs no link function (linear family).</param>
    /// <param name="residualBound">R; see <see cref="GlmFamily.ResidualBound"/>.</param>
    /// <param name="log2PlainModulus">log2 t of the encryption parameters.</param>
    /// <exception cref="ModelException">No format fits; the message says what would.</exception>
    public static ScalePlan Plan(long rows, bool hasLink, double residualBound, double log2PlainModulus)
    {
        Throw.If(rows < 1, ModelError.InvalidInput, "There are no training rows.");
        Throw.If(!(residualBound > 0) || !double.IsFinite(residualBound), ModelError.InvalidInput, "The residual bound has to be positive.");
        double room = log2PlainModulus - Margin - DeterministicMath.Log2(rows) - DeterministicMath.Log2(residualBound);
        int bits = (int)Math.Floor(room);
        int least = MinFeatureBits + (2 * MinLinkBits);
        Throw.If(
            bits < least,
            ModelError.ScaleDoesNotFit,
            $"{rows} training rows leave {bits} fractional bits, and the gradient needs {least}. Train on fewer rows.");
        if (!hasLink)
        {
            int featureBits = Math.Min(MaxFeatureBits, bits / 2);
            return new ScalePlan(featureBits, 0, 0, Math.Min(MaxLinearResidualBits, bits - featureBits), residualBound);
        }

        // A third each, since the rounding of x, φ and ψ enter the gradient alike; the rest goes to the features.
        int link = Math.Clamp(bits / 3, MinLinkBits, MaxLinkBits);
        int features = Math.Min(MaxFeatureBits, bits - (2 * link));
        return new ScalePlan(features, link, link, 2 * link, residualBound);
    }
}
