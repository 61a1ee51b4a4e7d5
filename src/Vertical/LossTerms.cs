using VertFed.Models;

namespace VertFed.Vertical;

/// <summary>Parts of the train loss and of the verdict on clipping that one party computes alone.</summary>
internal static class LossTerms
{
    /// <summary>Σ max(0, x − 12): what log(1 + e^x) loses where its argument is clipped from above, to within 1e-5 a row.</summary>
    public static double PositiveExcess(ReadOnlySpan<double> predictor)
    {
        double sum = 0;
        foreach (double x in predictor)
        {
            sum += Math.Max(0, x - ChebyshevSeries.Range);
        }

        return sum;
    }

    /// <summary>−y at f bits, for y in {0, 1}.</summary>
    public static void NegatedLabels(ReadOnlySpan<double> y, int bits, Span<long> destination)
    {
        long one = 1L << bits;
        for (int i = 0; i < y.Length; i++)
        {
            destination[i] = y[i] == 0 ? 0 : -one;
        }
    }

    /// <summary>Buckets for the loss tables from the peer's whitened point and own clipped predictor.</summary>
    public static ScaleBuckets Buckets(double sigmaU, ReadOnlySpan<double> v)
    {
        (double mean, double deviation) = Moments(v);
        return ScaleBuckets.Choose(sigmaU, mean, deviation);
    }

    /// <summary>Whether clipped rows could have moved the gradient by more than the convergence test allows.</summary>
    public static bool ClippingIsHarmless(TrainingOutcome outcome, int rows, double sigmaU) =>
        QuantisedLink.ClippingHarm(outcome.ClippedRows, rows, sigmaU) <= Math.Max(1e-4, outcome.GradientNorm);

    private static (double Mean, double Deviation) Moments(ReadOnlySpan<double> values)
    {
        double mean = Reductions.Sum(values) / values.Length;
        double square = Reductions.Dot(values, values) / values.Length;
        return (mean, Math.Sqrt(Math.Max(0, square - (mean * mean))));
    }
}
