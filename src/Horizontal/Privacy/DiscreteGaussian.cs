using System.Numerics;
using VertFed.Primitives;

namespace VertFed.Horizontal.Privacy;

/// <summary>
/// Exact sampling of the discrete Gaussian, Pr[x] ∝ exp(−x² / 2σ²) over the integers, with integer arithmetic alone (Canonne, Kamath and
/// Steinke 2020, algorithms 1 to 3): no floating-point tail or rounding tells the value apart. σ² is the rational numerator / denominator.
/// </summary>
/// <remarks>Variable-time in the rejected draws and in |x|; it runs where the one who measures time is not the one it hides from.</remarks>
public sealed class DiscreteGaussian
{
    private readonly BigInteger _numerator;
    private readonly BigInteger _denominator;
    private readonly BigInteger _scale;

    /// <param name="numerator">From 1 to 2^62.</param>
    /// <param name="denominator">From 1 to 2^62.</param>
    /// <exception cref="HorizontalException">σ² is not such a fraction.</exception>
    public DiscreteGaussian(long numerator, long denominator)
    {
        const long Most = 1L << 62;
        Throw.Invalid(numerator is < 1 or > Most || denominator is < 1 or > Most, "The variance of a discrete Gaussian is a fraction of numbers from 1 to 2^62.");
        _numerator = numerator;
        _denominator = denominator;

        // t = ⌊σ⌋ + 1.
        long root = (long)Math.Sqrt((double)numerator / denominator);
        while ((BigInteger)root * root * denominator > numerator)
        {
            root--;
        }

        while ((BigInteger)(root + 1) * (root + 1) * denominator <= numerator)
        {
            root++;
        }

        _scale = root + 1;
    }

    /// <summary>The variance to within 2^−20 of itself or better.</summary>
    /// <param name="variance">σ², from 2^−20 to 2^52.</param>
    public static DiscreteGaussian OfVariance(double variance)
    {
        Throw.Invalid(!(variance >= 1.0 / (1 << 20) && variance <= 1L << 52), "The variance of a discrete Gaussian is from 2^-20 to 2^52.");
        int bits = variance < 1 << 20 ? 40 : 9;
        return new DiscreteGaussian((long)Math.Ceiling(variance * (1L << bits)), 1L << bits);
    }

    /// <summary>One draw.</summary>
    public long Next(RandomStream stream)
    {
        while (true)
        {
            long candidate = Laplace(stream);

            // (|y| − σ²/t)² / 2σ², over one denominator: (|y| q t − p)² / (2 p q t²).
            BigInteger distance = (BigInteger.Abs(candidate) * _denominator * _scale) - _numerator;
            if (BernoulliExp(stream, distance * distance, 2 * _numerator * _denominator * _scale * _scale))
            {
                return candidate;
            }
        }
    }

    // Discrete Laplace, Pr[x] ∝ exp(−|x| / t).
    private long Laplace(RandomStream stream)
    {
        while (true)
        {
            ulong uniform = stream.NextBelow((ulong)_scale);
            if (!BernoulliExp(stream, uniform, _scale))
            {
                continue;
            }

            long whole = 0;
            while (BernoulliExp(stream, 1, 1))
            {
                whole++;
            }

            long magnitude = checked((long)uniform + (whole * (long)_scale));
            bool negative = stream.NextBelow(2) == 1;
            if (negative && magnitude == 0)
            {
                continue;
            }

            return negative ? -magnitude : magnitude;
        }
    }

    /// <summary>True with probability exp(−numerator / denominator).</summary>
    internal static bool BernoulliExp(RandomStream stream, BigInteger numerator, BigInteger denominator)
    {
        while (numerator > denominator)
        {
            if (!BernoulliExpUnit(stream, 1, 1))
            {
                return false;
            }

            numerator -= denominator;
        }

        return BernoulliExpUnit(stream, numerator, denominator);
    }

    // γ = numerator / denominator in [0, 1]: the first k at which Bernoulli(γ / k) fails is odd with probability exp(−γ).
    private static bool BernoulliExpUnit(RandomStream stream, BigInteger numerator, BigInteger denominator)
    {
        int k = 1;
        while (Below(stream, denominator * k) < numerator)
        {
            k++;
        }

        return k % 2 == 1;
    }

    private static BigInteger Below(RandomStream stream, BigInteger bound)
    {
        if (bound <= ulong.MaxValue)
        {
            return stream.NextBelow((ulong)bound);
        }

        int bits = (int)(bound - 1).GetBitLength();
        byte[] bytes = new byte[(bits + 7) / 8];
        while (true)
        {
            stream.Fill(bytes);
            bytes[^1] &= (byte)(255 >> ((8 * bytes.Length) - bits));
            var draw = new BigInteger(bytes, isUnsigned: true);
            if (draw < bound)
            {
                return draw;
            }
        }
    }
}
