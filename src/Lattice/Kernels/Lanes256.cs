using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VertFed.Lattice;

/// <summary>Four lanes: AVX2 with FMA where there is one, the portable 256-bit operations elsewhere.</summary>
internal readonly struct Lanes256 : ILanes<Vector256<double>>
{
    public static int LogCount => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Broadcast(double value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Load(ref double origin, nuint index) => Vector256.LoadUnsafe(ref origin, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<double> value, ref double origin, nuint index) => value.StoreUnsafe(ref origin, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Add(Vector256<double> a, Vector256<double> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Subtract(Vector256<double> a, Vector256<double> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Multiply(Vector256<double> a, Vector256<double> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> MultiplyAdd(Vector256<double> a, Vector256<double> b, Vector256<double> c) =>
        Vector256.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> MultiplySubtract(Vector256<double> a, Vector256<double> b, Vector256<double> c) =>
        Fma.IsSupported ? Fma.MultiplySubtract(a, b, c) : Vector256.FusedMultiplyAdd(a, b, -c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> AddWhereNegative(Vector256<double> a, Vector256<double> b) =>
        a + (Vector256.LessThan(a, Vector256<double>.Zero) & b);

    /// <summary>Transposes a 4×4 block held in four registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Transpose(
        ref Vector256<double> a, ref Vector256<double> b, ref Vector256<double> c, ref Vector256<double> d)
    {
        Vector256<double> ab0, ab1, cd0, cd1;
        if (Avx.IsSupported)
        {
            ab0 = Avx.UnpackLow(a, b);
            ab1 = Avx.UnpackHigh(a, b);
            cd0 = Avx.UnpackLow(c, d);
            cd1 = Avx.UnpackHigh(c, d);
            a = Avx.Permute2x128(ab0, cd0, 0x20);
            b = Avx.Permute2x128(ab1, cd1, 0x20);
            c = Avx.Permute2x128(ab0, cd0, 0x31);
            d = Avx.Permute2x128(ab1, cd1, 0x31);
            return;
        }

        ab0 = Vector256.Create(a[0], b[0], c[0], d[0]);
        ab1 = Vector256.Create(a[1], b[1], c[1], d[1]);
        cd0 = Vector256.Create(a[2], b[2], c[2], d[2]);
        cd1 = Vector256.Create(a[3], b[3], c[3], d[3]);
        (a, b, c, d) = (ab0, ab1, cd0, cd1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ForwardTail(ref double block, ref double twiddle, ref double quotient, double prime)
    {
        Vector256<double> minusPrime = Vector256.Create(-prime);
        Vector256<double> inverse = Vector256.Create(1 / prime);
        Vector256<double> rounder = Vector256.Create(Residues<Lanes256, Vector256<double>>.Rounder);
        Vector256<double> a = Load(ref block, 0), b = Load(ref block, 4), c = Load(ref block, 8), d = Load(ref block, 12);
        Transpose(ref a, ref b, ref c, ref d);

        // Stride 2, then stride 1: after the transposition register k holds element k of each row.
        a = Reduced(a, inverse, minusPrime, rounder);
        b = Reduced(b, inverse, minusPrime, rounder);
        c = Product(c, ref twiddle, ref quotient, 0, minusPrime, rounder);
        d = Product(d, ref twiddle, ref quotient, 0, minusPrime, rounder);
        (a, c) = (a + c, a - c);
        (b, d) = (b + d, b - d);
        b = Product(b, ref twiddle, ref quotient, 4, minusPrime, rounder);
        d = Product(d, ref twiddle, ref quotient, 8, minusPrime, rounder);
        (a, b) = (a + b, a - b);
        (c, d) = (c + d, c - d);

        Transpose(ref a, ref b, ref c, ref d);
        Store(Reduced(a, inverse, minusPrime, rounder), ref block, 0);
        Store(Reduced(b, inverse, minusPrime, rounder), ref block, 4);
        Store(Reduced(c, inverse, minusPrime, rounder), ref block, 8);
        Store(Reduced(d, inverse, minusPrime, rounder), ref block, 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void InverseTail(ref double block, ref double twiddle, ref double quotient, double prime)
    {
        Vector256<double> minusPrime = Vector256.Create(-prime);
        Vector256<double> inverse = Vector256.Create(1 / prime);
        Vector256<double> rounder = Vector256.Create(Residues<Lanes256, Vector256<double>>.Rounder);
        Vector256<double> a = Load(ref block, 0), b = Load(ref block, 4), c = Load(ref block, 8), d = Load(ref block, 12);
        Transpose(ref a, ref b, ref c, ref d);

        (a, b) = (a + b, Product(a - b, ref twiddle, ref quotient, 4, minusPrime, rounder));
        (c, d) = (c + d, Product(c - d, ref twiddle, ref quotient, 8, minusPrime, rounder));
        (a, c) = (Reduced(a + c, inverse, minusPrime, rounder), Product(a - c, ref twiddle, ref quotient, 0, minusPrime, rounder));
        (b, d) = (Reduced(b + d, inverse, minusPrime, rounder), Product(b - d, ref twiddle, ref quotient, 0, minusPrime, rounder));

        Transpose(ref a, ref b, ref c, ref d);
        Store(a, ref block, 0);
        Store(b, ref block, 4);
        Store(c, ref block, 8);
        Store(d, ref block, 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Product(
        Vector256<double> x, ref double w, ref double q, nuint index, Vector256<double> minusPrime, Vector256<double> rounder) =>
        Residues<Lanes256, Vector256<double>>.MultiplyConstant(x, Load(ref w, index), Load(ref q, index), minusPrime, rounder);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Reduced(
        Vector256<double> x, Vector256<double> inverse, Vector256<double> minusPrime, Vector256<double> rounder) =>
        Residues<Lanes256, Vector256<double>>.Reduce(x, inverse, minusPrime, rounder);
}
