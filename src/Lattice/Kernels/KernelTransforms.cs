using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VertFed.Lattice;

/// <summary>
/// The negacyclic transforms: two layers a pass; the first pass over everything, then each quarter to the end, so that the
/// quarter (16 kB at N = 8192) stays in the first-level cache.
/// </summary>
/// <remarks>
/// Bounds, in units of p, of the forward layers (Cooley–Tukey: X ± w·Y, no reduction in between): b → b + 1/2 + b/16.
/// From 1: 1.57, 2.17, 2.80, 3.48; the unmultiplied inputs are reduced at layers 4, 8, 12 and in the first layer of the tail, which
/// gives 1/2 + 1/2 + b/16 ≤ 1.25 again. So inputs of products stay below 4, as the rounding demands, for every degree up to 2^15.
/// Inverse layers (Gentleman–Sande: X + Y, (X − Y)·w), two at a time from b ≤ 1: differences reach 4 before their product,
/// which gives 3/4; sums are reduced at the end of each pass.
/// </remarks>
internal sealed partial class Kernel<TLanes, TVector>
{
    internal override void Forward(NttTables tables, Span<double> x)
    {
        CheckDegree(tables, x);
        int mainLayers = tables.LogDegree - TLanes.LogCount;
        ref double origin = ref MemoryMarshal.GetReference(x);
        int first = 0;
        if (mainLayers >= 2)
        {
            ForwardQuad(tables, ref origin, 0, 0, 1);
            first = 2;
        }

        int quarter = tables.Degree >> first;
        for (int block = 0; block < 1 << first; block++)
        {
            int layer = first;
            for (; layer + 2 <= mainLayers; layer += 2)
            {
                ForwardQuad(tables, ref origin, layer, block << (layer - first), 1 << (layer - first));
            }

            if (layer < mainLayers)
            {
                ForwardPair(tables, ref origin, layer, block << (layer - first), 1 << (layer - first));
            }

            Tails(tables, ref origin, block * quarter, quarter, forward: true);
        }
    }

    internal override void Inverse(NttTables tables, Span<double> x)
    {
        CheckDegree(tables, x);
        int mainLayers = tables.LogDegree - TLanes.LogCount;
        ref double origin = ref MemoryMarshal.GetReference(x);
        int first = mainLayers >= 2 ? 2 : 0;
        int quarter = tables.Degree >> first;
        for (int block = 0; block < 1 << first; block++)
        {
            Tails(tables, ref origin, block * quarter, quarter, forward: false);
            int layer = mainLayers;
            if (((mainLayers - first) & 1) != 0)
            {
                layer--;
                InversePair(tables, ref origin, layer, block << (layer - first), 1 << (layer - first));
            }

            for (layer -= 2; layer >= first; layer -= 2)
            {
                InverseQuad(tables, ref origin, layer, block << (layer - first), 1 << (layer - first));
            }
        }

        if (first == 2)
        {
            InverseLastQuad(tables, ref origin);
        }
        else
        {
            MultiplyConstant(tables, tables.DegreeInverse, x);
        }
    }

    private static void CheckDegree(NttTables tables, Span<double> x)
    {
        if (x.Length != tables.Degree || tables.LogDegree < 2 * TLanes.LogCount)
        {
            LatticeError.Argument(nameof(x), "The polynomial does not have the degree of its tables.");
        }
    }

