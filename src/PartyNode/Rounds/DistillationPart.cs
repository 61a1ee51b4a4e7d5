using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Personal;
using VertFed.Horizontal.Service;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Rounds;

/// <summary>
/// FedMD at a party (Li and Wang 2019): its own model is trained to the last consensus on the public rows, then on its own rows; its outputs on the public rows
/// travel, and no parameter. The own model moves on as SCAFFOLD's control variate does: once the coordinator says that the round counted, so it
/// follows from the record and the own rows, whenever the node was killed.
/// </summary>
internal static class DistillationPart
{
    /// <summary>The own model with which a round's local work begins.</summary>
    /// <param name="round">From 1; the first has no consensus.</param>
    /// <param name="consensus">Outputs on the public rows; zeros in round 1.</param>
    /// <param name="rows">The public rows, scaled.</param>
    public static double[] Digest(
        JobPlan plan, FederatedModel model, RoundMemory memory, uint round, double[] consensus, Examples rows, RandomStreams streams, uint place,
        CancellationToken cancellationToken)
    {
        double[] own = memory.Distilled ?? First(model, streams, place);
        if (round > 1)
        {
            return Distillation.Distil(model, own, rows, consensus, plan.Digest!, cancellationToken);
        }

        return Array.TrueForAll(consensus, value => value == 0)
            ? own
            : throw new VertFedException(ErrorCode.ProtocolViolation, "The order of round 1 has a consensus, which no round before has made.") { Party = "coordinator", Step = nameof(RoundStep.ModelOrder) };
    }

    /// <summary>What is sent in the place of a model's change: the outputs of the own model after the round's work, less the consensus.</summary>
    /// <param name="update">The local work on the own model.</param>
    /// <param name="begun">That model before it.</param>
    /// <param name="own">That model after it.</param>
    public static ClientUpdate Outputs(FederatedModel model, ClientUpdate update, double[] begun, double[] consensus, Examples rows, out double[] own)
    {
        own = [.. begun.Zip(update.Delta, (before, change) => before + change)];
        return update with { Delta = [.. Distillation.Outputs(model, own, rows).Zip(consensus, (output, before) => output - before)] };
    }

    /// <summary>The own model at the end.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.PeerUnavailable"/>: no round counted this party, so it has trained none.</exception>
    public static double[] Close(RoundMemory memory, FinalModel final, uint place)
    {
        // Who missed the last rounds ends with the last one that counted it, as an order of a further round would have told it.
        memory.Settle(final.Rounds + 1, final.Counted[(int)place - 1]);
        return memory.Distilled ?? throw new VertFedException(
            ErrorCode.PeerUnavailable, "No round of this job counted this party's outputs, so it has no model of its own.") { Step = nameof(RoundStep.FinalModel) };
    }

    private static double[] First(FederatedModel model, RandomStreams streams, uint place)
    {
        using RandomStream stream = streams.For("initial", 0, place);
        return model.Initial(stream);
    }
}
