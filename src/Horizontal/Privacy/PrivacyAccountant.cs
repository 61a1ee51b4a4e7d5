using VertFed.Models;

namespace VertFed.Horizontal.Privacy;

/// <summary>
/// What has been spent, as Rényi differential privacy at fixed orders; RDP adds up over releases (Mironov 2017, proposition 1), over rounds and
/// over jobs alike. Immutable; <see cref="Values"/> is what is stored.
/// </summary>
public sealed class PrivacyAccountant
{
    private static readonly double[] AllOrders =
        [.. Enumerable.Range(1, 99).Select(static i => 1 + (i / 10.0)), .. Enumerable.Range(11, 53).Select(static i => (double)i), 128, 256, 512, 1024];

    private readonly double[] _values;

    private PrivacyAccountant(double[] values) => _values = values;

    /// <summary>Nothing spent.</summary>
    public static PrivacyAccountant Fresh { get; } = new(new double[AllOrders.Length]);

    /// <summary>The orders α: 1.1 to 10.9 by tenths, 11 to 63, and 128, 256, 512, 1024.</summary>
    public static ReadOnlySpan<double> Orders => AllOrders;

    /// <summary>The RDP spent at each order.</summary>
    public ReadOnlySpan<double> Values => _values;

    /// <summary>Takes up a stored account.</summary>
    /// <exception cref="HorizontalException">Not one value an order, or a value that is negative or no number.</exception>
    public static PrivacyAccountant FromValues(ReadOnlySpan<double> values)
    {
        Throw.If(values.Length != AllOrders.Length, HorizontalError.WrongShape, $"A privacy account has {AllOrders.Length} values, not {values.Length}.");
        foreach (double value in values)
        {
            Throw.If(!(value >= 0), HorizontalError.NotFinite, "A privacy account holds a value that is not a number from 0.");
        }

        return new PrivacyAccountant(values.ToArray());
    }

    /// <summary>After so many releases of the sampled Gaussian mechanism.</summary>
    /// <param name="q">Probability with which a record (or client) takes part.</param>
    /// <param name="noiseMultiplier">σ by the clip.</param>
    /// <param name="releases">Steps or rounds, from 0.</param>
    public PrivacyAccountant AfterSampledGaussian(double q, double noiseMultiplier, int releases) =>
        After(releases, alpha => RenyiGaussian.Sampled(q, noiseMultiplier, alpha));

    /// <summary>After so many sums with noise from each client (see <see cref="RenyiGaussian.Distributed"/>).</summary>
    public PrivacyAccountant AfterDistributed(double sensitivity, double sigma, int clients, int dimension, int releases) =>
        After(releases, alpha => RenyiGaussian.Distributed(sensitivity, sigma, clients, dimension, alpha));

    /// <summary>
    /// The least ε at that δ: min_α RDP(α) + log((α − 1)/α) − (log δ + log α)/(α − 1) (Canonne, Kamath and Steinke 2020, proposition 12), not below 0;
    /// and 0 where some RDP(α) = r is so small that the total variation √(1 − e^−r) (Bretagnolle and Huber 1979) is within δ.
    /// </summary>
    /// <param name="delta">δ in (0, 1).</param>
    public double Epsilon(double delta)
    {
        Throw.Invalid(!(delta > 0 && delta < 1), "δ is between 0 and 1.");
        double best = double.PositiveInfinity;
        for (int i = 0; i < _values.Length; i++)
        {
            double alpha = AllOrders[i];
            double epsilon = _values[i] + DeterministicMath.Log((alpha - 1) / alpha)
                - ((DeterministicMath.Log(delta) + DeterministicMath.Log(alpha)) / (alpha - 1));
            bool withinDelta = 1 - DeterministicMath.Exp(-_values[i]) <= delta * delta;
            best = Math.Min(best, withinDelta ? 0 : Math.Max(0, epsilon));
        }

        return best;
    }

    /// <summary>Refuses work that would go beyond a budget, before it starts.</summary>
    /// <param name="planned">The account after the work.</param>
    /// <param name="epsilon">The budget's ε.</param>
    /// <param name="delta">The budget's δ.</param>
    /// <exception cref="HorizontalException">The work costs more than is left; the message names both figures.</exception>
    public void Admit(PrivacyAccountant planned, double epsilon, double delta)
    {
        double after = planned.Epsilon(delta);
        Throw.If(
            !(after <= epsilon),
            HorizontalError.BudgetExceeded,
            FormattableString.Invariant($"The privacy budget is ε = {epsilon:g4} at δ = {delta:g2}; {Epsilon(delta):0.###} is spent, and the work would make it {after:0.###}."));
    }

    private PrivacyAccountant After(int releases, Func<double, double> cost)
    {
        Throw.Invalid(releases < 0, "There cannot be fewer than no releases.");
        double[] values = [.. _values];
        for (int i = 0; i < values.Length && releases > 0; i++)
        {
            values[i] += releases * cost(AllOrders[i]);
        }

        return new PrivacyAccountant(values);
    }
}
