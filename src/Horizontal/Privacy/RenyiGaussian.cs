using VertFed.Models;

namespace VertFed.Horizontal.Privacy;

/// <summary>Rényi differential privacy of order α of one release, for the mechanisms that the service has. Neighbours differ by one record.</summary>
public static class RenyiGaussian
{
    /// <summary>
    /// The sampled Gaussian mechanism: each record is in with probability q (Poisson), noise N(0, σ²) for sensitivity 1. q = 1: α / 2σ²
    /// (Mironov 2017, proposition 7). Else log A_α / (α − 1) with, for whole α, A_α = Σ_k C(α,k) (1 − q)^(α−k) q^k e^((k²−k)/2σ²), and for others
    /// the two series of Mironov, Talwar and Zhang 2019, section 3.3; where they go on for too long (much noise and q near 1/2), the chord between the whole
    /// orders on both sides, which log A_α, convex in α, lies below.
    /// </summary>
    /// <param name="q">Sampling probability in [0, 1].</param>
    /// <param name="sigma">Noise multiplier, from 0; 0 gives infinity.</param>
    /// <param name="alpha">Order above 1.</param>
    public static double Sampled(double q, double sigma, double alpha)
    {
        Throw.Invalid(!(q >= 0 && q <= 1), "A sampling probability is from 0 to 1.");
        Throw.Invalid(!(sigma >= 0) || !double.IsFinite(sigma), "A noise multiplier is a finite number from 0.");
        Throw.Invalid(!(alpha > 1 && alpha <= 1 << 16), "An order is above 1 and at most 65,536.");
        if (q == 0)
        {
            return 0;
        }

        if (sigma == 0)
        {
            return double.PositiveInfinity;
        }

        if (q == 1)
        {
            return alpha / (2 * sigma * sigma);
        }

        double logA = alpha == Math.Floor(alpha) ? Whole(q, sigma, (int)alpha) : Fractional(q, sigma, alpha) ?? Chord(q, sigma, alpha);
        return Math.Max(0, logA) / (alpha - 1);
    }

    /// <summary>
    /// A sum to which each of n clients adds a discrete Gaussian of variance σ² (Kairouz, Liu and Steinke 2021, theorem 1): ½ ε²-concentrated,
    /// so α ε² / 2, with ε² = min(Δ²/nσ² + τ d / 2, (Δ/√n σ + τ √d)²) and τ = 10 Σ_{k=1}^{n−1} e^(−2π²σ² k/(k+1)).
    /// </summary>
    /// <param name="sensitivity">Δ: Euclidean norm of one client's integer vector at most.</param>
    /// <param name="sigma">σ of each client's noise, at least 1/2.</param>
    /// <param name="clients">n: clients whose noise is in the sum; those that may drop out do not count.</param>
    /// <param name="dimension">d.</param>
    /// <param name="alpha">Order above 1.</param>
    public static double Distributed(double sensitivity, double sigma, int clients, int dimension, double alpha)
    {
        Throw.Invalid(!(sensitivity > 0) || !double.IsFinite(sensitivity), "A sensitivity is above 0.");
        Throw.Invalid(!(sigma >= 0.5) || !double.IsFinite(sigma), "The deviation of each client's discrete noise is at least 1/2.");
        Throw.Invalid(clients < 1 || dimension < 1 || !(alpha > 1), "Clients and dimension are at least 1, the order is above 1.");
        double tau = 0;
        for (int k = 1; k < clients; k++)
        {
            tau += 10 * DeterministicMath.Exp(-2 * DeterministicMath.Pi * DeterministicMath.Pi * sigma * sigma * k / (k + 1));
        }

        double central = sensitivity / (Math.Sqrt(clients) * sigma);
        double shifted = central + (tau * Math.Sqrt(dimension));
        return 0.5 * alpha * Math.Min((central * central) + (0.5 * tau * dimension), shifted * shifted);
    }

    private static double Whole(double q, double sigma, int alpha)
    {
        double logQ = DeterministicMath.Log(q);
        double logRest = DeterministicMath.Log(1 - q);
        double logBinomial = 0;
        double sum = double.NegativeInfinity;
        for (int k = 0; k <= alpha; k++)
        {
            sum = LogAdd(sum, logBinomial + (k * logQ) + ((alpha - k) * logRest) + (((double)k * k) - k) / (2 * sigma * sigma));
            logBinomial += DeterministicMath.Log((double)(alpha - k) / (k + 1));
        }

        return sum;
    }

    // With log A_1 = 0.
    private static double Chord(double q, double sigma, double alpha)
    {
        int low = (int)Math.Floor(alpha);
        double below = low == 1 ? 0 : Whole(q, sigma, low);
        return below + ((alpha - low) * (Whole(q, sigma, low + 1) - below));
    }

    // Null where the series have not converged.
    private static double? Fractional(double q, double sigma, double alpha)
    {
        const double Negligible = -34;
        const int MostTerms = 100_000;
        double z0 = (sigma * sigma * DeterministicMath.Log((1 / q) - 1)) + 0.5;
        double logQ = DeterministicMath.Log(q);
        double logRest = DeterministicMath.Log(1 - q);
        double root = Math.Sqrt(2) * sigma;
        double logBinomial = 0;
        bool positive = true;
        double gained = double.NegativeInfinity;
        double lost = double.NegativeInfinity;
        for (int i = 0; i < MostTerms; i++)
        {
            double j = alpha - i;
            double below = logBinomial + (i * logQ) + (j * logRest) + ((((double)i * i) - i) / (2 * sigma * sigma)) + LogErfc.Of((i - z0) / root) - DeterministicMath.Ln2;
            double above = logBinomial + (j * logQ) + (i * logRest) + (((j * j) - j) / (2 * sigma * sigma)) + LogErfc.Of((z0 - j) / root) - DeterministicMath.Ln2;
            double both = LogAdd(below, above);
            gained = positive ? LogAdd(gained, both) : gained;
            lost = positive ? lost : LogAdd(lost, both);
            if (i > alpha && both < Negligible)
            {
                return gained + DeterministicMath.Log(1 - DeterministicMath.Exp(lost - gained));
            }

            // C(α, i + 1) = C(α, i) (α − i) / (i + 1), whose sign turns from i = ⌈α⌉ on.
            positive = j > 0 ? positive : !positive;
            logBinomial += DeterministicMath.Log(Math.Abs(j) / (i + 1));
        }

        return null;
    }

    private static double LogAdd(double a, double b)
    {
        double high = Math.Max(a, b);
        double low = Math.Min(a, b);
        return double.IsNegativeInfinity(low) ? high : high + DeterministicMath.Log1p(DeterministicMath.Exp(low - high));
    }
}
