namespace VertFed.Lattice;

/// <summary>(c0, c1) modulo q, both in evaluation form: c0 + c1·s = round(q·m/t) + noise. Immutable.</summary>
public sealed class Ciphertext
{
    internal Ciphertext(RingElement first, RingElement second)
    {
        First = first;
        Second = second;
    }

    public LatticeParameters Parameters => First.Parameters;

    internal RingElement First { get; }

    internal RingElement Second { get; }

    /// <summary>The encryption of the sum; the noises add.</summary>
    public static Ciphertext Add(Ciphertext a, Ciphertext b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        LatticeError.CheckSame(a.Parameters, b.Parameters);
        RingElement first = new(a.Parameters), second = new(a.Parameters);
        first.CopyFrom(a.First);
        first.Add(b.First);
        second.CopyFrom(a.Second);
        second.Add(b.Second);
        return new Ciphertext(first, second);
    }
}
