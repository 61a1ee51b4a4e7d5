using VertFed.Horizontal.Service;
using VertFed.Horizontal.Simulation;
using VertFed.Primitives;

namespace VertFed.Coordinator.Rounds;

/// <summary>Whom a round invites, by the job's selection.</summary>
internal static class Invitations
{
    /// <summary>
    /// As many as over-selection asks for, of the parties that have not left. By availability those that are connected come first: others are
    /// invited only where the connected alone are fewer than a round may have, and it then waits for them.
    /// </summary>
    /// <param name="rows">Each place's, with selection by size; else empty.</param>
    /// <param name="isLeft">Whether a place has not ended its part.</param>
    /// <param name="isConnected">Whether a place's node is connected now.</param>
    /// <param name="stream">For the draw; used up.</param>
    /// <returns>Places, ascending; none where nobody is left.</returns>
    public static uint[] Of(JobPlan plan, IReadOnlyList<ulong> rows, Func<uint, bool> isLeft, Func<uint, bool> isConnected, RandomStream stream)
    {
        uint[] left = [.. Enumerable.Range(1, plan.Parties).Select(place => (uint)place).Where(isLeft)];
        if (left.Length == 0)
            return [];
        int count = ClientSelection.Invitations(plan.Specification.ClientsPerRound, plan.Specification.OverSelection, left.Length);
        int[] sizes = [.. left.Select(place => rows.Count == 0 ? 1 : (int)rows[(int)place - 1])];
        bool[]? connected = plan.Selection == SelectionPolicy.ByAvailability ? [.. left.Select(isConnected)] : null;
        uint[] chosen = [.. ClientSelection.Choose(plan.Selection, count, sizes, connected, stream).Select(client => left[client])];
        int least = Math.Min(plan.FewestIn(1), left.Length);
        if (chosen.Length >= least)
            return chosen;
        uint[] others = [.. left.Except(chosen)];
        int[] waitedFor = ClientSelection.Choose(SelectionPolicy.Uniform, least - chosen.Length, new int[others.Length], available: null, stream);
        return [.. chosen.Concat(waitedFor.Select(other => others[other])).Order()];
    }
}
