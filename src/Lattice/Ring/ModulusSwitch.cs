using System.Collections.Immutable;

namespace VertFed.Lattice;

/// <summary>
/// x → round(x·2^w/q) mod 2^w for coefficients in residue form. By the Chinese remainder theorem x/q is, modulo 1, the sum
/// of y_i/p_i with y_i = x·(q/p_i)^-1 mod p_i; the fractions are summed in 128-bit fixed point.
/// </summary>
/// <remarks>
/// round(2^128/p_i) is off by at most 1/2, so a term is off by less than 2^49 and the sum of up to eight by less than 2^52, in units of
/// 2^-128. One unit of 2^-72 is 2^56 of those: the result is within 1/2 + 1/16 unit of the exact x·2^72/q, and within 1/2 + 2^-12 for
/// w = 64. The map takes flooded values to what is sent anyway, and takes the same time for all.
/// </remarks>
internal sealed class ModulusSwitch
{
    /// <summary>The bound on the distance from the exact quotient, in units of the last place.</summary>
    internal const double MaximumError = 0.5625;

    /// <summary>Bits in each half of a 72-bit coefficient.</summary>
    internal const int HalfBits = LatticeParameters.SecondSwitchedBits / 2;

    private readonly LatticeParameters _parameters;
    private readonly ImmutableArray<Factor> _factors;

    internal ModulusSwitch(LatticeParameters parameters)
    {
        _parameters = parameters;
        _factors =
        [
            .. parameters.Primes.Select(prime =>
            {
                ulong others = 1;
                foreach (NttTables other in parameters.Primes)
                {
                    others = other.Prime == prime.Prime ? others : PrimeNumbers.MulMod(others, other.Prime % prime.Prime, prime.Prime);
                }

                (UInt128 quotient, UInt128 rest) = UInt128.DivRem(UInt128.MaxValue, prime.Prime);
                UInt128 reciprocal = quotient + (rest >= prime.Prime / 2 ? UInt128.One : UInt128.Zero);
                double inverse = prime.Centred(PrimeNumbers.InverseMod(others, prime.Prime));
                return new Factor(inverse, (ulong)(reciprocal >> 64), (ulong)reciprocal);
            }),
        ];
    }

    /// <summary>Switches to 64 bits. The residues, <paramref name="length"/> a prime, are overwritten.</summary>
    internal void ToFirst(Span<double> residues, int length, Span<ulong> destination)
    {
        Prepare(residues, length);
        for (int k = 0; k < destination.Length; k++)
        {
            (ulong high, ulong low) = Fraction(residues, length, k);
            destination[k] = high + (low >> 63);
        }
    }

    /// <summary>Switches to 72 bits, as halves of 36 bits. The residues, <paramref name="length"/> a prime, are overwritten.</summary>
    internal void ToSecond(Span<double> residues, int length, Span<double> high36, Span<double> low36)
    {
        Prepare(residues, length);
        const int drop = 128 - LatticeParameters.SecondSwitchedBits;
        for (int k = 0; k < length; k++)
        {
            (ulong high, ulong low) = Fraction(residues, length, k);
            low += 1UL << (drop - 1);
            high += low < 1UL << (drop - 1) ? 1UL : 0UL;
            high36[k] = high >> (64 - HalfBits);
            low36[k] = ((high << (64 - drop)) | (low >> drop)) & ((1UL << HalfBits) - 1);
        }
    }

    private void Prepare(Span<double> residues, int length)
    {
        for (int i = 0; i < _factors.Length; i++)
        {
            Span<double> part = residues.Slice(i * length, length);
            _parameters.Kernel.MultiplyConstant(_parameters.Primes[i], _factors[i].Inverse, part);
            _parameters.Kernel.Canonicalise(_parameters.Primes[i], part);
        }
    }

    private (ulong High, ulong Low) Fraction(ReadOnlySpan<double> residues, int length, int k)
    {
        ulong high = 0, low = 0;
        for (int i = 0; i < _factors.Length; i++)
        {
            ulong y = (ulong)(long)residues[(i * length) + k];
            ulong termHigh = Math.BigMul(y, _factors[i].Low, out ulong termLow) + (y * _factors[i].High);
            low += termLow;
            high += termHigh + (low < termLow ? 1UL : 0UL);
        }

        return (high, low);
    }

    private readonly record struct Factor(double Inverse, ulong High, ulong Low);
}
