namespace VertFed.Lattice;

/// <summary>A polynomial modulo t: N coefficients in [0, t). A mutable container; checked where it is used.</summary>
public sealed class Plaintext
{
    public Plaintext(LatticeParameters parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Parameters = parameters;
        Coefficients = new ulong[parameters.Degree];
    }

    public LatticeParameters Parameters { get; }

    /// <summary>N coefficients in [0, t), of X^0 upwards.</summary>
    public ulong[] Coefficients { get; }

    /// <summary>Uniform coefficients: a mask.</summary>
    public void FillRandom(Primitives.RandomStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        UniformSampler.FillBelow(stream, Parameters.PlainModulus, Coefficients);
    }

    /// <summary>Sets every coefficient to zero.</summary>
    public void Clear() => Array.Clear(Coefficients);

    /// <exception cref="LatticeException">A coefficient is not below t.</exception>
    internal void Check()
    {
        ulong excess = 0;
        foreach (ulong coefficient in Coefficients)
        {
            // The sign of t − 1 − c, or a set top bit, marks a coefficient out of range; no early exit, the values may be secret.
            excess |= (Parameters.PlainModulus - 1 - coefficient) | coefficient;
        }

        if (excess >> 63 != 0)
        {
            LatticeError.Malformed("plaintext", "a coefficient is not below t");
        }
    }
}
