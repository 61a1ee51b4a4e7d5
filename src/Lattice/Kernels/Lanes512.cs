using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VertFed.Lattice;

/// <summary>Eight lanes: AVX-512F where there is one; the portable operations elsewhere, so that tests can run this path anywhere.</summary>
internal readonly struct Lanes512 : ILanes<Vector512<double>>
{
    public static int LogCount => 3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Broadcast(double value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Load(ref double origin, nuint index) => Vector512.LoadUnsafe(ref origin, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<double> value, ref double origin, nuint index) => value.StoreUnsafe(ref origin, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Add(Vector512<double> a, Vector512<double> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Subtract(Vector512<double> a, Vector512<double> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> Multiply(Vector512<double> a, Vector512<double> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> MultiplyAdd(Vector512<double> a, Vector512<double> b, Vector512<double> c) =>
        Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> MultiplySubtract(Vector512<double> a, Vector512<double> b, Vector512<double> c) =>
        Avx512F.IsSupported ? Avx512F.FusedMultiplySubtract(a, b, c) : Vector512.FusedMultiplyAdd(a, b, -c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<double> AddWhereNegative(Vector512<double> a, Vector512<double> b) =>
        a + (Vector512.LessThan(a, Vector512<double>.Zero) & b);

    [SkipLocalsInit]
    public static void ForwardTail(ref double block, ref double twiddle, ref double quotient, double prime)
    {
        Vector512<double> minusPrime = Vector512.Create(-prime);
        Vector512<double> inverse = Vector512.Create(1 / prime);
        Vector512<double> rounder = Vector512.Create(Residues<Lanes512, Vector512<double>>.Rounder);
        Registers v = default;
        v.LoadTransposed(ref block);

        for (int k = 0; k < 4; k++)
        {
            // Stride 4.
            Vector512<double> x = Residues<Lanes512, Vector512<double>>.Reduce(v[k], inverse, minusPrime, rounder);
            Vector512<double> y = Product(v[k + 4], ref twiddle, ref quotient, 0, minusPrime, rounder);
            (v[k], v[k + 4]) = (x + y, x - y);
        }

        for (int k = 0; k < 4; k++)
        {
            // Stride 2: pairs (0,2), (1,3), (4,6), (5,7); the group within a row picks the twiddle register.
            int low = ((k & 2) << 1) | (k & 1);
            Vector512<double> y = Product(v[low + 2], ref twiddle, ref quotient, (nuint)(1 + (k >> 1)) * 8, minusPrime, rounder);
            (v[low], v[low + 2]) = (v[low] + y, v[low] - y);
        }

        for (int k = 0; k < 4; k++)
        {
            // Stride 1.
            Vector512<double> y = Product(v[(2 * k) + 1], ref twiddle, ref quotient, (nuint)(3 + k) * 8, minusPrime, rounder);
            (v[2 * k], v[(2 * k) + 1]) = (v[2 * k] + y, v[2 * k] - y);
        }

        for (int k = 0; k < 8; k++)
        {
            v[k] = Residues<Lanes512, Vector512<double>>.Reduce(v[k], inverse, minusPrime, rounder);
        }

        v.StoreTransposed(ref block);
    }

    [SkipLocalsInit]
    public static void InverseTail(ref double block, ref double twiddle, ref double quotient, double prime)
    {
        Vector512<double> minusPrime = Vector512.Create(-prime);
        Vector512<double> inverse = Vector512.Create(1 / prime);
        Vector512<double> rounder = Vector512.Create(Residues<Lanes512, Vector512<double>>.Rounder);
        Registers v = default;
        v.LoadTransposed(ref block);

        for (int k = 0; k < 4; k++)
        {
            Vector512<double> x = v[2 * k], y = v[(2 * k) + 1];
            v[2 * k] = x + y;
            v[(2 * k) + 1] = Product(x - y, ref twiddle, ref quotient, (nuint)(3 + k) * 8, minusPrime, rounder);
        }

        for (int k = 0; k < 4; k++)
        {
            int low = ((k & 2) << 1) | (k & 1);
            Vector512<double> x = v[low], y = v[low + 2];
            v[low] = Residues<Lanes512, Vector512<double>>.Reduce(x + y, inverse, minusPrime, rounder);
            v[low + 2] = Product(x - y, ref twiddle, ref quotient, (nuint)(1 + (k >> 1)) * 8, minusPrime, rounder);
        }

        for (int k = 0; k < 4; k++)
        {
            Vector512<double> x = v[k], y = v[k + 4];
            v[k] = Residues<Lanes512, Vector512<double>>.Reduce(x + y, inverse, minusPrime, rounder);
            v[k + 4] = Product(x - y, ref twiddle, ref quotient, 0, minusPrime, rounder);
        }

        v.StoreTransposed(ref block);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Product(
        Vector512<double> x, ref double w, ref double q, nuint index, Vector512<double> minusPrime, Vector512<double> rounder) =>
        Residues<Lanes512, Vector512<double>>.MultiplyConstant(x, Load(ref w, index), Load(ref q, index), minusPrime, rounder);

    /// <summary>An 8×8 block, transposed as four 4×4 blocks.</summary>
    [InlineArray(8)]
    private struct Registers
    {
        private Vector512<double> _first;

        public void LoadTransposed(ref double block)
        {
            for (int half = 0; half < 2; half++)
            {
                // Columns 4·half..4·half+3 of all eight rows become registers 4·half..4·half+3.
                nuint column = (nuint)half * 4;
                Vector256<double> a = Vector256.LoadUnsafe(ref block, column);
                Vector256<double> b = Vector256.LoadUnsafe(ref block, column + 8);
                Vector256<double> c = Vector256.LoadUnsafe(ref block, column + 16);
                Vector256<double> d = Vector256.LoadUnsafe(ref block, column + 24);
                Lanes256.Transpose(ref a, ref b, ref c, ref d);
                Vector256<double> e = Vector256.LoadUnsafe(ref block, column + 32);
                Vector256<double> f = Vector256.LoadUnsafe(ref block, column + 40);
                Vector256<double> g = Vector256.LoadUnsafe(ref block, column + 48);
                Vector256<double> h = Vector256.LoadUnsafe(ref block, column + 56);
                Lanes256.Transpose(ref e, ref f, ref g, ref h);
                this[(4 * half) + 0] = Vector512.Create(a, e);
                this[(4 * half) + 1] = Vector512.Create(b, f);
                this[(4 * half) + 2] = Vector512.Create(c, g);
                this[(4 * half) + 3] = Vector512.Create(d, h);
            }
        }

        public readonly void StoreTransposed(ref double block)
        {
            for (int half = 0; half < 2; half++)
            {
                nuint column = (nuint)half * 4;
                Vector512<double> v0 = this[4 * half], v1 = this[(4 * half) + 1], v2 = this[(4 * half) + 2], v3 = this[(4 * half) + 3];
                Vector256<double> a = v0.GetLower(), b = v1.GetLower(), c = v2.GetLower(), d = v3.GetLower();
                Lanes256.Transpose(ref a, ref b, ref c, ref d);
                a.StoreUnsafe(ref block, column);
                b.StoreUnsafe(ref block, column + 8);
                c.StoreUnsafe(ref block, column + 16);
                d.StoreUnsafe(ref block, column + 24);
                a = v0.GetUpper();
                b = v1.GetUpper();
                c = v2.GetUpper();
                d = v3.GetUpper();
                Lanes256.Transpose(ref a, ref b, ref c, ref d);
                a.StoreUnsafe(ref block, column + 32);
                b.StoreUnsafe(ref block, column + 40);
                c.StoreUnsafe(ref block, column + 48);
                d.StoreUnsafe(ref block, column + 56);
            }
        }
    }
}
