using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Aggregation;

/// <summary>
/// Coordinate-wise median (Yin et al. 2018, definition 1): x_k ← x_k + median_i Δ_ik, every client alike; of an even number the mean of the
/// middle two. Outvotes fewer than half of the clients; those far from it are named.
/// </summary>
public sealed class CoordinateMedian() : IndividualStrategy("median")
{
    private protected override Aggregated AggregateCore(ServerState state, IReadOnlyList<ClientUpdate> updates, int roster)
    {
        (double[] median, double[] kept) = Coordinates.Trimmed(updates, (updates.Count - 1) / 2);
        return new Aggregated(state.Next(state.Moved(1, median)), Coordinates.Far(updates, median, kept));
    }
}

/// <summary>
/// Coordinate-wise trimmed mean (Yin et al. 2018, definition 2): of every coordinate the b = ⌈β m⌉ largest and b smallest of m values are left
/// out and the rest averaged, every client alike. Outvotes up to b clients; those far from the outcome are named.
/// </summary>
public sealed class TrimmedMean : IndividualStrategy
{
    private readonly double _share;

    /// <param name="share">β: the share trimmed at each end, in [0, 0.5).</param>
    public TrimmedMean(double share)
        : base(FormattableString.Invariant($"trimmed-mean:{share}"))
    {
        Throw.Invalid(!(share >= 0 && share < 0.5), "The trimmed share is from 0 to below 0.5.");
        _share = share;
    }

    private protected override Aggregated AggregateCore(ServerState state, IReadOnlyList<ClientUpdate> updates, int roster)
    {
        int trim = Shares.Up(_share, updates.Count);
        Throw.If(
            2 * trim >= updates.Count, HorizontalError.TooFewClients, $"Of {updates.Count} updates {trim} cannot be trimmed at each end.");
        (double[] mean, double[] kept) = Coordinates.Trimmed(updates, trim);
        return new Aggregated(state.Next(state.Moved(1, mean)), Coordinates.Far(updates, mean, kept));
    }
}

/// <summary>
/// Krum and Multi-Krum (Blanchard et al. 2017): an update's score is the sum of squared distances to its m − f − 2 nearest others; the q
/// updates with the smallest scores are averaged, every client alike. Krum has q = 1. Needs m ≥ 2f + 3. Ties go to the client that comes first.
/// </summary>
public sealed class Krum : IndividualStrategy
{
    private readonly double _share;
    private readonly int _chosen;

    /// <param name="byzantine">Share of the round's clients that may be hostile, in [0, 0.5); f = ⌊share · m⌋.</param>
    /// <param name="chosen">q, from 1; 0 takes m − f (Multi-Krum's usual choice).</param>
    public Krum(double byzantine, int chosen = 1)
        : base(FormattableString.Invariant($"{(chosen == 1 ? "krum" : "multi-krum")}:{byzantine}"))
    {
        Throw.Invalid(!(byzantine >= 0 && byzantine < 0.5), "Krum's share of hostile clients is from 0 to below 0.5.");
        Throw.Invalid(chosen < 0, "Multi-Krum averages at least one update.");
        _share = byzantine;
        _chosen = chosen;
    }

    private protected override Aggregated AggregateCore(ServerState state, IReadOnlyList<ClientUpdate> updates, int roster)
    {
        int m = updates.Count;
        int f = Shares.Down(_share, m);
        Throw.If(m < (2 * f) + 3, HorizontalError.TooFewClients, $"Krum against {f} hostile clients needs {(2 * f) + 3} updates; there are {m}.");
        int q = _chosen == 0 ? m - f : _chosen;
        Throw.If(q > m - f, HorizontalError.TooFewClients, $"Of {m} updates with {f} hostile ones {q} cannot be chosen.");
        double[] scores = Scores(updates, m - f - 2);
        int[] order = [.. Enumerable.Range(0, m).OrderBy(i => scores[i]).ThenBy(static i => i)];
        double[] mean = new double[state.Parameters.Length];
        foreach (int i in order.Take(q).Order())
        {
            Kernels.AddScaled(1.0 / q, updates[i].Delta, mean);
        }

        Outlier[] outliers = [.. order.Skip(q).Order().Select(i => new Outlier(updates[i].Client, 0, "farther from the others than those chosen"))];
        return new Aggregated(state.Next(state.Moved(1, mean)), outliers);
    }

