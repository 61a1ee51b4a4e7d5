using System.Collections.Immutable;

namespace VertFed.Lattice;

/// <summary>
/// The exact encoding of a plaintext modulo q: round(q·m/t) = (q·m − r)/t with r = q·m mod t centred, hence −r·t^-1 modulo every prime.
/// The error is below 1/2; with floor(q/t)·m it would be up to (q mod t)·m/t, which a product magnifies by t.
/// </summary>
internal sealed class PlainScaling
{
    private const int LowBits = 30;
    private readonly LatticeParameters _parameters;
    private readonly ulong _qModT;
    private readonly ulong _companion;
    private readonly ImmutableArray<(double Low, double High)> _factors;

    internal PlainScaling(LatticeParameters parameters)
    {
        _parameters = parameters;
        ulong t = parameters.PlainModulus;
        _qModT = 1 % t;
        foreach (NttTables prime in parameters.Primes)
        {
            _qModT = PrimeNumbers.MulMod(_qModT, prime.Prime % t, t);
        }

        _companion = parameters.Plain.Companion(_qModT);
        _factors =
        [
            .. parameters.Primes.Select(prime =>
            {
                ulong low = prime.Prime - PrimeNumbers.InverseMod(t % prime.Prime, prime.Prime);
                ulong high = PrimeNumbers.MulMod(low, 1UL << LowBits, prime.Prime);
                return (prime.Centred(low), prime.Centred(high));
            }),
        ];
    }

    /// <summary>Adds round(q·m/t) to coefficients: <paramref name="residues"/> has <paramref name="length"/> entries a prime, of
    /// which the first ones take the plaintext's values in [0, t).</summary>
    internal void Add(ReadOnlySpan<ulong> plain, Span<double> residues, int length)
    {
        double[] scratch = _parameters.Doubles.Rent();
        Span<double> low = scratch.AsSpan(0, length), high = scratch.AsSpan(length, length);
        PlainModulus field = _parameters.Plain;
        for (int k = 0; k < plain.Length; k++)
        {
            long r = field.Centre(field.MultiplyConstant(plain[k], _qModT, _companion));
            low[k] = r & ((1L << LowBits) - 1);
            high[k] = r >> LowBits;
        }

        low[plain.Length..].Clear();
        high[plain.Length..].Clear();
        for (int i = 0; i < _parameters.PrimeCount; i++)
        {
            Span<double> target = residues.Slice(i * length, length);
            _parameters.Kernel.MultiplyAddConstant(_parameters.Primes[i], low, _factors[i].Low, target);
            _parameters.Kernel.MultiplyAddConstant(_parameters.Primes[i], high, _factors[i].High, target);
        }

        _parameters.Doubles.Return(scratch, zero: true);
    }
}
