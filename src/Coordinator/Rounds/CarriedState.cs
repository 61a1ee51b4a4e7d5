using VertFed.Horizontal.Aggregation;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Rounds;

/// <summary>The strategies' state in a checkpoint.</summary>
internal static class CarriedState
{
    /// <summary>The state that a checkpoint carries.</summary>
    public static ServerState Of(RoundCheckpoint checkpoint) => new(
        (int)checkpoint.Rounds, [.. checkpoint.Parameters], checkpoint.Slots.ToDictionary(slot => slot.Name, slot => slot.Values.ToArray(), StringComparer.Ordinal));

    /// <summary>Puts a state into the checkpoint; its rounds are the checkpoint's.</summary>
    public static void Keep(RoundCheckpoint checkpoint, ServerState state)
    {
        checkpoint.Rounds = (uint)state.Round;
        checkpoint.Parameters.Clear();
        checkpoint.Parameters.AddRange(state.Parameters);
        checkpoint.Slots.Clear();
        checkpoint.Slots.AddRange(state.Slots.OrderBy(slot => slot.Key, StringComparer.Ordinal).Select(slot => new NamedVector { Name = slot.Key, Values = { slot.Value } }));
    }

    /// <summary>The largest change of a parameter.</summary>
    public static double Movement(ServerState before, ServerState after)
    {
        double most = 0;
        for (int i = 0; i < before.Parameters.Length; i++)
            most = Math.Max(most, Math.Abs(after.Parameters[i] - before.Parameters[i]));
        return most;
    }
}
