using System.Runtime.Intrinsics;

namespace VertFed.Lattice;

/// <summary>
/// Vector arithmetic modulo one prime of the chain on loose residues (integers |x| ≤ p held in doubles). Every
/// implementation gives the same residues.
/// </summary>
internal abstract class Kernel
{
    /// <summary>Below this degree the transposed tail would not fit the reduction schedule; the scalar path serves.</summary>
    internal const int MinimumVectorDegree = 256;

    internal static Kernel Scalar { get; } = new Kernel<ScalarLanes, double>("scalar");

    internal static Kernel Wide256 { get; } = new Kernel<Lanes256, Vector256<double>>("256-bit");

    internal static Kernel Wide512 { get; } = new Kernel<Lanes512, Vector512<double>>("512-bit");

    /// <summary>The widest path that the machine runs in hardware.</summary>
    internal static Kernel Best { get; } =
        Vector512.IsHardwareAccelerated ? Wide512 : Vector256.IsHardwareAccelerated ? Wide256 : Scalar;

    internal abstract string Name { get; }

    internal abstract int LogLanes { get; }

    internal static Kernel For(int degree) => degree < MinimumVectorDegree ? Scalar : Best;

    /// <summary>Coefficients to evaluations, in place; input |x| ≤ p, output |x| ≤ p/2 + 1 in bit-reversed order.</summary>
    internal abstract void Forward(NttTables tables, Span<double> x);

    /// <summary>Evaluations to coefficients, in place, including the factor 1/N; input |x| ≤ p, output |x| ≤ 3p/4.</summary>
    internal abstract void Inverse(NttTables tables, Span<double> x);

    /// <summary>accumulator += a·b, entry by entry.</summary>
    internal abstract void MultiplyAdd(NttTables tables, ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> accumulator);

    /// <summary>x = x·a, entry by entry.</summary>
    internal abstract void Multiply(NttTables tables, ReadOnlySpan<double> a, Span<double> x);

    /// <summary>accumulator += x·constant, |x| ≤ 4p, constant centred.</summary>
    internal abstract void MultiplyAddConstant(NttTables tables, ReadOnlySpan<double> x, double constant, Span<double> accumulator);

    /// <summary>x = x·constant, |x| ≤ 4p, constant centred.</summary>
    internal abstract void MultiplyConstant(NttTables tables, double constant, Span<double> x);

    /// <summary>accumulator += x, |x| ≤ 4p.</summary>
    internal abstract void Add(NttTables tables, ReadOnlySpan<double> x, Span<double> accumulator);

    /// <summary>destination = minuend − a·b, entry by entry; destination may be the minuend.</summary>
    internal abstract void MultiplySubtract(
        NttTables tables, ReadOnlySpan<double> a, ReadOnlySpan<double> b, ReadOnlySpan<double> minuend, Span<double> destination);

    /// <summary>Brings loose residues to [0, p), in place.</summary>
    internal abstract void Canonicalise(NttTables tables, Span<double> x);

    /// <summary>Σ a_i·b_i for integers whose sum of |a_i·b_i| stays below 2^53, hence exact in any order.</summary>
    internal abstract double DotExact(ReadOnlySpan<double> a, ReadOnlySpan<double> b);
}
