using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VertFed.Models;

/// <summary>
/// Sums and dot products in one fixed order: 32 lanes, element i goes to lane i mod 32, lanes are folded by halves. The vector
/// and scalar paths do the same operations, so they give the same bits.
/// </summary>
public static class Reductions
{
    /// <summary>Number of independent partial sums.</summary>
    public const int Lanes = 32;

    /// <summary>Σ a_i b_i, one fused multiply-add per element.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        if (a.Length != b.Length)
        {
            throw new ArgumentException("A dot product takes two vectors of one length.", nameof(b));
        }

        return Vector512.IsHardwareAccelerated ? DotVector512(a, b)
            : Vector256.IsHardwareAccelerated && Fma.IsSupported ? DotVector256(a, b)
            : DotScalar(a, b);
    }

    /// <summary>Σ a_i.</summary>
    public static double Sum(ReadOnlySpan<double> a)
    {
        Span<double> lanes = stackalloc double[Lanes];
        lanes.Clear();
        int i = 0;
        for (; i + Lanes <= a.Length; i += Lanes)
        {
            for (int lane = 0; lane < Lanes; lane += 4)
            {
                // Vector256 addition is lane-wise IEEE addition wherever it runs.
                Vector256<double> sum = Vector256.Create<double>(lanes[lane..]) + Vector256.Create(a[(i + lane)..]);
                sum.CopyTo(lanes[lane..]);
            }
        }

        for (int lane = 0; i < a.Length; i++, lane++)
        {
            lanes[lane] += a[i];
        }

        return Fold(lanes);
    }

    /// <summary>y_i = fma(factor, x_i, y_i).</summary>
    public static void MultiplyAdd(double factor, ReadOnlySpan<double> x, Span<double> y)
    {
        int i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<double> f = Vector512.Create(factor);
            for (; i + 8 <= x.Length; i += 8)
            {
                Vector512.FusedMultiplyAdd(f, Vector512.Create(x[i..]), Vector512.Create<double>(y[i..])).CopyTo(y[i..]);
            }
        }
        else if (Fma.IsSupported)
        {
            Vector256<double> f = Vector256.Create(factor);
            for (; i + 4 <= x.Length; i += 4)
            {
                Fma.MultiplyAdd(f, Vector256.Create(x[i..]), Vector256.Create<double>(y[i..])).CopyTo(y[i..]);
            }
        }

        for (; i < x.Length; i++)
        {
            y[i] = Math.FusedMultiplyAdd(factor, x[i], y[i]);
        }
    }

    /// <summary>Exact conversion of 32-bit integers.</summary>
    public static void ToDouble(ReadOnlySpan<int> source, Span<double> destination)
    {
        int i = 0;
        if (Avx512F.IsSupported)
        {
            for (; i + 8 <= source.Length; i += 8)
            {
                Avx512F.ConvertToVector512Double(Vector256.Create(source[i..])).CopyTo(destination[i..]);
            }
        }
        else if (Avx.IsSupported)
        {
            for (; i + 4 <= source.Length; i += 4)
            {
                Avx.ConvertToVector256Double(Vector128.Create(source[i..])).CopyTo(destination[i..]);
            }
        }

        for (; i < source.Length; i++)
        {
            destination[i] = source[i];
        }
    }

    internal static double DotScalar(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        Span<double> lanes = stackalloc double[Lanes];
        lanes.Clear();
        for (int i = 0; i < a.Length; i++)
        {
            lanes[i % Lanes] = Math.FusedMultiplyAdd(a[i], b[i], lanes[i % Lanes]);
        }

        return Fold(lanes);
    }

    internal static double DotVector256(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        Span<double> lanes = stackalloc double[Lanes];
        lanes.Clear();
        int whole = a.Length - (a.Length % Lanes);
        ref double pa = ref MemoryMarshal.GetReference(a);
        ref double pb = ref MemoryMarshal.GetReference(b);
        Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default, s4 = default, s5 = default, s6 = default, s7 = default;
        for (nuint i = 0; i < (nuint)whole; i += Lanes)
        {
            s0 = Step256(ref pa, ref pb, i, s0);
            s1 = Step256(ref pa, ref pb, i + 4, s1);
            s2 = Step256(ref pa, ref pb, i + 8, s2);
            s3 = Step256(ref pa, ref pb, i + 12, s3);
            s4 = Step256(ref pa, ref pb, i + 16, s4);
            s5 = Step256(ref pa, ref pb, i + 20, s5);
            s6 = Step256(ref pa, ref pb, i + 24, s6);
            s7 = Step256(ref pa, ref pb, i + 28, s7);
        }

        s0.CopyTo(lanes);
        s1.CopyTo(lanes[4..]);
        s2.CopyTo(lanes[8..]);
        s3.CopyTo(lanes[12..]);
        s4.CopyTo(lanes[16..]);
        s5.CopyTo(lanes[20..]);
        s6.CopyTo(lanes[24..]);
        s7.CopyTo(lanes[28..]);
        return Finish(a, b, whole, lanes);
    }

    internal static double DotVector512(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        Span<double> lanes = stackalloc double[Lanes];
        lanes.Clear();
        int whole = a.Length - (a.Length % Lanes);
        ref double pa = ref MemoryMarshal.GetReference(a);
        ref double pb = ref MemoryMarshal.GetReference(b);
        Vector512<double> s0 = default, s1 = default, s2 = default, s3 = default;
        for (nuint i = 0; i < (nuint)whole; i += Lanes)
        {
            s0 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref pa, i), Vector512.LoadUnsafe(ref pb, i), s0);
            s1 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref pa, i + 8), Vector512.LoadUnsafe(ref pb, i + 8), s1);
            s2 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref pa, i + 16), Vector512.LoadUnsafe(ref pb, i + 16), s2);
            s3 = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref pa, i + 24), Vector512.LoadUnsafe(ref pb, i + 24), s3);
        }

        s0.CopyTo(lanes);
        s1.CopyTo(lanes[8..]);
        s2.CopyTo(lanes[16..]);
        s3.CopyTo(lanes[24..]);
        return Finish(a, b, whole, lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Step256(ref double a, ref double b, nuint offset, Vector256<double> sum) =>
        Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref a, offset), Vector256.LoadUnsafe(ref b, offset), sum);

    private static double Finish(ReadOnlySpan<double> a, ReadOnlySpan<double> b, int start, Span<double> lanes)
    {
        for (int i = start; i < a.Length; i++)
        {
            lanes[i - start] = Math.FusedMultiplyAdd(a[i], b[i], lanes[i - start]);
        }

        return Fold(lanes);
    }

    private static double Fold(Span<double> lanes)
    {
        for (int half = Lanes / 2; half > 0; half /= 2)
        {
            for (int i = 0; i < half; i++)
            {
                lanes[i] += lanes[i + half];
            }
        }

        return lanes[0];
    }
}
