using System.Security.Cryptography;
using System.Runtime.InteropServices;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Horizontal.Simulation;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Horizontal.Service;

/// <summary>
/// What a horizontal job spec asks to be hidden, with which noise, and what it costs; the coordinator and the parties reckon alike. The model's
/// width is not known before the columns are, so discrete noise is reckoned for the widest model that the service trains.
/// </summary>
public sealed class JobPrivacy
{
    /// <summary>The deviation that a party's discrete noise has at most, in units of the ring: what the sampler takes, and fine enough for rounding to cost nothing.</summary>
    private const double FinestDeviation = 1 << 25;

    private readonly HorizontalSpecification _spec;
    private readonly PrivacySpec _privacy;
    private readonly LocalWork _work;
    private readonly int _parties;

    private JobPrivacy(HorizontalSpecification spec, PrivacySpec privacy, LocalWork work, int parties)
    {
        (_spec, _privacy, _work, _parties) = (spec, privacy, work, parties);
        Encoding = EncodingOf();
    }

    public PrivacyLevel Level => _privacy.Level;

    /// <summary>δ at which ε is told.</summary>
    public double Delta => _privacy.Delta;

    /// <summary>The largest ε that the job may come to.</summary>
    public double Budget => _privacy.Budget;

    /// <summary>
    /// Fewest parties that a noisy sum is of. A secure sum does without a third of its parties; where the spec asks for more, that counts. It is
    /// reckoned for the roster that a round invites while no party has left, and the threshold is never less, however many have.
    /// </summary>
    public int FewestParties => Math.Max(
        _spec.MinimumClients,
        SecureSumPlan.For(0, ClientSelection.Invitations(_spec.ClientsPerRound, _spec.OverSelection, _parties), 1).Threshold);

    /// <summary>Parties whose noise is counted: one fewer, for each party knows its own noise, and sees the models as the coordinator does.</summary>
    public int NoisyParties => FewestParties - 1;

    /// <summary>How numbers enter a noisy sum: as fine as the noise allows.</summary>
    public RingEncoding Encoding { get; }

    /// <summary>σ of the discrete noise that each party adds, in units of the ring.</summary>
    public double Deviation => DistributedFedAvg.ClientDeviation(_privacy.Clip, _privacy.Noise, Encoding.FractionalBits, NoisyParties);

    /// <summary>What a spec asks for; null where it asks for nothing.</summary>
    /// <exception cref="HorizontalException">Its numbers do not go together.</exception>
    internal static JobPrivacy? Of(HorizontalSpecification spec, LocalWork work, int parties)
    {
        if (spec.Privacy is not { } privacy)
        {
            return null;
        }

        JobPrivacy read = new(spec, privacy, work, parties);
        _ = read.Level == PrivacyLevel.Record ? 0 : read.PartyEpsilon(1);
        return read;
    }

    /// <summary>The strategy that goes with the level; null where the spec's own does.</summary>
    /// <param name="streams">The coordinator's own, for noise at level client; a party's are not drawn from.</param>
    public SumStrategy? Strategy(RandomStreams streams) => _privacy.Level switch
    {
        PrivacyLevel.Client => new PrivateFedAvg(ClientNoise(), streams),
        PrivacyLevel.Distributed => new DistributedFedAvg(_privacy.Clip),
        _ => null,
    };

