namespace VertFed.Lattice;

/// <summary>
/// A polynomial modulo q: for each prime N loose residues in a row. Whether they are coefficients or evaluations the owner knows.
/// </summary>
internal sealed class RingElement
{
    private readonly double[] _residues;

    internal RingElement(LatticeParameters parameters, double[]? residues = null)
    {
        Parameters = parameters;
        _residues = residues ?? GC.AllocateArray<double>(parameters.Degree * parameters.PrimeCount, pinned: true);
    }

    internal LatticeParameters Parameters { get; }

    internal double[] Residues => _residues;

    internal Span<double> this[int prime] => _residues.AsSpan(prime * Parameters.Degree, Parameters.Degree);

    /// <summary>A polynomial with any content, to be given back.</summary>
    internal static RingElement Rent(LatticeParameters parameters) => new(parameters, parameters.Doubles.Rent());

    internal void Return(bool zero) => Parameters.Doubles.Return(_residues, zero);

    internal void Clear() => Array.Clear(_residues);

    internal void CopyFrom(RingElement other) => other._residues.CopyTo(_residues, 0);

    internal void ToEvaluations()
    {
        for (int i = 0; i < Parameters.PrimeCount; i++)
        {
            Parameters.Kernel.Forward(Parameters.Primes[i], this[i]);
        }
    }

    internal void ToCoefficients()
    {
        for (int i = 0; i < Parameters.PrimeCount; i++)
        {
            Parameters.Kernel.Inverse(Parameters.Primes[i], this[i]);
        }
    }

    internal void Add(RingElement other)
    {
        for (int i = 0; i < Parameters.PrimeCount; i++)
        {
            Parameters.Kernel.Add(Parameters.Primes[i], other[i], this[i]);
        }
    }

    /// <summary>this += a·b in evaluation form.</summary>
    internal void MultiplyAdd(RingElement a, RingElement b)
    {
        for (int i = 0; i < Parameters.PrimeCount; i++)
        {
            Parameters.Kernel.MultiplyAdd(Parameters.Primes[i], a[i], b[i], this[i]);
        }
    }

    /// <summary>this −= a·b in evaluation form.</summary>
    internal void MultiplySubtract(RingElement a, RingElement b)
    {
        for (int i = 0; i < Parameters.PrimeCount; i++)
        {
            Parameters.Kernel.MultiplySubtract(Parameters.Primes[i], a[i], b[i], this[i], this[i]);
        }
    }

    /// <summary>Writes the same small integers, |x| below every prime, as residues of every prime.</summary>
    internal void SetSmall(ReadOnlySpan<double> integers)
    {
        for (int i = 0; i < Parameters.PrimeCount; i++)
        {
            integers.CopyTo(this[i]);
        }
    }

    /// <summary>Adds the same small integers, |x| below every prime, modulo every prime.</summary>
    internal void AddSmall(ReadOnlySpan<double> integers)
    {
        for (int i = 0; i < Parameters.PrimeCount; i++)
        {
            Parameters.Kernel.Add(Parameters.Primes[i], integers, this[i]);
        }
    }

    internal void Canonicalise()
    {
        for (int i = 0; i < Parameters.PrimeCount; i++)
        {
            Parameters.Kernel.Canonicalise(Parameters.Primes[i], this[i]);
        }
    }
}
