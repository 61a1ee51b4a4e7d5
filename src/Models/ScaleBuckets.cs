namespace VertFed.Models;

/// <summary>
/// The coarse numbers that link tables depend on: standard deviations in steps of a factor 1.25, the mean of v in steps of 1/4.
/// </summary>
/// <param name="DeviationU">sd(u) ≈ 1.25^DeviationU.</param>
/// <param name="MeanV">mean(v) ≈ MeanV / 4.</param>
/// <param name="DeviationV">sd(v) ≈ 1.25^DeviationV.</param>
public readonly record struct ScaleBuckets(int DeviationU, int MeanV, int DeviationV)
{
    private const double Ratio = 1.25;
    private const double MeanStep = 0.25;

    // 1.25^-10 = 0.107 and 1.25^11 = 11.6: narrower or wider tables serve no one on [-12, 12].
    private const int LeastDeviation = -10;
    private const int LargestDeviation = 11;

    // A bucket is kept until the value is three quarters of a step away from its centre, so values at an edge do not flip it.
    private const double Hysteresis = 0.75;

    public double SigmaU => Centre(DeviationU);

    public double SigmaV => Centre(DeviationV);

    public double MuV => MeanV * MeanStep;

    /// <summary>Buckets of the given scales; a bucket of <paramref name="current"/> stays while its value is near enough.</summary>
    public static ScaleBuckets Choose(double sigmaU, double muV, double sigmaV, ScaleBuckets? current = null)
    {
        double mean = Math.Clamp(muV, -ChebyshevSeries.Range, ChebyshevSeries.Range) / MeanStep;
        int meanBucket = current is { } old && Math.Abs(mean - old.MeanV) < Hysteresis
            ? old.MeanV
            : (int)Math.Round(mean, MidpointRounding.ToEven);
        return new ScaleBuckets(
            Deviation(sigmaU, current?.DeviationU),
            meanBucket,
            Deviation(sigmaV, current?.DeviationV));
    }

    private static int Deviation(double sigma, int? current)
    {
        double position = DeterministicMath.Log(Math.Max(sigma, 1e-3)) / DeterministicMath.Log(Ratio);
        return current is { } old && Math.Abs(position - old) < Hysteresis
            ? old
            : Math.Clamp((int)Math.Round(position, MidpointRounding.ToEven), LeastDeviation, LargestDeviation);
    }

    private static double Centre(int bucket)
    {
        double value = 1;
        for (int i = Math.Abs(bucket); i > 0; i--)
        {
            value *= Ratio;
        }

        return bucket >= 0 ? value : 1 / value;
    }
}