    internal static double[] Scores(IReadOnlyList<ClientUpdate> updates, int neighbours)
    {
        int m = updates.Count;
        double[] distances = new double[m * m];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < i; j++)
            {
                double distance = Kernels.SquaredDistance(updates[i].Delta, updates[j].Delta);
                distances[(i * m) + j] = distance;
                distances[(j * m) + i] = distance;
            }
        }

        double[] scores = new double[m];
        double[] others = new double[m - 1];
        for (int i = 0; i < m; i++)
        {
            int count = 0;
            for (int j = 0; j < m; j++)
            {
                if (j != i)
                {
                    others[count++] = distances[(i * m) + j];
                }
            }

            Array.Sort(others);
            for (int k = 0; k < neighbours; k++)
            {
                scores[i] += others[k];
            }
        }

        return scores;
    }
}

/// <summary>
/// Geometric median, RFA (Pillutla et al. 2022): v = argmin Σ w_i ||v − Δ_i||, w_i in proportion to min(n_i, median n), by the smoothed Weiszfeld
/// iteration β_i = w_i / max(ν, ||v − Δ_i||), v ← Σ β_i Δ_i / Σ β_i. It starts from the mean of updates shortened to their median norm, and ν goes by the
/// median distance from there: both are of the size of honest updates, however long a hostile one is. Outvotes clients with less than half of the weight,
/// which the limit at the median keeps from growing with what a client claims to have (<see cref="Coordinates.Weights"/>); those far from v are named.
/// </summary>
public sealed class GeometricMedian : IndividualStrategy
{
    private readonly int _iterations;
    private readonly double _smoothing;

    /// <param name="iterations">Weiszfeld steps, 1 to 1000; the paper finds 3 enough.</param>
    /// <param name="smoothing">ν by the median distance from the start, above 0.</param>
    public GeometricMedian(int iterations = 32, double smoothing = 1e-6)
        : base("geometric-median")
    {
        Throw.Invalid(iterations is < 1 or > 1000, "The geometric median takes 1 to 1000 iterations.");
        Throw.Invalid(!(smoothing > 0 && smoothing < 1), "The smoothing is between 0 and 1.");
        _iterations = iterations;
        _smoothing = smoothing;
    }

    private protected override Aggregated AggregateCore(ServerState state, IReadOnlyList<ClientUpdate> updates, int roster)
    {
        double[] weights = Coordinates.Weights(updates);
        double[] centre = Start(updates, weights);
        double smallest = _smoothing * Coordinates.Median([.. updates.Select(update => Distance(centre, update))]);
        for (int iteration = 0; iteration < _iterations && smallest > 0; iteration++)
        {
            double[] beta = new double[weights.Length];
            for (int i = 0; i < beta.Length; i++)
            {
                beta[i] = weights[i] / Math.Max(smallest, Distance(centre, updates[i]));
            }

            centre = Coordinates.Mean(updates, beta);
        }

        // Of its weight a client keeps 1 / distance, as β has it, by the distance of the median client.
        double[] distances = [.. updates.Select(update => Distance(centre, update))];
        double usual = Coordinates.Median(distances);
        double[] kept = [.. distances.Select(distance => distance > usual ? usual / distance : 1)];
        return new Aggregated(state.Next(state.Moved(1, centre)), Coordinates.Far(updates, centre, kept));
    }

    private static double[] Start(IReadOnlyList<ClientUpdate> updates, double[] weights)
    {
        double[] norms = [.. updates.Select(static update => Kernels.Norm(update.Delta))];
        double bound = Coordinates.Median(norms);
        double total = weights.Sum();
        double[] start = new double[updates[0].Delta.Length];
        for (int i = 0; i < norms.Length; i++)
        {
            Kernels.AddScaled(weights[i] / total * (norms[i] > bound ? bound / norms[i] : 1), updates[i].Delta, start);
        }

        return start;
    }

    private static double Distance(double[] centre, ClientUpdate update) => Kernels.Norm(Kernels.Subtract(centre, update.Delta));
}

/// <summary>
/// Norm bounding (Sun et al. 2019): x ← x + Σ w_i Δ_i min(1, M / ||Δ_i||), w_i in proportion to min(n_i, median n), so that a claim of many rows is no
/// way round M (<see cref="Coordinates.Weights"/>). Whoever is shortened is named with the share that it kept. M is given, or is a multiple of the round's
/// median norm.
/// </summary>
public sealed class NormBounding : IndividualStrategy
{
    private readonly double _bound;
    private readonly bool _relative;

