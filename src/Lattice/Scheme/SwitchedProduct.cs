namespace VertFed.Lattice;

/// <summary>
/// The integer product of a switched c1 (72-bit coefficients in 36-bit halves) with a ternary secret, in time that does not depend on the secret.
/// </summary>
internal static class SwitchedProduct
{
    /// <summary>Up to so many coefficients are cheaper one by one than as a whole polynomial.</summary>
    internal const int FewCoefficients = 16;

    /// <summary>
    /// (c1·s)_k = Σ_{i≤k} c1_i·s_{k−i} − Σ_{i&gt;k} c1_i·s_{N+k−i}. Sums of N terms below 2^36 are below 2^53, hence exact in doubles.
    /// </summary>
    internal static Int128 OneCoefficient(SecretKey secretKey, ReadOnlySpan<double> high, ReadOnlySpan<double> low, int position)
    {
        ReadOnlySpan<double> reversed = secretKey.Reversed;
        Kernel kernel = secretKey.Parameters.Kernel;
        int split = position + 1;
        ReadOnlySpan<double> upTo = reversed[(reversed.Length - split)..], beyond = reversed[..(reversed.Length - split)];
        double sumHigh = kernel.DotExact(high[..split], upTo) - kernel.DotExact(high[split..], beyond);
        double sumLow = kernel.DotExact(low[..split], upTo) - kernel.DotExact(low[split..], beyond);
        return ((Int128)(long)sumHigh << ModulusSwitch.HalfBits) + (long)sumLow;
    }

    /// <summary>
    /// The whole product modulo the first two primes: |c1·s| ≤ N·2^72 ≤ 2^86 is far below p1·p2/2. Leaves x mod p1 in the first N entries
    /// of scratch and k = (x − x1)/p1 mod p2, centred, in the next N.
    /// </summary>
    internal static void Multiply(SecretKey secretKey, ReadOnlySpan<double> high, ReadOnlySpan<double> low, Span<double> scratch, int degree)
    {
        LatticeParameters parameters = secretKey.Parameters;
        Kernel kernel = parameters.Kernel;
        for (int i = 0; i < 2; i++)
        {
            NttTables tables = parameters.Primes[i];
            Span<double> x = scratch.Slice(i * degree, degree);
            low.CopyTo(x);
            kernel.MultiplyAddConstant(tables, high, 1L << ModulusSwitch.HalfBits, x);
            kernel.Forward(tables, x);
            kernel.Multiply(tables, secretKey.Evaluations[i], x);
            kernel.Inverse(tables, x);
        }

        NttTables first = parameters.Primes[0], second = parameters.Primes[1];
        Span<double> x1 = scratch[..degree], k = scratch.Slice(degree, degree);
        kernel.MultiplyAddConstant(second, x1, -1, k);
        kernel.MultiplyConstant(second, second.Centred(PrimeNumbers.InverseMod(first.Prime % second.Prime, second.Prime)), k);
    }

    /// <summary>x1 + p1·k: |k| stays below 0.6·p2 and the true value is below 2^37, so it is the true one.</summary>
    internal static Int128 Combine(LatticeParameters parameters, ReadOnlySpan<double> scratch, int position)
    {
        int degree = parameters.Degree;
        return Math.BigMul((long)scratch[degree + position], (long)parameters.Primes[0].Prime) + (long)scratch[position];
    }
}