    /// <summary>Layers <paramref name="layer"/> and the next, on groups firstGroup … firstGroup + groups − 1 of the former.</summary>
    private static void ForwardQuad(NttTables tables, ref double origin, int layer, int firstGroup, int groups)
    {
        TVector minusPrime = TLanes.Broadcast(-tables.P), inverse = TLanes.Broadcast(tables.Inverse), rounder = Rounder;
        nuint stride = (nuint)tables.Degree >> (layer + 2);
        bool reduce = layer > 0 && (layer & 3) == 0;
        ref double w = ref MemoryMarshal.GetArrayDataReference(tables.Forward);
        ref double v = ref MemoryMarshal.GetArrayDataReference(tables.ForwardQuotients);
        for (int group = firstGroup; group < firstGroup + groups; group++)
        {
            int outer = (1 << layer) + group, inner = 2 * outer;
            TVector w1 = TLanes.Broadcast(Unsafe.Add(ref w, outer)), q1 = TLanes.Broadcast(Unsafe.Add(ref v, outer));
            TVector w2 = TLanes.Broadcast(Unsafe.Add(ref w, inner)), q2 = TLanes.Broadcast(Unsafe.Add(ref v, inner));
            TVector w3 = TLanes.Broadcast(Unsafe.Add(ref w, inner + 1)), q3 = TLanes.Broadcast(Unsafe.Add(ref v, inner + 1));
            ref double p0 = ref Unsafe.Add(ref origin, (nuint)group * 4 * stride);
            ref double p1 = ref Unsafe.Add(ref p0, stride);
            ref double p2 = ref Unsafe.Add(ref p1, stride);
            ref double p3 = ref Unsafe.Add(ref p2, stride);
            for (nuint j = 0; j < stride; j += Lanes)
            {
                TVector a = TLanes.Load(ref p0, j), b = TLanes.Load(ref p1, j);
                if (reduce)
                {
                    a = Residues<TLanes, TVector>.Reduce(a, inverse, minusPrime, rounder);
                    b = Residues<TLanes, TVector>.Reduce(b, inverse, minusPrime, rounder);
                }

                TVector c = Residues<TLanes, TVector>.MultiplyConstant(TLanes.Load(ref p2, j), w1, q1, minusPrime, rounder);
                TVector d = Residues<TLanes, TVector>.MultiplyConstant(TLanes.Load(ref p3, j), w1, q1, minusPrime, rounder);
                TVector ac = TLanes.Add(a, c);
                c = TLanes.Subtract(a, c);
                TVector bd = Residues<TLanes, TVector>.MultiplyConstant(TLanes.Add(b, d), w2, q2, minusPrime, rounder);
                d = Residues<TLanes, TVector>.MultiplyConstant(TLanes.Subtract(b, d), w3, q3, minusPrime, rounder);
                TLanes.Store(TLanes.Add(ac, bd), ref p0, j);
                TLanes.Store(TLanes.Subtract(ac, bd), ref p1, j);
                TLanes.Store(TLanes.Add(c, d), ref p2, j);
                TLanes.Store(TLanes.Subtract(c, d), ref p3, j);
            }
        }
    }

    private static void ForwardPair(NttTables tables, ref double origin, int layer, int firstGroup, int groups)
    {
        TVector minusPrime = TLanes.Broadcast(-tables.P), inverse = TLanes.Broadcast(tables.Inverse), rounder = Rounder;
        nuint stride = (nuint)tables.Degree >> (layer + 1);
        bool reduce = layer > 0 && (layer & 3) == 0;
        for (int group = firstGroup; group < firstGroup + groups; group++)
        {
            int index = (1 << layer) + group;
            TVector w = TLanes.Broadcast(tables.Forward[index]), q = TLanes.Broadcast(tables.ForwardQuotients[index]);
            ref double p0 = ref Unsafe.Add(ref origin, (nuint)group * 2 * stride);
            ref double p1 = ref Unsafe.Add(ref p0, stride);
            for (nuint j = 0; j < stride; j += Lanes)
            {
                TVector a = TLanes.Load(ref p0, j);
                if (reduce)
                {
                    a = Residues<TLanes, TVector>.Reduce(a, inverse, minusPrime, rounder);
                }

                TVector b = Residues<TLanes, TVector>.MultiplyConstant(TLanes.Load(ref p1, j), w, q, minusPrime, rounder);
                TLanes.Store(TLanes.Add(a, b), ref p0, j);
                TLanes.Store(TLanes.Subtract(a, b), ref p1, j);
            }
        }
    }

