using System.Runtime.CompilerServices;

namespace VertFed.Lattice;

/// <summary>One lane: the reference path, and the one for machines without wide vectors.</summary>
internal readonly struct ScalarLanes : ILanes<double>
{
    public static int LogCount => 0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Broadcast(double value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Load(ref double origin, nuint index) => Unsafe.Add(ref origin, index);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(double value, ref double origin, nuint index) => Unsafe.Add(ref origin, index) = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Add(double a, double b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Subtract(double a, double b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Multiply(double a, double b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double MultiplyAdd(double a, double b, double c) => Math.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double MultiplySubtract(double a, double b, double c) => Math.FusedMultiplyAdd(a, b, -c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double AddWhereNegative(double a, double b)
    {
        long mask = BitConverter.DoubleToInt64Bits(a) >> 63;
        return a + BitConverter.Int64BitsToDouble(BitConverter.DoubleToInt64Bits(b) & mask);
    }

    /// <summary>Without neighbours in a register no layer is left for the tail; only the final reduction is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ForwardTail(ref double block, ref double twiddle, ref double quotient, double prime) =>
        block = Residues<ScalarLanes, double>.Reduce(block, 1 / prime, -prime, Residues<ScalarLanes, double>.Rounder);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void InverseTail(ref double block, ref double twiddle, ref double quotient, double prime)
    {
    }
}
