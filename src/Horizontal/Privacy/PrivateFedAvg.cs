using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;
using VertFed.Models;
using VertFed.Primitives;

namespace VertFed.Horizontal.Privacy;

/// <summary>How updates are clipped and what noise hides a client.</summary>
/// <param name="Clip">C, or its first value under adaptive clipping; above 0.</param>
/// <param name="NoiseMultiplier">z: the noise's deviation by the clip, from 0; the accountant's σ.</param>
/// <param name="ExpectedClients">q N: what the noisy sum is divided by, from 1. Fixed, so that who takes part does not move it.</param>
/// <param name="TargetQuantile">γ: the share of updates that adaptive clipping leaves whole, in (0, 1); null keeps C fixed.</param>
/// <param name="ClipRate">η_C of adaptive clipping, above 0.</param>
/// <param name="CountDeviation">σ_b: deviation of the noise on the number of unclipped updates; the paper takes m / 20.</param>
public sealed record ClientPrivacy(
    double Clip, double NoiseMultiplier, double ExpectedClients, double? TargetQuantile = null, double ClipRate = 0.2, double CountDeviation = 0)
{
    /// <summary>
    /// The noise multiplier of the updates' sum: z without adaptive clipping; with it z_Δ = (z^−2 − (2σ_b)^−2)^(−1/2), so that sum and count
    /// together cost what z costs (Andrew et al. 2021, theorem 1).
    /// </summary>
    public double SumMultiplier => TargetQuantile is null || NoiseMultiplier == 0
        ? NoiseMultiplier
        : 1 / Math.Sqrt((1 / (NoiseMultiplier * NoiseMultiplier)) - (1 / (4 * CountDeviation * CountDeviation)));

    /// <exception cref="HorizontalException">A number is out of its range.</exception>
    public void Validate()
    {
        Throw.Invalid(!(Clip > 0 && Clip <= 1e9), "The clip is above 0 and at most 1e9.");
        Throw.Invalid(!(NoiseMultiplier >= 0 && NoiseMultiplier <= 1e6), "The noise multiplier is from 0 to 1e6.");
        Throw.Invalid(!(ExpectedClients >= 1 && ExpectedClients <= 1e9), "The expected number of clients is at least 1.");
        Throw.Invalid(TargetQuantile is { } quantile && !(quantile > 0 && quantile < 1), "The target quantile is between 0 and 1.");
        Throw.Invalid(!(ClipRate > 0 && ClipRate <= 10), "The rate of adaptive clipping is above 0 and at most 10.");
        Throw.Invalid(
            TargetQuantile is not null && NoiseMultiplier > 0 && !(CountDeviation > NoiseMultiplier / 2),
            "Adaptive clipping needs noise on the count with a deviation above half the noise multiplier.");
    }
}

/// <summary>
/// FedAvg with client-level privacy (McMahan et al. 2018): x ← x + (Σ Δ_i min(1, C / ||Δ_i||) + N(0, z_Δ² C²)) / qN, every client alike. Adaptive
/// clipping (Andrew et al. 2021): with b̄ = ½ + (Σ (1[||Δ_i|| ≤ C] − ½) + N(0, σ_b²)) / qN, C ← C e^(−η_C (b̄ − γ)); less a half, a client moves the
/// count by ½ only. Contribution: (clipped Δ_i, indicator − ½).
/// </summary>
/// <remarks>
/// The noise is drawn by the server from a stream of the round, by floating point: it protects the model that is published, not against the
/// server. Noise that the server does not know is <see cref="SecureAggregation.NoisyContribution"/>.
/// </remarks>
public sealed class PrivateFedAvg : SumStrategy
{
    private const string ClipSlot = "clip";
    private readonly ClientPrivacy _privacy;
    private readonly RandomStreams _streams;

    /// <param name="privacy">Clip and noise.</param>
    /// <param name="streams">The server's own; read at purpose "server-noise" of each round. Not disposed here.</param>
    public PrivateFedAvg(ClientPrivacy privacy, RandomStreams streams)
        : base(FormattableString.Invariant($"dp-fedavg:{privacy.Clip},{privacy.NoiseMultiplier}"))
    {
        privacy.Validate();
        _privacy = privacy;
        _streams = streams;
    }

    public override double? Clip(ServerState state) => state.Slot(ClipSlot)?[0] ?? _privacy.Clip;

    public override int ContributionLength(int parameters) => parameters + 1;

    public override double[] Contribution(ClientUpdate update, double? clip)
    {
        double bound = clip ?? _privacy.Clip;
        double norm = Kernels.Norm(update.Delta);
        double[] part = [.. update.Delta, norm <= bound ? 0.5 : -0.5];
        if (norm > bound)
        {
            Kernels.Scale(bound / norm, part.AsSpan(0, update.Delta.Length));
        }

        return part;
    }

    public override ServerState Apply(ServerState state, ReadOnlySpan<double> sum, int clients, int roster)
    {
        Throw.If(sum.Length != state.Parameters.Length + 1, HorizontalError.WrongShape, "The sum does not have the model's length.");
        double clip = Clip(state) ?? _privacy.Clip;
        double[] mean = sum[..^1].ToArray();
        using RandomStream stream = _streams.For("server-noise", state.Round, RandomStreams.Server);
        double deviation = _privacy.SumMultiplier * clip;
        for (int i = 0; i < mean.Length && deviation > 0; i++)
        {
            mean[i] += deviation * Draws.Normal(stream);
        }

        Kernels.Scale(1 / _privacy.ExpectedClients, mean);
        if (_privacy.TargetQuantile is not { } quantile)
        {
            return state.Next(state.Moved(1, mean));
        }

        double unclipped = 0.5 + ((sum[^1] + (_privacy.CountDeviation * Draws.Normal(stream))) / _privacy.ExpectedClients);
        double next = clip * DeterministicMath.Exp(-_privacy.ClipRate * (unclipped - quantile));
        return state.Next(state.Moved(1, mean), (ClipSlot, [next]));
    }
}
