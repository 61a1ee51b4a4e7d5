using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Privacy;

/// <summary>
/// FedAvg whose noise the clients add themselves, before their masks (Kairouz, Liu and Steinke 2021; <see cref="SecureAggregation.NoisyContribution"/>):
/// x ← x + 1/|S| Σ Δ_i min(1, C / ||Δ_i||), every client alike. Contribution: the clipped Δ_i and nothing else, so that nothing leaves without noise.
/// </summary>
public sealed class DistributedFedAvg : SumStrategy
{
    private readonly double _clip;

    /// <param name="clip">C, above 0.</param>
    public DistributedFedAvg(double clip)
        : base(FormattableString.Invariant($"distributed-dp-fedavg:{clip}"))
    {
        Throw.Invalid(!(clip > 0 && clip <= 1e9), "The clip is above 0 and at most 1e9.");
        _clip = clip;
    }

    public override double? Clip(ServerState state) => _clip;

    public override int ContributionLength(int parameters) => parameters;

    public override double[] Contribution(ClientUpdate update, double? clip)
    {
        double bound = Math.Min(clip ?? _clip, _clip);
        double norm = Kernels.Norm(update.Delta);
        double[] part = [.. update.Delta];
        if (norm > bound)
        {
            Kernels.Scale(bound / norm, part);
        }

        return part;
    }

    public override ServerState Apply(ServerState state, ReadOnlySpan<double> sum, int clients, int roster)
    {
        Throw.If(sum.Length != state.Parameters.Length, HorizontalError.WrongShape, "The sum does not have the model's length.");
        Throw.Invalid(clients < 1, "A sum has at least one client in it.");
        return state.Next(state.Moved(1.0 / clients, sum));
    }

    /// <summary>σ of each client's discrete noise, in units of the ring, so that the noise of <paramref name="least"/> clients is z C in the sum.</summary>
    public static double ClientDeviation(double clip, double multiplier, int fractionalBits, int least) =>
        multiplier * clip * Models.DeterministicMath.PowerOfTwo(fractionalBits) / Math.Sqrt(least);

    /// <summary>The most that one client's integer vector measures: C 2^f, and ½ for the rounding of each of d numbers: + √d / 2.</summary>
    public static double Sensitivity(double clip, int fractionalBits, int length) =>
        (clip * Models.DeterministicMath.PowerOfTwo(fractionalBits)) + (0.5 * Math.Sqrt(length));
}
