using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Compression;
using VertFed.Horizontal.SecureAggregation;

namespace VertFed.Horizontal.Simulation;

/// <summary>Which options of a simulation exclude each other, each with the reason.</summary>
internal static class Combinations
{
    /// <exception cref="HorizontalException">Two options do not go together; the message says why.</exception>
    public static void Check(SimulationOptions options)
    {
        if (options.Secure)
        {
            CheckSecure(options);
        }

        CheckPrivacy(options);
        if (options.Method is { } method)
        {
            Throw.Invalid(options.Strategy is not FedAvg, $"{method.Name} aggregates by itself and takes no other strategy.");
            Throw.Invalid(options.Personal is not null, $"Personal models go with strategies of rounds with one model, not with {method.Name}.");
            Throw.Invalid(method is ClusteredMethod && options.OwnTest == 0, "Clustered training is measured on rows that clients keep for their own test; none are kept.");
            Throw.Invalid(
                method is ClusteredMethod && options.Work.Privacy is not null, "A client chooses its cluster by its rows without noise, which record-level privacy forbids.");
            Throw.Invalid(method is DistillingMethod { OutputsOnly: true } && options.Codec is not PlainCodec, "fedmd sends outputs, which are not compressed.");
            Throw.Invalid(
                method is BufferedMethod && (options.Selection != SelectionPolicy.Uniform || options.OverSelection > 1 || double.IsFinite(options.Deadline)),
                "fedbuff has no rounds: no selection but uniform, no over-selection and no deadline.");
            Throw.Invalid(method is BufferedMethod && options.Codec.KeepsError, "fedbuff goes with compression that keeps no error between updates.");
        }

        Throw.Invalid(options.Personal is not null && options.OwnTest == 0, "Personal models are measured on rows that clients keep for their own test; none are kept.");
    }

    private static void CheckSecure(SimulationOptions options)
    {
        Throw.Invalid(
            options.Strategy is IndividualStrategy, $"{options.Strategy.Name} compares single updates, and a secure sum hides them: choose one of both.");
        Throw.Invalid(options.Method is not null, $"{options.Method?.Name} needs more than one sum a round: it does not run under a secure sum.");
        Throw.Invalid(options.Codec is not PlainCodec, "Compressed updates cannot be added under masks; a secure sum rounds them to its ring instead.");
        int invited = ClientSelection.Invitations(SimulatedClients.NeededBy(options), options.OverSelection, options.Clients);
        bool varies = options.Selection == SelectionPolicy.Poisson;
        Throw.Invalid(
            (varies ? options.Clients : invited) > SecureSumPlan.MostClients,
            $"A secure sum is of at most {SecureSumPlan.MostClients} clients: each makes a mask with each. Lower the fraction.");
    }

    private static void CheckPrivacy(SimulationOptions options)
    {
        if (options.Privacy is not { } privacy)
        {
            return;
        }

        Throw.Invalid(options.Strategy is not FedAvg || options.Method is not null, "Client-level privacy goes with fedavg.");
        Throw.Invalid(options.Codec is not PlainCodec, "Client-level privacy clips the update that is sent, and takes no compression after it.");
        Throw.Invalid(options.Work.Privacy is not null, "Choose client-level or record-level privacy: their ε are of different neighbours and do not add up.");
        if (privacy.AtClients)
        {
            Throw.Invalid(!options.Secure, "Noise at the clients is enough only in a sum: it needs the secure sum.");
            Throw.Invalid(privacy.TargetQuantile is not null, "Adaptive clipping goes with noise at the server.");
            Throw.Invalid(privacy.NoiseMultiplier == 0, "Noise at the clients has a multiplier above 0.");
            Throw.Invalid(
                options.Selection is SelectionPolicy.Poisson or SelectionPolicy.ByAvailability,
                "Noise at the clients is shared out among a number of clients that is known before: choose selection uniform or by-size.");
        }
        else
        {
            Throw.Invalid(
                options.Selection != SelectionPolicy.Poisson || options.OverSelection > 1,
                "Client-level privacy by the server's noise goes with selection by poisson, without over-selection.");

            // Where one answer more or less decides between the whole sum and none, a client moves the model by far more than the clip.
            Throw.Invalid(
                options.LeastClients > 1,
                "Client-level privacy by the server's noise goes with any number of answers: a least number would show in the model whether one client was there.");
        }
    }
}