    private static void InverseQuad(NttTables tables, ref double origin, int layer, int firstGroup, int groups)
    {
        TVector minusPrime = TLanes.Broadcast(-tables.P), inverse = TLanes.Broadcast(tables.Inverse), rounder = Rounder;
        nuint stride = (nuint)tables.Degree >> (layer + 2);
        ref double w = ref MemoryMarshal.GetArrayDataReference(tables.Backward);
        ref double v = ref MemoryMarshal.GetArrayDataReference(tables.BackwardQuotients);
        for (int group = firstGroup; group < firstGroup + groups; group++)
        {
            int outer = (1 << layer) + group, inner = 2 * outer;
            TVector w1 = TLanes.Broadcast(Unsafe.Add(ref w, outer)), q1 = TLanes.Broadcast(Unsafe.Add(ref v, outer));
            TVector w2 = TLanes.Broadcast(Unsafe.Add(ref w, inner)), q2 = TLanes.Broadcast(Unsafe.Add(ref v, inner));
            TVector w3 = TLanes.Broadcast(Unsafe.Add(ref w, inner + 1)), q3 = TLanes.Broadcast(Unsafe.Add(ref v, inner + 1));
            ref double p0 = ref Unsafe.Add(ref origin, (nuint)group * 4 * stride);
            ref double p1 = ref Unsafe.Add(ref p0, stride);
            ref double p2 = ref Unsafe.Add(ref p1, stride);
            ref double p3 = ref Unsafe.Add(ref p2, stride);
            for (nuint j = 0; j < stride; j += Lanes)
            {
                TVector a = TLanes.Load(ref p0, j), b = TLanes.Load(ref p1, j), c = TLanes.Load(ref p2, j), d = TLanes.Load(ref p3, j);
                TVector ab = TLanes.Add(a, b), cd = TLanes.Add(c, d);
                b = Residues<TLanes, TVector>.MultiplyConstant(TLanes.Subtract(a, b), w2, q2, minusPrime, rounder);
                d = Residues<TLanes, TVector>.MultiplyConstant(TLanes.Subtract(c, d), w3, q3, minusPrime, rounder);
                TLanes.Store(Residues<TLanes, TVector>.Reduce(TLanes.Add(ab, cd), inverse, minusPrime, rounder), ref p0, j);
                TLanes.Store(Residues<TLanes, TVector>.Reduce(TLanes.Add(b, d), inverse, minusPrime, rounder), ref p1, j);
                TLanes.Store(
                    Residues<TLanes, TVector>.MultiplyConstant(TLanes.Subtract(ab, cd), w1, q1, minusPrime, rounder), ref p2, j);
                TLanes.Store(
                    Residues<TLanes, TVector>.MultiplyConstant(TLanes.Subtract(b, d), w1, q1, minusPrime, rounder), ref p3, j);
            }
        }
    }

