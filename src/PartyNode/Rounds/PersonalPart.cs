using VertFed.Horizontal;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Personal;
using VertFed.Horizontal.Service;
using VertFed.Primitives;

namespace VertFed.PartyNode.Rounds;

/// <summary>A model of the party's own beside the common one. It stays here; its measures go into the party's sealed report.</summary>
/// <param name="Name">As in the job spec.</param>
/// <param name="Measured">On the own test rows.</param>
internal sealed record PersonalResult(string Name, double[] Parameters, Evaluation Measured);

/// <summary>
/// Personal models at a party: Ditto's, moved in every round that the party works on and kept before the answer goes out, or a copy of the final model
/// that is trained on. Not a word of it is on the wire.
/// </summary>
internal static class PersonalPart
{
    /// <summary>Moves Ditto's model; nothing where the job has none, or where this round has moved it before.</summary>
    /// <param name="rows">Own training rows, scaled.</param>
    /// <param name="global">The round's model.</param>
    public static void Round(JobPlan plan, FederatedModel model, RoundMemory memory, uint round, Examples rows, double[] global, RandomStreams streams, uint place)
    {
        if (plan.Personal is not { Epochs: 0 } ditto || round <= memory.PersonalRound)
        {
            return;
        }

        // It begins as the first model that the party sees, as the common one does.
        using RandomStream stream = streams.For("ditto", round, place);
        memory.KeepPersonal(round, PersonalModel.DittoRound(model, rows, memory.Personal ?? global, global, ditto.Lambda, plan.PersonalWork, stream));
    }

    /// <summary>The own model at the end, measured; null where the job has none.</summary>
    /// <param name="train">Own training rows, scaled.</param>
    /// <param name="test">Own test rows, scaled.</param>
    public static PersonalResult? Close(
        JobPlan plan, FederatedModel model, RoundMemory memory, Examples train, Examples test, double[] final, RandomStreams streams, uint place)
    {
        if (plan.Personal is not { } method)
        {
            return null;
        }

        using RandomStream stream = streams.For("fine-tune", 0, place);
        double[] own = method.Epochs > 0
            ? PersonalModel.FineTune(model, (int)place - 1, train, final, plan.PersonalWork with { Epochs = method.Epochs }, stream)
            : memory.Personal ?? final;
        return new PersonalResult(method.Name, own, Evaluation.Of(model, own, test));
    }
}
