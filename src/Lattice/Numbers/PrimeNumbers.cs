namespace VertFed.Lattice;

/// <summary>Primality, prime search and roots of unity for 64-bit integers. Variable-time: for public numbers only.</summary>
internal static class PrimeNumbers
{
    /// <summary>The first twelve primes: as Miller–Rabin bases they decide every integer below 3.18e23 (Sorenson and Webster, 2015).</summary>
    private static ReadOnlySpan<byte> Bases => [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

    internal static ulong MulMod(ulong a, ulong b, ulong modulus) => (ulong)((UInt128)a * b % modulus);

    internal static ulong PowMod(ulong value, ulong exponent, ulong modulus)
    {
        ulong result = 1 % modulus;
        for (ulong power = value % modulus; exponent != 0; exponent >>= 1)
        {
            if ((exponent & 1) != 0)
            {
                result = MulMod(result, power, modulus);
            }

            power = MulMod(power, power, modulus);
        }

        return result;
    }

    /// <summary>The inverse modulo a prime, by Fermat.</summary>
    internal static ulong InverseMod(ulong value, ulong prime) => PowMod(value, prime - 2, prime);

    /// <summary>Deterministic Miller–Rabin over the whole 64-bit range.</summary>
    internal static bool IsPrime(ulong n)
    {
        if (n < 2)
        {
            return false;
        }

        foreach (byte b in Bases)
        {
            if (n % b == 0)
            {
                return n == b;
            }
        }

        int twos = System.Numerics.BitOperations.TrailingZeroCount(n - 1);
        foreach (byte b in Bases)
        {
            if (IsWitness(b, n, twos))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The <paramref name="count"/> largest primes p &lt; <paramref name="limit"/> with p ≡ 1 mod <paramref name="step"/>, descending.</summary>
    /// <exception cref="LatticeException">There are too few.</exception>
    internal static ulong[] LargestBelow(ulong limit, ulong step, int count)
    {
        ulong[] found = new ulong[count];
        int have = 0;
        for (ulong candidate = ((limit - 2) / step * step) + 1; have < count; candidate -= step)
        {
            if (candidate <= step)
            {
                LatticeError.Parameters($"there are not {count} primes below {limit} that are 1 mod {step}");
            }

            if (IsPrime(candidate))
            {
                found[have++] = candidate;
            }
        }

        return found;
    }

    /// <summary>
    /// A primitive root of unity of order <paramref name="order"/> (a power of two that divides prime − 1): x^((p−1)/order)
    /// for the smallest x ≥ 2 that gives one, so that every machine finds the same.
    /// </summary>
    internal static ulong RootOfUnity(ulong prime, ulong order)
    {
        for (ulong x = 2; ; x++)
        {
            ulong root = PowMod(x, (prime - 1) / order, prime);
            if (PowMod(root, order / 2, prime) == prime - 1)
            {
                return root;
            }
        }
    }

    private static bool IsWitness(ulong witness, ulong n, int twos)
    {
        ulong x = PowMod(witness, (n - 1) >> twos, n);
        if (x == 1 || x == n - 1)
        {
            return false;
        }

        for (int i = 1; i < twos; i++)
        {
            x = MulMod(x, x, n);
            if (x == n - 1)
            {
                return false;
            }
        }

        return true;
    }
}
