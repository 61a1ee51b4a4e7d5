using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using VertFed.Models;

namespace VertFed.Horizontal.Learning;

/// <summary>
/// Vector operations in one fixed order, for vectors of tens of numbers (<see cref="Reductions"/> is for thousands). Only + − × ÷ √ and
/// fused multiply-adds, lane by lane: the same bits on every machine.
/// </summary>
public static class Kernels
{
    private const int Lanes = 8;

    /// <summary>Σ a_i b_i: element i goes to lane i mod 8, lanes are folded by halves.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        if (a.Length != b.Length)
        {
            throw new ArgumentException("A dot product takes two vectors of one length.", nameof(b));
        }

        ref double pa = ref MemoryMarshal.GetReference(a);
        ref double pb = ref MemoryMarshal.GetReference(b);
        Vector256<double> low = Vector256<double>.Zero;
        Vector256<double> high = Vector256<double>.Zero;
        int i = 0;
        for (; i + Lanes <= a.Length; i += Lanes)
        {
            low = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref pa, (nuint)i), Vector256.LoadUnsafe(ref pb, (nuint)i), low);
            high = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref pa, (nuint)i + 4), Vector256.LoadUnsafe(ref pb, (nuint)i + 4), high);
        }

        Unsafe.SkipInit(out LaneBuffer buffer);
        Span<double> lanes = buffer;
        low.CopyTo(lanes);
        high.CopyTo(lanes[4..]);
        for (int lane = 0; i < a.Length; i++, lane++)
        {
            lanes[lane] = Math.FusedMultiplyAdd(a[i], b[i], lanes[lane]);
        }

        double s0 = lanes[0] + lanes[4];
        double s1 = lanes[1] + lanes[5];
        double s2 = lanes[2] + lanes[6];
        double s3 = lanes[3] + lanes[7];
        return (s0 + s2) + (s1 + s3);
    }

    /// <summary>y_i ← y_i + factor · x_i, one fused multiply-add each.</summary>
    public static void AddScaled(double factor, ReadOnlySpan<double> x, Span<double> y)
    {
        if (x.Length != y.Length)
        {
            throw new ArgumentException("A sum takes two vectors of one length.", nameof(x));
        }

        Reductions.MultiplyAdd(factor, x, y);
    }

    /// <summary>x_i ← factor · x_i.</summary>
    public static void Scale(double factor, Span<double> x)
    {
        for (int i = 0; i < x.Length; i++)
        {
            x[i] *= factor;
        }
    }

    /// <summary>a − b in a new array.</summary>
    public static double[] Subtract(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        if (a.Length != b.Length)
        {
            throw new ArgumentException("A difference takes two vectors of one length.", nameof(b));
        }

        double[] result = new double[a.Length];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = a[i] - b[i];
        }

        return result;
    }

    /// <summary>The Euclidean norm, scaled by the largest magnitude, so that it overflows for no finite vector below 1e300.</summary>
    public static double Norm(ReadOnlySpan<double> x)
    {
        double plain = Reductions.Dot(x, x);
        if (double.IsFinite(plain) && plain > 1e-290)
        {
            return Math.Sqrt(plain);
        }

        double largest = 0;
        foreach (double value in x)
        {
            largest = Math.Max(largest, Math.Abs(value));
        }

        if (largest == 0 || !double.IsFinite(largest))
        {
            return largest;
        }

        double sum = 0;
        foreach (double value in x)
        {
            double scaled = value / largest;
            sum = Math.FusedMultiplyAdd(scaled, scaled, sum);
        }

        return largest * Math.Sqrt(sum);
    }

    /// <summary>The squared Euclidean distance.</summary>
    public static double SquaredDistance(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            double difference = a[i] - b[i];
            sum = Math.FusedMultiplyAdd(difference, difference, sum);
        }

        return sum;
    }

    /// <summary>The hyperbolic tangent, 2 / (1 + e^−2x) − 1; absolute error below 5e-16.</summary>
    public static double Tanh(double x) => (2 * DeterministicMath.Sigmoid(2 * x)) - 1;

    [InlineArray(Lanes)]
    private struct LaneBuffer
    {
        private double _first;
    }
}