    /// <param name="bound">M, or its multiple of the median norm; above 0.</param>
    /// <param name="relative">Whether <paramref name="bound"/> multiplies the round's median norm.</param>
    public NormBounding(double bound, bool relative = true)
        : base(FormattableString.Invariant($"norm-bound:{bound}"))
    {
        Throw.Invalid(!(bound > 0 && bound <= 1e9), "The bound on norms is above 0 and at most 1e9.");
        _bound = bound;
        _relative = relative;
    }

    private protected override Aggregated AggregateCore(ServerState state, IReadOnlyList<ClientUpdate> updates, int roster)
    {
        double[] norms = [.. updates.Select(static update => Kernels.Norm(update.Delta))];
        double bound = _relative ? _bound * Coordinates.Median(norms) : _bound;
        double[] weights = Coordinates.Weights(updates);
        double total = weights.Sum();
        double[] mean = new double[state.Parameters.Length];
        var outliers = new List<Outlier>();
        for (int i = 0; i < norms.Length; i++)
        {
            double kept = norms[i] > bound ? bound / norms[i] : 1;
            Kernels.AddScaled(weights[i] / total * kept, updates[i].Delta, mean);
            if (kept < 1)
            {
                outliers.Add(new Outlier(updates[i].Client, kept, FormattableString.Invariant($"norm {norms[i]:g4} is above {bound:g4}")));
            }
        }

        return new Aggregated(state.Next(state.Moved(1, mean)), outliers);
    }
}

/// <summary>Sums over clients, coordinate by coordinate.</summary>
internal static class Coordinates
{
    private const double FarFrom = 3;

    /// <summary>The middle value; of an even number the mean of the middle two.</summary>
    public static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return 0.5 * (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]);
    }

    /// <summary>
    /// min(n_i, median n), not normalised. Rows are a client's own claim, and an average by claims belongs to whoever claims most; with a limit that
    /// a hostile minority cannot move, its weight stays below that of the others (weights truncated, as Portnoy, Tirosh and Hendler 2020 do).
    /// </summary>
    public static double[] Weights(IReadOnlyList<ClientUpdate> updates)
    {
        double[] claims = [.. updates.Select(static update => (double)update.Examples)];
        double most = Median(claims);
        return [.. claims.Select(claim => Math.Min(claim, most))];
    }

    /// <summary>Clients more than three times as far from the outcome as the median client, for the report.</summary>
    /// <param name="updates">All updates.</param>
    /// <param name="outcome">What was made of them.</param>
    /// <param name="kept">The share of its weight that each kept.</param>
    public static IReadOnlyList<Outlier> Far(IReadOnlyList<ClientUpdate> updates, double[] outcome, double[] kept)
    {
        double[] distances = [.. updates.Select(update => Kernels.Norm(Kernels.Subtract(outcome, update.Delta)))];
        double usual = Median(distances);
        var outliers = new List<Outlier>();
        for (int i = 0; i < distances.Length; i++)
        {
            if (distances[i] > FarFrom * usual)
            {
                string reason = FormattableString.Invariant($"distance {distances[i]:g4} from the outcome; the median client's is {usual:g4}");
                outliers.Add(new Outlier(updates[i].Client, kept[i], reason));
            }
        }

        return outliers;
    }

    /// <summary>
    /// Of every coordinate the mean of what is left after the <paramref name="trim"/> largest and smallest; and of every client the share of coordinates in
    /// which its number was left.
    /// </summary>
    public static (double[] Mean, double[] Kept) Trimmed(IReadOnlyList<ClientUpdate> updates, int trim)
    {
        double[] result = new double[updates[0].Delta.Length];
        double[] values = new double[updates.Count];
        int[] owners = new int[values.Length];
        double[] kept = new double[values.Length];
        int left = values.Length - (2 * trim);
        for (int k = 0; k < result.Length; k++)
        {
            for (int i = 0; i < values.Length; i++)
            {
                values[i] = updates[i].Delta[k];
                owners[i] = i;
            }

            Array.Sort(values, owners);
            double sum = 0;
            for (int i = trim; i < trim + left; i++)
            {
                sum += values[i];
                kept[owners[i]] += 1.0 / result.Length;
            }

            result[k] = sum / left;
        }

        return (result, kept);
    }

    /// <summary>Σ w_i Δ_i / Σ w_i.</summary>
    public static double[] Mean(IReadOnlyList<ClientUpdate> updates, double[] weights)
    {
        double total = 0;
        foreach (double weight in weights)
        {
            total += weight;
        }

        double[] mean = new double[updates[0].Delta.Length];
        for (int i = 0; i < weights.Length; i++)
        {
            Kernels.AddScaled(weights[i] / total, updates[i].Delta, mean);
        }

        return mean;
    }
}
