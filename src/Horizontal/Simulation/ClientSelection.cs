using VertFed.Models;
using VertFed.Primitives;

namespace VertFed.Horizontal.Simulation;

/// <summary>Whom a round invites.</summary>
public enum SelectionPolicy
{
    /// <summary>Every client with the same chance.</summary>
    Uniform = 0,

    /// <summary>Without replacement, with chances by rows.</summary>
    BySize = 1,

    /// <summary>Of the clients that say they are available this round, each with the same chance.</summary>
    ByAvailability = 2,

    /// <summary>Every client with the same chance and independently, so that their number varies: what the privacy accountant reckons with.</summary>
    Poisson = 3,
}

/// <summary>Draws the clients of a round.</summary>
public static class ClientSelection
{
    /// <summary>How many to invite so that <paramref name="needed"/> answer: ⌈factor · needed⌉, at most all.</summary>
    public static int Invitations(int needed, double factor, int clients)
    {
        Throw.Invalid(!(factor >= 1 && factor <= 100), "Over-selection invites 1 to 100 times what is needed.");
        return Math.Min(clients, Shares.Up(factor, needed));
    }

    /// <summary>The invited clients, sorted.</summary>
    /// <param name="policy">Whom to prefer.</param>
    /// <param name="count">How many; fewer where fewer are available, and on average under <see cref="SelectionPolicy.Poisson"/>.</param>
    /// <param name="rows">Rows of each client.</param>
    /// <param name="available">Which are available; null means all. Only <see cref="SelectionPolicy.ByAvailability"/> asks.</param>
    /// <param name="stream">For the draw.</param>
    public static int[] Choose(SelectionPolicy policy, int count, IReadOnlyList<int> rows, IReadOnlyList<bool>? available, RandomStream stream)
    {
        Throw.Invalid(!Enum.IsDefined(policy), "There is no such selection: uniform, by-size, by-availability or poisson.");
        Throw.Invalid(count < 1 || count > rows.Count, $"Of {rows.Count} clients {count} cannot be chosen.");
        if (policy == SelectionPolicy.Poisson)
        {
            double chance = (double)count / rows.Count;
            return [.. Enumerable.Range(0, rows.Count).Where(_ => Draws.Uniform(stream) < chance)];
        }

        int[] candidates = [.. Enumerable.Range(0, rows.Count).Where(i => policy != SelectionPolicy.ByAvailability || available is null || available[i])];
        if (policy != SelectionPolicy.BySize)
        {
            Draws.Shuffle(stream, candidates.AsSpan());
            return [.. candidates.Take(count).Order()];
        }

        // Efraimidis and Spirakis 2006: the largest keys u^(1/w), by their logarithms.
        double[] keys = [.. candidates.Select(i => DeterministicMath.Log(1 - Draws.Uniform(stream)) / Math.Max(1, rows[i]))];
        return [.. candidates.OrderByDescending(i => keys[i]).ThenBy(static i => i).Take(count).Order()];
    }
}
