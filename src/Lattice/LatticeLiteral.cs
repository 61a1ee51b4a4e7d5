using System.Collections.Immutable;
using System.Globalization;

namespace VertFed.Lattice;

/// <summary>Lattice parameters as they are written down, unchecked; <see cref="LatticeParameters"/> is what code runs on.</summary>
/// <param name="Degree">N: the ring is Z[X]/(X^N + 1).</param>
/// <param name="PlainModulus">t, a prime that is 1 modulo 2N and below 2^58.</param>
/// <param name="Primes">The primes of q, each 1 modulo 2N and below 2^50, without repetition.</param>
public sealed record LatticeLiteral(int Degree, ulong PlainModulus, ImmutableArray<ulong> Primes)
{
    /// <summary>N = 8192, t the largest prime below 2^58, q the product of the four largest primes below 2^50, all 1 modulo 2N.</summary>
    public static LatticeLiteral Link { get; } = Standard(8192, 4);

    /// <summary>As <see cref="Link"/> with three primes: coefficient-packed products grow the noise less.</summary>
    public static LatticeLiteral Gradient { get; } = Standard(8192, 3);

    /// <summary>The standard choice for a degree and a number of primes.</summary>
    public static LatticeLiteral Standard(int degree, int primes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(degree, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(primes, 1);
        ulong step = 2 * (ulong)degree;
        return new LatticeLiteral(
            degree,
            PrimeNumbers.LargestBelow(1UL << VertFed.Lattice.PlainModulus.MaximumBits, step, 1)[0],
            [.. PrimeNumbers.LargestBelow(NttTables.PrimeLimit, step, primes)]);
    }

    /// <summary>Whether both say the same; the arrays are compared by content.</summary>
    public bool Equals(LatticeLiteral? other) =>
        other is not null && string.Equals(ToCanonicalText(), other.ToCanonicalText(), StringComparison.Ordinal);

    public override int GetHashCode() => ToCanonicalText().GetHashCode(StringComparison.Ordinal);

    /// <summary>The text whose SHA-256 gives the parameter id: everything that two sides must agree on to read each other's bytes.</summary>
    public string ToCanonicalText() => string.Create(
        CultureInfo.InvariantCulture,
        $"vertfed-rlwe/1;n={Degree};t={PlainModulus};q={string.Join(',', (Primes.IsDefault ? [] : Primes).Select(p => p.ToString(CultureInfo.InvariantCulture)))};secret=uniform-ternary;error=cbd21;switch=64,72");
}
