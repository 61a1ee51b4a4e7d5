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
    public static SimulatedMethod? Of(HorizontalSpecification spec, UpdateCodec codec)
    {
        SimulatedMethod? method = SimulatedMethod.Parse(spec.Strategy, spec.Staleness, publicShare: 0.5);
        method?.Validate();
        Throw.Invalid(spec.Staleness > 0 && method is not BufferedMethod, $"A limit on staleness goes with fedbuff, not with '{spec.Strategy}'.");
        if (method is null)
        {
            return null;
        }

        Throw.Invalid(
            method is DistillingMethod,
            $"'{spec.Strategy}' needs public rows that every party and the coordinator hold. The service has no way to give them out; 'vertfed simulate' runs it.");
        Throw.Invalid(spec.IsSecure, $"'{spec.Strategy}' needs more than one sum a round, and secure_aggregation gives one.");
        Throw.Invalid(spec.Personal.Length > 0, $"Personal models go with strategies of rounds with one model, not with '{spec.Strategy}'.");
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
}
