using VertFed.Lattice;

namespace VertFed.Vertical;

/// <summary>Vectors of residues modulo t.</summary>
internal static class Residues
{
    public static ulong[] FromSigned(long[] values)
    {
        ulong[] residues = new ulong[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            residues[i] = PlainField.FromSigned(values[i]);
        }

        return residues;
    }

    public static void AddTo(ulong[] accumulator, ulong[] values)
    {
        for (int i = 0; i < accumulator.Length; i++)
        {
            accumulator[i] = PlainField.Add(accumulator[i], values[i]);
        }
    }

    public static void SubtractFrom(ulong[] accumulator, ulong[] values)
    {
        for (int i = 0; i < accumulator.Length; i++)
        {
            accumulator[i] = PlainField.Subtract(accumulator[i], values[i]);
        }
    }
}
