using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.Simulation;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Horizontal.Service;

/// <summary>Ways of training that are no strategy of rounds with one model: which of them the service has, and what they go with.</summary>
internal static class JobMethod
{
    /// <summary>What the spec's strategy names; null where that is a strategy of rounds.</summary>
    /// <exception cref="HorizontalException">The service does not have it, or it does not go with another field; the message says why.</exception>
    public static SimulatedMethod? Of(HorizontalSpecification spec, UpdateCodec codec, int parties)
    {
        // Behind fedmd may stand what makes its consensus.
        string name = IsDistillation(spec) ? spec.Strategy.Split('/', 2)[0] : spec.Strategy;
        SimulatedMethod? method = SimulatedMethod.Parse(name, spec.Staleness, publicShare: 0.5);
        method?.Validate();
        Throw.Invalid(spec.Staleness > 0 && method is not BufferedMethod, $"A limit on staleness goes with fedbuff, not with '{spec.Strategy}'.");
        if (method is null)
        {
            return null;
        }

        Throw.Invalid(
            method is DistillingMethod { OutputsOnly: false },
            $"'{spec.Strategy}' trains the mean model on public rows at the coordinator, which holds no rows. 'vertfed simulate' runs it; 'fedmd' is the distillation that needs none there.");
        Throw.Invalid(spec.Personal.Length > 0, $"Personal models go with strategies of rounds with one model, not with '{spec.Strategy}'.");
        if (method is DistillingMethod)
        {
            CheckDistillation(spec, codec, parties);
            return method;
        }

        Throw.Invalid(spec.IsSecure, $"'{spec.Strategy}' needs more than one sum a round, and secure_aggregation gives one.");
        Throw.Invalid(
            method is BufferedMethod && spec.Privacy is not null,
            "How often a party answers under fedbuff, and so what its privacy costs, is not known before.");
        Throw.Invalid(
            method is ClusteredMethod && spec.Privacy is not null, "Under ifca a party chooses a model by its rows without noise, which privacy forbids.");
        Throw.Invalid(
            method is BufferedMethod && (spec.Selection != SelectionChoice.Uniform || spec.OverSelection > 1),
            "fedbuff has no rounds to invite to: selection is uniform, and over_selection is 1.");
        Throw.Invalid(method is BufferedMethod && codec.KeepsError, "fedbuff goes with compression that keeps no error between updates.");
        return method;
    }

    /// <summary>What makes the consensus of a job with distillation: the mean, or the strategy that stands behind it, as in "fedmd:20/median".</summary>
    /// <exception cref="HorizontalException">There is no such strategy, or it does not make a consensus.</exception>
    public static AggregationStrategy Consensus(HorizontalSpecification spec)
    {
        string[] parts = spec.Strategy.Split('/', 2);
        AggregationStrategy? strategy = parts.Length == 2 ? StrategyParser.Parse(parts[1]) : null;
        Throw.Invalid(
            strategy is not (null or CoordinateMedian or TrimmedMean or Krum or GeometricMedian),
            $"'{parts[^1]}' moves a model by its parties' updates; a consensus of outputs is their mean, or is made by median, trimmed-mean, krum, multi-krum or geometric-median.");
        return strategy ?? new MeanOutputs();
    }

    private static bool IsDistillation(HorizontalSpecification spec) => spec.Strategy.Split(':', '/')[0] == "fedmd";

    private static void CheckDistillation(HorizontalSpecification spec, UpdateCodec codec, int parties)
    {
        Throw.Invalid(spec.PublicRows is null, $"'{spec.Strategy}' needs public_rows: a name, how many, and their sha256.");
        Throw.Invalid(codec is not PlainCodec, $"'{spec.Strategy}' sends outputs, which are not compressed.");
        Throw.Invalid(spec.ClientsPerRound != parties, $"Under '{spec.Strategy}' each party trains a model of its own, so clients_per_round is all of them.");
    }
}
