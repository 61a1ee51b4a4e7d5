using System.Runtime.Intrinsics;

namespace VertFed.Models;

/// <summary>
/// Functions on [−12, 12] as Chebyshev series Σ_k c_k T_k(x/12), all of one degree. The logistic function has its nearest poles
/// at ±iπ, so its coefficients fall like 1.295^−k: degree 128 reaches 1e-14.
/// </summary>
public static class ChebyshevSeries
{
    /// <summary>Linear predictors are clipped to ± this before a series is evaluated.</summary>
    public const double Range = 12;

    /// <summary>Degree of every series of the link; a series has Degree + 1 coefficients.</summary>
    public const int Degree = 128;

    internal const int Coefficients = Degree + 1;

    private static readonly double[] s_nodes = MakeNodes();
    private static readonly double[] s_cosines = MakeCosines();

    /// <summary>The Chebyshev points of the first kind on [−12, 12], at which a function is sampled to get its series.</summary>
    internal static ReadOnlySpan<double> Nodes => s_nodes;

    /// <summary>Coefficients of the interpolant through values at <see cref="Nodes"/>.</summary>
    internal static void Interpolate(ReadOnlySpan<double> values, Span<double> coefficients)
    {
        const int n = Coefficients;
        Span<double> row = stackalloc double[n];
        for (int k = 0; k < n; k++)
        {
            // T_k(x_j) = cos(π k (2j + 1) / 2n).
            int step = 2 * k % (4 * n);
            int index = k;
            for (int j = 0; j < n; j++)
            {
                row[j] = s_cosines[index];
                index += step;
                index = index >= 4 * n ? index - (4 * n) : index;
            }

            coefficients[k] = Reductions.Dot(values, row) * ((k == 0 ? 1.0 : 2.0) / n);
        }
    }

    /// <summary>Coefficients of the derivative by x (Mason and Handscomb, "Chebyshev Polynomials", section 2.4.5).</summary>
    public static double[] Derivative(ReadOnlySpan<double> coefficients)
    {
        int n = coefficients.Length;
        double[] derivative = new double[n];
        double after = 0;
        for (int k = n - 1; k >= 1; k--)
        {
            double value = Math.FusedMultiplyAdd(2.0 * k, coefficients[k], after);
            after = k < n - 1 ? derivative[k] : 0;
            derivative[k - 1] = value;
        }

        derivative[0] *= 0.5;
        for (int k = 0; k < n; k++)
        {
            derivative[k] /= Range;
        }

        return derivative;
    }

    /// <summary>The series at every x by Clenshaw's recurrence; x has to lie within [−12, 12].</summary>
    public static void Evaluate(ReadOnlySpan<double> coefficients, ReadOnlySpan<double> x, Span<double> destination)
    {
        int i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i + 32 <= x.Length; i += 32)
            {
                Clenshaw512(coefficients, x.Slice(i, 32), destination.Slice(i, 32));
            }
        }

        for (; i < x.Length; i++)
        {
            destination[i] = Evaluate(coefficients, x[i]);
        }
    }

    /// <summary>The series at one x in [−12, 12].</summary>
    public static double Evaluate(ReadOnlySpan<double> coefficients, double x)
    {
        double t = x * (1 / Range);
        double twice = t + t;
        double b1 = 0;
        double b2 = 0;
        for (int k = coefficients.Length - 1; k > 0; k--)
        {
            double b = Math.FusedMultiplyAdd(twice, b1, coefficients[k] - b2);
            b2 = b1;
            b1 = b;
        }

        return Math.FusedMultiplyAdd(t, b1, coefficients[0] - b2);
    }

    private static void Clenshaw512(ReadOnlySpan<double> coefficients, ReadOnlySpan<double> x, Span<double> destination)
    {
        Vector512<double> scale = Vector512.Create(1 / Range);
        Vector512<double> t0 = Vector512.Create(x) * scale;
        Vector512<double> t1 = Vector512.Create(x[8..]) * scale;
        Vector512<double> t2 = Vector512.Create(x[16..]) * scale;
        Vector512<double> t3 = Vector512.Create(x[24..]) * scale;
        Vector512<double> d0 = t0 + t0, d1 = t1 + t1, d2 = t2 + t2, d3 = t3 + t3;
        Vector512<double> p0 = default, p1 = default, p2 = default, p3 = default;
        Vector512<double> q0 = default, q1 = default, q2 = default, q3 = default;
        for (int k = coefficients.Length - 1; k > 0; k--)
        {
            Vector512<double> c = Vector512.Create(coefficients[k]);
            Vector512<double> n0 = Vector512.FusedMultiplyAdd(d0, p0, c - q0);
            Vector512<double> n1 = Vector512.FusedMultiplyAdd(d1, p1, c - q1);
            Vector512<double> n2 = Vector512.FusedMultiplyAdd(d2, p2, c - q2);
            Vector512<double> n3 = Vector512.FusedMultiplyAdd(d3, p3, c - q3);
            q0 = p0;
            q1 = p1;
            q2 = p2;
            q3 = p3;
            p0 = n0;
            p1 = n1;
            p2 = n2;
            p3 = n3;
        }

        Vector512<double> c0 = Vector512.Create(coefficients[0]);
        Vector512.FusedMultiplyAdd(t0, p0, c0 - q0).CopyTo(destination);
        Vector512.FusedMultiplyAdd(t1, p1, c0 - q1).CopyTo(destination[8..]);
        Vector512.FusedMultiplyAdd(t2, p2, c0 - q2).CopyTo(destination[16..]);
        Vector512.FusedMultiplyAdd(t3, p3, c0 - q3).CopyTo(destination[24..]);
    }

    private static double[] MakeCosines()
    {
        const int n = Coefficients;
        double[] table = new double[4 * n];
        for (int i = 0; i < table.Length; i++)
        {
            int folded = i <= 2 * n ? i : (4 * n) - i;
            table[i] = DeterministicMath.CosPi(folded / (2.0 * n));
        }

        return table;
    }

    private static double[] MakeNodes()
    {
        double[] nodes = new double[Coefficients];
        for (int j = 0; j < nodes.Length; j++)
        {
            nodes[j] = Range * DeterministicMath.CosPi(((2 * j) + 1) / (2.0 * Coefficients));
        }

        return nodes;
    }
}