    /// <summary>The last two layers, with 1/N in the place of the reductions and in the last twiddle.</summary>
    private static void InverseLastQuad(NttTables tables, ref double origin)
    {
        TVector minusPrime = TLanes.Broadcast(-tables.P), rounder = Rounder;
        TVector n = TLanes.Broadcast(tables.DegreeInverse), qn = TLanes.Broadcast(tables.DegreeInverse / tables.P);
        TVector w1 = TLanes.Broadcast(tables.LastTwiddle), q1 = TLanes.Broadcast(tables.LastTwiddle / tables.P);
        TVector w2 = TLanes.Broadcast(tables.Backward[2]), q2 = TLanes.Broadcast(tables.BackwardQuotients[2]);
        TVector w3 = TLanes.Broadcast(tables.Backward[3]), q3 = TLanes.Broadcast(tables.BackwardQuotients[3]);
        nuint stride = (nuint)tables.Degree >> 2;
        ref double p1 = ref Unsafe.Add(ref origin, stride);
        ref double p2 = ref Unsafe.Add(ref p1, stride);
        ref double p3 = ref Unsafe.Add(ref p2, stride);
        for (nuint j = 0; j < stride; j += Lanes)
        {
            TVector a = TLanes.Load(ref origin, j), b = TLanes.Load(ref p1, j), c = TLanes.Load(ref p2, j), d = TLanes.Load(ref p3, j);
            TVector ab = TLanes.Add(a, b), cd = TLanes.Add(c, d);
            b = Residues<TLanes, TVector>.MultiplyConstant(TLanes.Subtract(a, b), w2, q2, minusPrime, rounder);
            d = Residues<TLanes, TVector>.MultiplyConstant(TLanes.Subtract(c, d), w3, q3, minusPrime, rounder);
            TLanes.Store(Residues<TLanes, TVector>.MultiplyConstant(TLanes.Add(ab, cd), n, qn, minusPrime, rounder), ref origin, j);
            TLanes.Store(Residues<TLanes, TVector>.MultiplyConstant(TLanes.Add(b, d), n, qn, minusPrime, rounder), ref p1, j);
            TLanes.Store(Residues<TLanes, TVector>.MultiplyConstant(TLanes.Subtract(ab, cd), w1, q1, minusPrime, rounder), ref p2, j);
            TLanes.Store(Residues<TLanes, TVector>.MultiplyConstant(TLanes.Subtract(b, d), w1, q1, minusPrime, rounder), ref p3, j);
        }
    }

    private static void InversePair(NttTables tables, ref double origin, int layer, int firstGroup, int groups)
    {
        TVector minusPrime = TLanes.Broadcast(-tables.P), inverse = TLanes.Broadcast(tables.Inverse), rounder = Rounder;
        nuint stride = (nuint)tables.Degree >> (layer + 1);
        for (int group = firstGroup; group < firstGroup + groups; group++)
        {
            int index = (1 << layer) + group;
            TVector w = TLanes.Broadcast(tables.Backward[index]), q = TLanes.Broadcast(tables.BackwardQuotients[index]);
            ref double p0 = ref Unsafe.Add(ref origin, (nuint)group * 2 * stride);
            ref double p1 = ref Unsafe.Add(ref p0, stride);
            for (nuint j = 0; j < stride; j += Lanes)
            {
                TVector a = TLanes.Load(ref p0, j), b = TLanes.Load(ref p1, j);
                TLanes.Store(Residues<TLanes, TVector>.Reduce(TLanes.Add(a, b), inverse, minusPrime, rounder), ref p0, j);
                TLanes.Store(
                    Residues<TLanes, TVector>.MultiplyConstant(TLanes.Subtract(a, b), w, q, minusPrime, rounder), ref p1, j);
            }
        }
    }

    private static void Tails(NttTables tables, ref double origin, int start, int length, bool forward)
    {
        nuint block = Lanes * Lanes;
        nuint twiddles = Lanes == 1 ? 1 : (Lanes - 1) * Lanes;
        nuint number = (nuint)start / block;
        ref double w = ref MemoryMarshal.GetArrayDataReference(forward ? tables.ForwardTail : tables.BackwardTail);
        ref double q = ref MemoryMarshal.GetArrayDataReference(forward ? tables.ForwardTailQuotients : tables.BackwardTailQuotients);
        for (nuint last = (nuint)(start + length) / block; number < last; number++)
        {
            ref double at = ref Unsafe.Add(ref origin, number * block);
            ref double tw = ref Unsafe.Add(ref w, number * twiddles);
            ref double tq = ref Unsafe.Add(ref q, number * twiddles);
            if (forward)
            {
                TLanes.ForwardTail(ref at, ref tw, ref tq, tables.P);
            }
            else
            {
                TLanes.InverseTail(ref at, ref tw, ref tq, tables.P);
            }
        }
    }
}