    /// <summary>
    /// Adds this party's discrete noise to its encoded vector. The noise is drawn from the party's own secret, the round and the vector: the same
    /// vector has the same noise whenever it is made, and another one has other noise, so that no two sums differ by what no noise hides.
    /// </summary>
    public void AddNoise(Span<ulong> vector, RandomStreams streams, uint round, uint place)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(MemoryMarshal.AsBytes(vector), hash);
        using RandomStream stream = streams.For("client-noise/" + Convert.ToHexStringLower(hash), round, place);
        NoisyContribution.Add(vector, DiscreteGaussian.OfVariance(Deviation * Deviation), stream);
    }

    /// <summary>
    /// ε after so many rounds of what hides a party as a whole: levels client and distributed; 0 at level record. Parties are invited at the coordinator's
    /// choice and all are known to it, so no amplification by sampling is claimed: each round is reckoned as if every party took part.
    /// </summary>
    public double PartyEpsilon(int rounds) => _privacy.Level switch
    {
        PrivacyLevel.Client => PrivacyAccountant.Fresh.AfterSampledGaussian(1, _privacy.Noise, rounds).Epsilon(Delta),
        PrivacyLevel.Distributed => Distributed(PrivacyAccountant.Fresh, 1, rounds).Epsilon(Delta),
        _ => 0,
    };

    /// <summary>
    /// What so many rounds cost one row of a party. At level record DP-SGD's steps. At the others a row is hidden as a part of its party's update: without
    /// the row the update may be any other within the clip, so it moves the sum by up to twice the clip, where taking the party out moves it by the clip.
    /// </summary>
    /// <param name="spent">Before.</param>
    /// <param name="rows">The party's training rows, at least 1.</param>
    /// <param name="rounds">That the party takes part in, from 0.</param>
    public PrivacyAccountant RowAccount(PrivacyAccountant spent, int rows, int rounds) => _privacy.Level switch
    {
        PrivacyLevel.Client => spent.AfterSampledGaussian(1, _privacy.Noise / 2, rounds),
        PrivacyLevel.Distributed => Distributed(spent, 2, rounds),
        _ => spent.AfterSampledGaussian(_work.Sampling(rows), _privacy.Noise, checked(_work.Steps(rows) * rounds)),
    };

    /// <summary>ε of what the job's level protects, after so many rounds: a row at level record, the party at the others.</summary>
    /// <param name="rows">The party's training rows, at least 1; of no account but at level record.</param>
    public double Epsilon(int rows, int rounds) =>
        _privacy.Level == PrivacyLevel.Record ? RowAccount(PrivacyAccountant.Fresh, rows, rounds).Epsilon(Delta) : PartyEpsilon(rounds);

    private PrivacyAccountant Distributed(PrivacyAccountant spent, double clips, int rounds) => spent.AfterDistributed(
        clips * DistributedFedAvg.Sensitivity(_privacy.Clip, Encoding.FractionalBits, HorizontalSpecification.MostParameters),
        Deviation, NoisyParties, HorizontalSpecification.MostParameters, rounds);

    // The count of unclipped updates gets noise enough to cost little beside the sum's (Andrew et al. 2021 take m / 20, for many more clients).
    private ClientPrivacy ClientNoise() => _privacy.ClipQuantile == 0
        ? new ClientPrivacy(_privacy.Clip, _privacy.Noise, _spec.ClientsPerRound)
        : new ClientPrivacy(
            _privacy.Clip, _privacy.Noise, _spec.ClientsPerRound, _privacy.ClipQuantile, CountDeviation: Math.Max(_spec.ClientsPerRound / 20.0, _privacy.Noise));

    private RingEncoding EncodingOf()
    {
        if (_privacy.Level != PrivacyLevel.Distributed)
        {
            return new RingEncoding(0, 1, 1);
        }

        double unit = DistributedFedAvg.ClientDeviation(_privacy.Clip, _privacy.Noise, 0, NoisyParties);
        Throw.Invalid(!(unit <= FinestDeviation), "The noise of level distributed is too large for the secure sum: lower the clip or the noise, or scale the columns.");
        int bits = 0;
        while (bits < 50 && 2 * unit <= FinestDeviation)
        {
            unit *= 2;
            bits++;
        }

        // A clipped vector is within the clip but for the last bits of its own rounding.
        RingEncoding encoding = new(bits, 2 * _privacy.Clip, _parties);
        encoding.Validate();
        return encoding;
    }
}
