using System.Globalization;
using VertFed.Horizontal.Learning;
using VertFed.Models;
using VertFed.Primitives;

namespace VertFed.Horizontal.Simulation;

/// <summary>
/// Deals rows to simulated clients. <c>iid</c>: a uniform order, dealt in turn. <c>dirichlet:α</c>: of every class each client gets a share,
/// shares ~ Dir(α, …, α) (Yurochkin et al. 2019). <c>shards:k</c>: rows sorted by label are cut into clients × k shards of one size, k random ones a
/// client (McMahan et al. 2017). <c>feature-skew</c>: rows sorted along one random direction of the features and cut in blocks. Labels of
/// regressions count as classes by tenths of their order. No client is left without rows: one is moved from the largest client.
/// </summary>
public sealed class Partition
{
    /// <summary>The most simulated clients.</summary>
    public const int MostClients = 100_000;

    private const int Tenths = 10;
    private readonly string _kind;
    private readonly double _parameter;

    private Partition(string kind, double parameter, string name) => (_kind, _parameter, Name) = (kind, parameter, name);

    /// <summary>As parsed.</summary>
    public string Name { get; }

    /// <exception cref="HorizontalException">Not a partition, or its parameter is out of range.</exception>
    public static Partition Parse(string text)
    {
        string[] parts = text.Split(':', 2);
        double parameter = 0;
        bool takes = parts[0] is "dirichlet" or "shards";
        Throw.Invalid(
            parts[0] is not ("iid" or "feature-skew") && !takes, $"There is no partition '{text}': iid, dirichlet:ALPHA, shards:K or feature-skew.");
        Throw.Invalid(takes != (parts.Length == 2), takes ? $"Partition '{parts[0]}' takes a parameter, as in {(parts[0] == "shards" ? "shards:2" : "dirichlet:0.3")}." : $"Partition '{parts[0]}' takes no parameter.");
        Throw.Invalid(
            takes && !double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out parameter),
            $"The parameter of partition '{text}' is not a number.");
        Throw.Invalid(parts[0] == "dirichlet" && !(parameter is >= 0.001 and <= 1e6), "Dirichlet's α is from 0.001 to 1e6.");
        Throw.Invalid(parts[0] == "shards" && !(parameter is >= 1 and <= 1000 && parameter == Math.Floor(parameter)), "A client has 1 to 1000 shards.");
        return new Partition(parts[0], parameter, text);
    }

    /// <summary>Rows of each client, every row once, none empty.</summary>
    /// <exception cref="HorizontalException">Fewer rows than clients (or than shards).</exception>
    public int[][] Split(Examples examples, bool classes, int clients, RandomStream stream)
    {
        Throw.Invalid(clients is < 1 or > MostClients, $"A simulation has 1 to {MostClients} clients.");
        Throw.Invalid(examples.Count < clients, $"{examples.Count} rows cannot be dealt to {clients} clients.");
        List<int>[] dealt = [.. Enumerable.Range(0, clients).Select(static _ => new List<int>())];
        switch (_kind)
        {
            case "dirichlet":
                DealByClass(examples, classes, dealt, stream);
                break;
            case "shards":
                DealShards(examples, dealt, stream);
                break;
            case "feature-skew":
                DealBlocks(SortedBy(examples, Projection(examples, stream)), dealt);
                break;
            default:
                int[] order = [.. Enumerable.Range(0, examples.Count)];
                Draws.Shuffle(stream, order.AsSpan());
                for (int i = 0; i < order.Length; i++)
                {
                    dealt[i % clients].Add(order[i]);
                }

                break;
        }

        FillEmpty(dealt);
        return [.. dealt.Select(static rows => rows.Order().ToArray())];
    }

    private void DealByClass(Examples examples, bool classes, List<int>[] dealt, RandomStream stream)
    {
        double[] keys = classes ? examples.Labels() : TenthsOf(examples.Labels());
        foreach (int[] rows in Enumerable.Range(0, keys.Length).GroupBy(i => keys[i]).OrderBy(static group => group.Key).Select(static group => group.ToArray()))
        {
            Draws.Shuffle(stream, rows.AsSpan());
            double[] shares = [.. dealt.Select(_ => Draws.LogGamma(stream, _parameter))];
            double largest = shares.Max();
            double total = 0;
            for (int i = 0; i < shares.Length; i++)
            {
                shares[i] = DeterministicMath.Exp(shares[i] - largest);
                total += shares[i];
            }

            int start = 0;
            double sum = 0;
            for (int i = 0; i < shares.Length; i++)
            {
                sum += shares[i];
                int end = i == shares.Length - 1 ? rows.Length : (int)Math.Round(rows.Length * Math.Min(1, sum / total), MidpointRounding.ToEven);
                dealt[i].AddRange(rows[start..end]);
                start = end;
            }
        }
    }

    private void DealShards(Examples examples, List<int>[] dealt, RandomStream stream)
    {
        int each = (int)_parameter;
        int shards = checked(dealt.Length * each);
        Throw.Invalid(examples.Count < shards, $"{examples.Count} rows cannot be cut into {shards} shards.");

        // Shuffled first, so that rows of one label fall into its shards at random.
        int[] sorted = [.. Enumerable.Range(0, examples.Count)];
        Draws.Shuffle(stream, sorted.AsSpan());
        sorted = [.. sorted.OrderBy(examples.Label)];
        int[] order = [.. Enumerable.Range(0, shards)];
        Draws.Shuffle(stream, order.AsSpan());
        for (int i = 0; i < shards; i++)
        {
            int shard = order[i];
            int start = (int)((long)shard * sorted.Length / shards);
            int end = (int)((long)(shard + 1) * sorted.Length / shards);
            dealt[i / each].AddRange(sorted[start..end]);
        }
    }

    private static void DealBlocks(int[] sorted, List<int>[] dealt)
    {
        for (int i = 0; i < dealt.Length; i++)
        {
            int start = (int)((long)i * sorted.Length / dealt.Length);
            int end = (int)((long)(i + 1) * sorted.Length / dealt.Length);
            dealt[i].AddRange(sorted[start..end]);
        }
    }

    private static double[] Projection(Examples examples, RandomStream stream)
    {
        double[] direction = new double[examples.Features];
        foreach (ref double part in direction.AsSpan())
        {
            part = Draws.Normal(stream);
        }

        return [.. Enumerable.Range(0, examples.Count).Select(i => Kernels.Dot(examples.Row(i), direction))];
    }

    private static int[] SortedBy(Examples examples, double[] keys) => [.. Enumerable.Range(0, examples.Count).OrderBy(i => keys[i])];

    private static double[] TenthsOf(double[] labels)
    {
        int[] order = [.. Enumerable.Range(0, labels.Length).OrderBy(i => labels[i])];
        double[] tenths = new double[labels.Length];
        for (int rank = 0; rank < order.Length; rank++)
        {
            tenths[order[rank]] = Math.Floor((double)rank * Tenths / order.Length);
        }

        return tenths;
    }

    private static void FillEmpty(List<int>[] dealt)
    {
        // The largest first, and of equals the first.
        var bySize = new PriorityQueue<int, (int, int)>(dealt.Select(static (rows, client) => (client, (-rows.Count, client))));
        foreach (List<int> empty in dealt.Where(static rows => rows.Count == 0))
        {
            int client = bySize.Dequeue();
            List<int> largest = dealt[client];
            empty.Add(largest[^1]);
            largest.RemoveAt(largest.Count - 1);
            bySize.Enqueue(client, (-largest.Count, client));
        }
    }
}
