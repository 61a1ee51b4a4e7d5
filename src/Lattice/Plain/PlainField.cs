namespace VertFed.Lattice;

/// <summary>
/// The field of integers modulo the plaintext prime t of the two standard parameter sets, for the values that the
/// parties share and mask: residues in [0, t), centred values in (−t/2, t/2).
/// </summary>
public static class PlainField
{
    private static readonly PlainModulus Field = new(LatticeLiteral.Link.PlainModulus);

    /// <summary>t, the largest prime below 2^58 that is 1 modulo 16384.</summary>
    public static ulong Modulus => Field.Value;

    /// <summary>The largest size of a signed value: (t − 1)/2.</summary>
    public static long MaximumCentred => (long)(Field.Value / 2);

    /// <summary>The residue of a signed integer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size exceeds (t−1)/2.</exception>
    public static ulong FromSigned(long value) => Field.FromSigned(value);

    /// <summary>The representative in (−t/2, t/2) of a residue in [0, t).</summary>
    public static long Centre(ulong value) => Field.Centre(value);

    /// <summary>a + b mod t for residues in [0, t).</summary>
    public static ulong Add(ulong a, ulong b) => Field.Add(a, b);

    /// <summary>a − b mod t for residues in [0, t).</summary>
    public static ulong Subtract(ulong a, ulong b) => Field.Subtract(a, b);

    /// <summary>a·b mod t for residues in [0, t).</summary>
    public static ulong Multiply(ulong a, ulong b) => Field.Multiply(a, b);

    /// <summary>Draws one uniform residue in [0, t), by rejection.</summary>
    public static ulong Random(Primitives.RandomStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return stream.NextBelow(Field.Value);
    }

    /// <summary>Fills a vector with uniform residues in [0, t), by rejection.</summary>
    public static void FillRandom(Primitives.RandomStream stream, Span<ulong> destination)
    {
        ArgumentNullException.ThrowIfNull(stream);
        UniformSampler.FillBelow(stream, Field.Value, destination);
    }

    /// <summary>Σ x_i·r_i mod t for signed 32-bit x and residues r in [0, t), of the same length.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static ulong InnerProduct(ReadOnlySpan<int> x, ReadOnlySpan<ulong> residues)
    {
        CheckLengths(x.Length, residues.Length);
        ulong high = 0, low = 0;
        for (int i = 0; i < x.Length; i++)
        {
            // |x·r| < 2^89, so the 128-bit sum holds 2^38 terms; the sign of x corrects the unsigned product's upper half.
            long signed = x[i];
            ulong productHigh = Math.BigMul((ulong)signed, residues[i], out ulong productLow);
            productHigh -= residues[i] & (ulong)(signed >> 63);
            low += productLow;
            high += productHigh + (low < productLow ? 1UL : 0UL);
        }

        return Field.Reduce((Int128)new UInt128(high, low));
    }

    /// <summary>Σ x_i·r_i mod t for signed x, |x| ≤ 2^58, and residues r in [0, t), of the same length.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static ulong InnerProduct(ReadOnlySpan<long> x, ReadOnlySpan<ulong> residues)
    {
        CheckLengths(x.Length, residues.Length);
        const int chunk = 1024;
        ulong total = 0;
        for (int start = 0; start < x.Length; start += chunk)
        {
            // |x·r| < 2^116: 2^10 terms stay below 2^126.
            Int128 sum = 0;
            int end = Math.Min(start + chunk, x.Length);
            for (int i = start; i < end; i++)
            {
                sum += Math.BigMul(x[i], (long)residues[i]);
            }

            total = Field.Add(total, Field.Reduce(sum));
        }

        return total;
    }

    private static void CheckLengths(int a, int b)
    {
        if (a != b)
        {
            LatticeError.Argument("residues", "The two vectors differ in length.");
        }
    }
}
