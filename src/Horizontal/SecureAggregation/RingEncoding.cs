using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Updates;
using VertFed.Models;
using VertFed.Primitives;

namespace VertFed.Horizontal.SecureAggregation;

/// <summary>
/// Between real vectors and integers modulo 2^64: x → round(x · 2^f), two's complement. A sum of n vectors with |x_i| ≤ B decodes exactly (each
/// number rounded once, at its client) as long as n · B · 2^f &lt; 2^62.
/// </summary>
/// <param name="FractionalBits">f, from 0 to 50.</param>
/// <param name="Bound">B, above 0.</param>
/// <param name="Clients">n, from 1.</param>
public sealed record RingEncoding(int FractionalBits, double Bound, int Clients)
{
    /// <summary>
    /// Whether numbers are rounded towards zero and not to the nearest: then no vector gets longer, and one that was clipped to C before measures at most C
    /// in the ring too. Rounding to the nearest can add √d / 2 units, for which the noise of a server has no allowance.
    /// </summary>
    public bool TowardsZero { get; init; }

    /// <exception cref="HorizontalException">A number is out of its range, or the sum would not fit.</exception>
    public void Validate()
    {
        Throw.Invalid(FractionalBits is < 0 or > 50, "A ring encoding has 0 to 50 fractional bits.");
        Throw.Invalid(!(Bound > 0) || !double.IsFinite(Bound) || Clients < 1, "A ring encoding has a finite bound above 0, and at least one client.");
        Throw.Invalid(
            !(Clients * Bound * DeterministicMath.PowerOfTwo(FractionalBits) < DeterministicMath.PowerOfTwo(62)),
            "The sum does not fit the ring: take fewer fractional bits or a smaller bound.");
    }

    /// <exception cref="HorizontalException">A number is not finite or beyond the bound.</exception>
    public ulong[] Encode(ReadOnlySpan<double> vector)
    {
        Validate();
        double scale = DeterministicMath.PowerOfTwo(FractionalBits);
        ulong[] encoded = new ulong[vector.Length];
        for (int i = 0; i < encoded.Length; i++)
        {
            Throw.If(!(Math.Abs(vector[i]) <= Bound), HorizontalError.NormTooLarge, "A number of an update is beyond the bound of the secure sum, or not finite.");
            encoded[i] = unchecked((ulong)(long)Math.Round(vector[i] * scale, TowardsZero ? MidpointRounding.ToZero : MidpointRounding.ToEven));
        }

        return encoded;
    }

    /// <summary>The sum as real numbers.</summary>
    public double[] Decode(ReadOnlySpan<ulong> sum)
    {
        Validate();
        double scale = DeterministicMath.PowerOfTwo(-FractionalBits);
        double[] decoded = new double[sum.Length];
        for (int i = 0; i < decoded.Length; i++)
        {
            decoded[i] = unchecked((long)sum[i]) * scale;
        }

        return decoded;
    }
}

/// <summary>
/// What joins a strategy with a secure sum. It takes a <see cref="SumStrategy"/>: an <see cref="IndividualStrategy"/> does not fit the type, for it
/// would need the single updates that a secure sum hides.
/// </summary>
public static class SecureRound
{
    /// <summary>The client's vector for the secure sum.</summary>
    public static ulong[] Contribution(SumStrategy strategy, ClientUpdate update, RoundOrder order, RingEncoding encoding) =>
        encoding.Encode(strategy.Contribution(update, order.Clip));

    /// <summary>The server's step with the unmasked sum.</summary>
    public static ServerState Apply(SumStrategy strategy, ServerState state, ReadOnlySpan<ulong> sum, int clients, int roster, RingEncoding encoding)
    {
        Throw.Invalid(clients < 1 || clients > encoding.Clients, $"The ring encoding is for {encoding.Clients} clients, the sum of {clients}.");
        return strategy.Apply(state, encoding.Decode(sum), clients, roster);
    }
}

/// <summary>
/// Distributed discrete Gaussian noise (Kairouz, Liu and Steinke 2021): every client adds discrete noise of variance σ² (in units of the ring) to its
/// encoded vector before it is masked, so that nobody, the server included, sees a sum without noise. What n clients' noise costs is
/// <see cref="PrivacyAccountant.AfterDistributed"/>, with n the fewest that may survive.
/// </summary>
public static class NoisyContribution
{
    /// <summary>vector ← vector + noise, modulo 2^64.</summary>
    /// <param name="vector">An encoded vector.</param>
    /// <param name="noise">The discrete Gaussian of one client.</param>
    /// <param name="stream">Of the client, for this round alone.</param>
    public static void Add(Span<ulong> vector, DiscreteGaussian noise, RandomStream stream)
    {
        foreach (ref ulong value in vector)
        {
            value = unchecked(value + (ulong)noise.Next(stream));
        }
    }
}
