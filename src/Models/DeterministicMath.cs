using System.Runtime.CompilerServices;

namespace VertFed.Models;

/// <summary>
/// Elementary functions from + − × ÷, FMA and bit operations alone, in a fixed order: the same bits on every machine.
/// <c>Math.Exp</c> and its like call the platform's C library, whose last bit differs by machine and version, and numbers made
/// here enter messages that a replay must reproduce.
/// </summary>
/// <remarks>
/// Largest errors seen against 60-digit references: Exp 1 ulp, Log 1 ulp, Log1pExp 2 ulp, Sigmoid 2 ulp (subnormal results
/// aside), CosPi 1e-15 absolute; the tests hold them to 2, 2, 3, 3 ulp. Reductions as in Muller, "Elementary Functions", 3rd
/// edition, chapter 11 (Cody and Waite).
/// </remarks>
public static class DeterministicMath
{
    private const double Log2E = 1.4426950408889634074;

    // ln 2 in two parts; the first has 32 significant bits, so k * high is exact for |k| < 2^21.
    private const double Ln2High = 0.693147180369123816490;
    private const double Ln2Low = 1.90821492927058770002e-10;

    /// <summary>ln 2, rounded.</summary>
    public const double Ln2 = 0.693147180559945309417;

    /// <summary>π, rounded.</summary>
    public const double Pi = 3.14159265358979323846;

    /// <summary>e^x; 0 below −745.2, +∞ above 709.8.</summary>
    public static double Exp(double x)
    {
        if (double.IsNaN(x))
        {
            return x;
        }

        if (x > 709.782712893384)
        {
            return double.PositiveInfinity;
        }

        if (x < -745.2)
        {
            return 0;
        }

        double k = Math.Round(x * Log2E, MidpointRounding.ToEven);
        double high = Math.FusedMultiplyAdd(-k, Ln2High, x);
        double low = -k * Ln2Low;
        double r = high + low;

        // Rounding error of r, carried as a first-order correction.
        double tail = (high - r) + low;

        // Taylor to degree 13 on |r| <= 0.3466: remainder below 5e-18.
        double p = 1.0 / 6227020800.0;
        p = Math.FusedMultiplyAdd(p, r, 1.0 / 479001600.0);
        p = Math.FusedMultiplyAdd(p, r, 1.0 / 39916800.0);
        p = Math.FusedMultiplyAdd(p, r, 1.0 / 3628800.0);
        p = Math.FusedMultiplyAdd(p, r, 1.0 / 362880.0);
        p = Math.FusedMultiplyAdd(p, r, 1.0 / 40320.0);
        p = Math.FusedMultiplyAdd(p, r, 1.0 / 5040.0);
        p = Math.FusedMultiplyAdd(p, r, 1.0 / 720.0);
        p = Math.FusedMultiplyAdd(p, r, 1.0 / 120.0);
        p = Math.FusedMultiplyAdd(p, r, 1.0 / 24.0);
        p = Math.FusedMultiplyAdd(p, r, 1.0 / 6.0);
        p = Math.FusedMultiplyAdd(p, r, 0.5);
        double rest = Math.FusedMultiplyAdd(r * r, p, tail);
        return ScaleByPowerOfTwo(1 + (r + rest), (int)k);
    }

    /// <summary>Natural logarithm; NaN below zero, −∞ at zero.</summary>
    public static double Log(double x)
    {
        if (double.IsNaN(x) || x < 0)
        {
            return double.NaN;
        }

        if (x == 0)
        {
            return double.NegativeInfinity;
        }

        if (double.IsPositiveInfinity(x))
        {
            return x;
        }

        int exponent = 0;
        if (x < 2.2250738585072014e-308)
        {
            x *= 18014398509481984.0; // 2^54
            exponent = -54;
        }

        long bits = BitConverter.DoubleToInt64Bits(x);
        exponent += (int)(bits >> 52) - 1023;
        double m = BitConverter.Int64BitsToDouble((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000);
        if (m > 1.4142135623730951)
        {
            m *= 0.5;
            exponent++;
        }

        // log(1 + f) = f - f²/2 + s (f²/2 + R(s²)), s = f / (2 + f): the leading f is exact.
        double f = m - 1;
        double s = f / (2 + f);
        double z = s * s;
        double series = 2.0 / 25.0;
        for (int denominator = 23; denominator >= 3; denominator -= 2)
        {
            series = Math.FusedMultiplyAdd(series, z, 2.0 / denominator);
        }

        double half = 0.5 * f * f;
        double correction = s * (half + (series * z));
        double k = exponent;
        return Math.FusedMultiplyAdd(k, Ln2High, -((half - Math.FusedMultiplyAdd(k, Ln2Low, correction)) - f));
    }

    /// <summary>log(1 + y) for y ≥ 0 without loss for small y.</summary>
    public static double Log1p(double y)
    {
        double u = 1 + y;
        return u == 1 ? y : Log(u) + ((y - (u - 1)) / u);
    }

    /// <summary>log(1 + e^x), the logistic loss of a non-event.</summary>
    public static double Log1pExp(double x) => x > 0 ? x + Log1p(Exp(-x)) : Log1p(Exp(x));

    /// <summary>1 / (1 + e^−x).</summary>
    public static double Sigmoid(double x)
    {
        if (x >= 0)
        {
            return 1 / (1 + Exp(-x));
        }

        double e = Exp(x);
        return e / (1 + e);
    }

    /// <summary>log2 x.</summary>
    public static double Log2(double x) => Log(x) * Log2E;

    /// <summary>cos(π x) for x in [0, 1].</summary>
    public static double CosPi(double x)
    {
        if (x > 0.5)
        {
            return -CosPi(1 - x);
        }

        if (x > 0.25)
        {
            return SinTaylor(Pi * (0.5 - x));
        }

        double t = Pi * x;
        double t2 = t * t;
        double sum = 1;
        for (int n = 20; n >= 2; n -= 2)
        {
            sum = 1 - (t2 / (n * (n - 1)) * sum);
        }

        return sum;
    }

    private static double SinTaylor(double t)
    {
        double t2 = t * t;
        double sum = 1;
        for (int n = 21; n >= 3; n -= 2)
        {
            sum = 1 - (t2 / (n * (n - 1)) * sum);
        }

        return t * sum;
    }

    /// <summary>value · 2^exponent with one rounding, subnormal results included.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double ScaleByPowerOfTwo(double value, int exponent)
    {
        if (exponent is >= -1021 and <= 1023)
        {
            return value * PowerOfTwo(exponent);
        }

        return exponent > 0
            ? value * PowerOfTwo(1023) * PowerOfTwo(exponent - 1023)
            : value * PowerOfTwo(exponent + 100) * PowerOfTwo(-100);
    }

    /// <summary>2^exponent for −1022 ≤ exponent ≤ 1023.</summary>
    public static double PowerOfTwo(int exponent) => BitConverter.Int64BitsToDouble((long)(exponent + 1023) << 52);
}
