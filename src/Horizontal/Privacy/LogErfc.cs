using VertFed.Models;

namespace VertFed.Horizontal.Privacy;

/// <summary>log erfc x for any finite x, relative error of erfc below 1e-13: Taylor series of erf near zero, a continued fraction above.</summary>
internal static class LogErfc
{
    private const double Crossover = 2;
    private const int Terms = 80;

    public static double Of(double x)
    {
        if (x > Crossover)
        {
            // e^(x²) √π erfc x = 1 / (x + (1/2) / (x + 1 / (x + (3/2) / (x + …)))), Abramowitz and Stegun 7.1.14, from its tail.
            double tail = x;
            for (int n = Terms; n >= 1; n--)
            {
                tail = x + (0.5 * n / tail);
            }

            return -(x * x) - DeterministicMath.Log(tail * Math.Sqrt(DeterministicMath.Pi));
        }

        if (x < -Crossover)
        {
            return DeterministicMath.Log(2 - DeterministicMath.Exp(Of(-x)));
        }

        // erf x = 2/√π e^(−x²) Σ 2^n x^(2n+1) / (2n+1)!!, all terms of one sign.
        double term = x;
        double sum = x;
        for (int n = 1; n <= Terms; n++)
        {
            term *= 2 * x * x / ((2 * n) + 1);
            sum += term;
        }

        return DeterministicMath.Log(1 - (2 / Math.Sqrt(DeterministicMath.Pi) * DeterministicMath.Exp(-x * x) * sum));
    }
}
