using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VertFed.Lattice;

/// <summary>The pointwise operations over any lane count; lengths are multiples of the lane count, as degrees are.</summary>
internal sealed partial class Kernel<TLanes, TVector>(string name) : Kernel
    where TLanes : struct, ILanes<TVector>
    where TVector : struct
{
    internal override string Name => name;

    internal override int LogLanes => TLanes.LogCount;

    private static nuint Lanes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (nuint)1 << TLanes.LogCount;
    }

    private static TVector Rounder
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TLanes.Broadcast(Residues<TLanes, TVector>.Rounder);
    }

    internal override void MultiplyAdd(
        NttTables tables, ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> accumulator)
    {
        nuint length = CheckLengths(a.Length, b.Length, accumulator.Length);
        TVector minusPrime = TLanes.Broadcast(-tables.P), inverse = TLanes.Broadcast(tables.Inverse), rounder = Rounder;
        ref double pa = ref MemoryMarshal.GetReference(a);
        ref double pb = ref MemoryMarshal.GetReference(b);
        ref double sum = ref MemoryMarshal.GetReference(accumulator);
        for (nuint i = 0; i < length; i += Lanes)
        {
            TVector product = Residues<TLanes, TVector>.MultiplyVariable(
                TLanes.Load(ref pa, i), TLanes.Load(ref pb, i), inverse, minusPrime, rounder);
            TVector total = TLanes.Add(product, TLanes.Load(ref sum, i));
            TLanes.Store(Residues<TLanes, TVector>.Reduce(total, inverse, minusPrime, rounder), ref sum, i);
        }
    }

    internal override void Multiply(NttTables tables, ReadOnlySpan<double> a, Span<double> x)
    {
        nuint length = CheckLengths(a.Length, x.Length, x.Length);
        TVector minusPrime = TLanes.Broadcast(-tables.P), inverse = TLanes.Broadcast(tables.Inverse), rounder = Rounder;
        ref double pa = ref MemoryMarshal.GetReference(a);
        ref double px = ref MemoryMarshal.GetReference(x);
        for (nuint i = 0; i < length; i += Lanes)
        {
            TVector product = Residues<TLanes, TVector>.MultiplyVariable(
                TLanes.Load(ref pa, i), TLanes.Load(ref px, i), inverse, minusPrime, rounder);
            TLanes.Store(product, ref px, i);
        }
    }

    internal override void MultiplySubtract(
        NttTables tables, ReadOnlySpan<double> a, ReadOnlySpan<double> b, ReadOnlySpan<double> minuend, Span<double> destination)
    {
        nuint length = CheckLengths(a.Length, b.Length, destination.Length);
        CheckLengths(minuend.Length, a.Length, a.Length);
        TVector minusPrime = TLanes.Broadcast(-tables.P), inverse = TLanes.Broadcast(tables.Inverse), rounder = Rounder;
        ref double pa = ref MemoryMarshal.GetReference(a);
        ref double pb = ref MemoryMarshal.GetReference(b);
        ref double from = ref MemoryMarshal.GetReference(minuend);
        ref double to = ref MemoryMarshal.GetReference(destination);
        for (nuint i = 0; i < length; i += Lanes)
        {
            TVector product = Residues<TLanes, TVector>.MultiplyVariable(
                TLanes.Load(ref pa, i), TLanes.Load(ref pb, i), inverse, minusPrime, rounder);
            TVector difference = TLanes.Subtract(TLanes.Load(ref from, i), product);
            TLanes.Store(Residues<TLanes, TVector>.Reduce(difference, inverse, minusPrime, rounder), ref to, i);
        }
    }

    internal override void MultiplyAddConstant(
        NttTables tables, ReadOnlySpan<double> x, double constant, Span<double> accumulator)
    {
        nuint length = CheckLengths(x.Length, x.Length, accumulator.Length);
        TVector minusPrime = TLanes.Broadcast(-tables.P), inverse = TLanes.Broadcast(tables.Inverse), rounder = Rounder;
        TVector w = TLanes.Broadcast(constant), quotient = TLanes.Broadcast(constant / tables.P);
        ref double from = ref MemoryMarshal.GetReference(x);
        ref double sum = ref MemoryMarshal.GetReference(accumulator);
        for (nuint i = 0; i < length; i += Lanes)
        {
            TVector product = Residues<TLanes, TVector>.MultiplyConstant(TLanes.Load(ref from, i), w, quotient, minusPrime, rounder);
            TVector total = TLanes.Add(product, TLanes.Load(ref sum, i));
            TLanes.Store(Residues<TLanes, TVector>.Reduce(total, inverse, minusPrime, rounder), ref sum, i);
        }
    }

    internal override void MultiplyConstant(NttTables tables, double constant, Span<double> x)
    {
        nuint length = CheckLengths(x.Length, x.Length, x.Length);
        TVector minusPrime = TLanes.Broadcast(-tables.P), rounder = Rounder;
        TVector w = TLanes.Broadcast(constant), quotient = TLanes.Broadcast(constant / tables.P);
        ref double p = ref MemoryMarshal.GetReference(x);
        for (nuint i = 0; i < length; i += Lanes)
        {
            TLanes.Store(
                Residues<TLanes, TVector>.MultiplyConstant(TLanes.Load(ref p, i), w, quotient, minusPrime, rounder), ref p, i);
        }
    }

    internal override void Add(NttTables tables, ReadOnlySpan<double> x, Span<double> accumulator)
    {
        nuint length = CheckLengths(x.Length, x.Length, accumulator.Length);
        TVector minusPrime = TLanes.Broadcast(-tables.P), inverse = TLanes.Broadcast(tables.Inverse), rounder = Rounder;
        ref double from = ref MemoryMarshal.GetReference(x);
        ref double sum = ref MemoryMarshal.GetReference(accumulator);
        for (nuint i = 0; i < length; i += Lanes)
        {
            TVector total = TLanes.Add(TLanes.Load(ref from, i), TLanes.Load(ref sum, i));
            TLanes.Store(Residues<TLanes, TVector>.Reduce(total, inverse, minusPrime, rounder), ref sum, i);
        }
    }

    internal override void Canonicalise(NttTables tables, Span<double> x)
    {
        nuint length = CheckLengths(x.Length, x.Length, x.Length);
        TVector prime = TLanes.Broadcast(tables.P), inverse = TLanes.Broadcast(tables.Inverse);
        TVector minusPrime = TLanes.Broadcast(-tables.P), rounder = Rounder;
        ref double p = ref MemoryMarshal.GetReference(x);
        for (nuint i = 0; i < length; i += Lanes)
        {
            // Reduce leaves |r| <= p/2 + 1, so one addition of p where r is negative lands in [0, p).
            TVector r = Residues<TLanes, TVector>.Reduce(TLanes.Load(ref p, i), inverse, minusPrime, rounder);
            TLanes.Store(TLanes.AddWhereNegative(r, prime), ref p, i);
        }
    }

    internal override double DotExact(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        if (b.Length != a.Length)
        {
            LatticeError.Argument(nameof(b), "The vectors differ in length.");
        }

        ref double pa = ref MemoryMarshal.GetReference(a);
        ref double pb = ref MemoryMarshal.GetReference(b);
        nuint length = (nuint)a.Length, whole = length & ~(Lanes - 1), i = 0;
        TVector sum = TLanes.Broadcast(0);
        for (; i < whole; i += Lanes)
        {
            sum = TLanes.MultiplyAdd(TLanes.Load(ref pa, i), TLanes.Load(ref pb, i), sum);
        }

        Span<double> lanes = stackalloc double[(int)Lanes];
        TLanes.Store(sum, ref MemoryMarshal.GetReference(lanes), 0);
        double total = 0;
        foreach (double lane in lanes)
        {
            total += lane;
        }

        for (; i < length; i++)
        {
            total = Math.FusedMultiplyAdd(Unsafe.Add(ref pa, i), Unsafe.Add(ref pb, i), total);
        }

        return total;
    }

    private static nuint CheckLengths(int a, int b, int c)
    {
        if (a != b || a != c || (a & ((int)Lanes - 1)) != 0)
        {
            LatticeError.Argument("length", "The vectors differ in length or are no multiple of the lane count.");
        }

        return (nuint)a;
    }
}
