namespace VertFed.Horizontal.Service;

/// <summary>
/// Real numbers of any size that sums of squares have, as three numbers of a secure sum each: round(x · 2^56) in two's complement, in limbs of 40 bits
/// of which the third keeps the sign. Limbs add up modulo 2^64 for up to 2^20 parties, and the sum is exact while it stays below 2^70 (10^21).
/// </summary>
public static class WideEncoding
{
    /// <summary>Numbers of the secure sum for each real number.</summary>
    public const int Limbs = 3;

    private const int FractionalBits = 56;
    private const int LimbBits = 40;
    private const double Largest = 1e18;
    private static readonly Int128 Mask = (Int128.One << LimbBits) - 1;

    /// <exception cref="HorizontalException">A number is not finite, or beyond 10^18.</exception>
    public static ulong[] Encode(ReadOnlySpan<double> values)
    {
        ulong[] encoded = new ulong[Limbs * values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            Throw.If(!(Math.Abs(values[i]) <= Largest), HorizontalError.InvalidInput, "A column's sum of squares is beyond 1e18: bring the column to a smaller unit.");
            double whole = Math.Floor(values[i]);
            Int128 number = ((Int128)whole << FractionalBits) + (Int128)Math.Round((values[i] - whole) * (1L << FractionalBits), MidpointRounding.ToEven);
            encoded[Limbs * i] = (ulong)(number & Mask);
            encoded[(Limbs * i) + 1] = (ulong)((number >> LimbBits) & Mask);
            encoded[(Limbs * i) + 2] = unchecked((ulong)(long)(number >> (2 * LimbBits)));
        }

        return encoded;
    }

    /// <summary>The sums as real numbers.</summary>
    public static double[] Decode(ReadOnlySpan<ulong> sum)
    {
        double[] decoded = new double[sum.Length / Limbs];
        for (int i = 0; i < decoded.Length; i++)
        {
            Int128 number = (Int128)sum[Limbs * i] + ((Int128)sum[(Limbs * i) + 1] << LimbBits) + ((Int128)unchecked((long)sum[(Limbs * i) + 2]) << (2 * LimbBits));
            Int128 whole = number >> FractionalBits;
            decoded[i] = (double)whole + ((double)(number - (whole << FractionalBits)) / (1L << FractionalBits));
        }

        return decoded;
    }
}
