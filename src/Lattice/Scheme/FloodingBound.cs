using System.Globalization;

namespace VertFed.Lattice;

/// <summary>
/// How much uniform noise hides the noise that a response carries, checked to leave it decryptable.
/// </summary>
/// <remarks>
/// <para>The noise of Σ c·p depends on the p of the party that answers, and the noise of the fresh encryption of zero on the
/// randomness that masks the second polynomial, from which the receiver, who owns the key, could work back. Both must drown. With W = V + E,
/// E = 21·(2N+1) the most that e·u + e0 + e1·s can be (errors are at most 21; u and s are ternary), a flood uniform on [−B, B) is within
/// statistical distance W/(2B) of itself shifted by the noise; over M coefficients B ≥ W·M·2^39 gives at most 2^-40 in total. B is the next power of
/// two, so that raw stream bits are uniform on it.</para>
/// <para>V is a tail bound: ten times the root-mean-square noise of honestly sampled errors. Crafted ciphertexts may exceed it.</para>
/// <para>Decryptable: W + B + 1 &lt; q/2t, the 1 for the rounding of the added plaintext, and after the modulus switch
/// (W + B + 1)·2^72/q + ρ·(N + 1) + ρ·2^8 &lt; 2^72/2t, where ρ = 0.5625 bounds the rounding of one coefficient. Both are worst cases, given V.</para>
/// </remarks>
public sealed class FloodingBound
{
    /// <summary>−log2 of the total statistical distance.</summary>
    public const int StatisticalBits = 40;

    /// <summary>10·σ of an error coefficient with the rounding of the encoding, rounded up: √(η/2 + 1/12) = 3.2532.</summary>
    private const double TailDeviation = 32.54;

    /// <summary>Checks a bound.</summary>
    /// <param name="parameters">The parameters of the responses.</param>
    /// <param name="noiseBound">V ≥ 1: no noise coefficient of the responses exceeds it but with negligible probability.</param>
    /// <param name="coefficients">M ≥ 1: all coefficients that the peer can decrypt in the job.</param>
    /// <exception cref="LatticeException">The flooded response might not decrypt.</exception>
    public FloodingBound(LatticeParameters parameters, double noiseBound, long coefficients)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentOutOfRangeException.ThrowIfLessThan(coefficients, 1);
        if (!double.IsFinite(noiseBound) || noiseBound < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(noiseBound), noiseBound, "A noise bound is a finite number of at least 1.");
        }

        Parameters = parameters;
        NoiseBound = noiseBound;
        Coefficients = coefficients;
        double drowned = noiseBound + (LatticeParameters.ErrorEta * ((2.0 * parameters.Degree) + 1));
        Exponent = CeilingLog2(drowned * coefficients) + StatisticalBits - 1;
        CheckBudget(drowned);
    }

    public LatticeParameters Parameters { get; }

    /// <summary>V.</summary>
    public double NoiseBound { get; }

    /// <summary>M.</summary>
    public long Coefficients { get; }

    /// <summary>k: the flood is uniform on [−2^k, 2^k).</summary>
    public int Exponent { get; }

    /// <summary>log2 of the ratio between what the switched noise may be and what it can be at most; positive.</summary>
    public double MarginBits { get; private set; }

    /// <summary>V for Σ over <paramref name="products"/> of slot-encoded ciphertext times slot-encoded plaintext: √(N·products)·(t/2)·3.254·10.</summary>
    public static double SlotProductNoise(LatticeParameters parameters, int products)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentOutOfRangeException.ThrowIfLessThan(products, 1);
        return TailDeviation * Math.Sqrt((double)parameters.Degree * products) * (parameters.PlainModulus / 2.0);
    }

    /// <summary>V for Σ of coefficient-encoded ciphertexts times columns whose entries together have the Euclidean norm given: norm·3.254·10.</summary>
    public static double ColumnProductNoise(double columnNorm)
    {
        if (!double.IsFinite(columnNorm) || columnNorm < 0)
        {
            throw new ArgumentOutOfRangeException(nameof(columnNorm), columnNorm, "A norm is a finite number of at least 0.");
        }

        return Math.Max(1, TailDeviation * columnNorm);
    }

    /// <summary>The smallest e with value ≤ 2^e, by the bits of the double: the same on every machine, unlike a logarithm of the C library.</summary>
    internal static int CeilingLog2(double value)
    {
        int exponent = Math.ILogB(value);
        return value > Math.ScaleB(1, exponent) ? exponent + 1 : exponent;
    }

    private void CheckBudget(double drowned)
    {
        int n = Parameters.Degree;
        double q = 1;
        foreach (NttTables prime in Parameters.Primes)
        {
            q *= prime.P;
        }

        double noise = drowned + Math.ScaleB(1, Exponent) + 1;
        double limit = q / (2.0 * Parameters.PlainModulus);
        if (!(noise < limit))
        {
            LatticeError.OutOfBudget(Text(
                $"noise and flood of 2^{Magnitude.Log2(noise):F2} (V = 2^{Magnitude.Log2(NoiseBound):F2}, M = {Coefficients}, B = 2^{Exponent}) is not below q/2t = 2^{Magnitude.Log2(limit):F2}"));
        }

        double scale = Math.ScaleB(1, LatticeParameters.SecondSwitchedBits);
        double rounding = ModulusSwitch.MaximumError * (n + 1 + (1 << (LatticeParameters.SecondSwitchedBits - LatticeParameters.FirstSwitchedBits)));
        double switched = (noise / q * scale) + rounding;
        double switchedLimit = scale / (2.0 * Parameters.PlainModulus);

        // The comparison is in doubles: 2^-40 of slack is far more than their rounding.
        if (!(switched * (1 + Math.ScaleB(1, -40)) < switchedLimit))
        {
            LatticeError.OutOfBudget(Text(
                $"after switching, noise 2^{Magnitude.Log2(switched):F2} (V = 2^{Magnitude.Log2(NoiseBound):F2}, M = {Coefficients}, B = 2^{Exponent}, rounding {rounding:F0}) is not below 2^72/2t = 2^{Magnitude.Log2(switchedLimit):F2}"));
        }

        MarginBits = Magnitude.Log2(switchedLimit / switched);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
