using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;

namespace VertFed.Horizontal.Personal;

/// <summary>
/// IFCA (Ghosh et al. 2020): k models at once. Every round a client takes all k, finds its cluster ĵ = argmin_j f_i(x_j) on its own rows, trains
/// that model and answers with (ĵ, Δ); the server averages cluster by cluster, and leaves a model that nobody chose as it was.
/// </summary>
public sealed class Clusters
{
    private const int MostClusters = 100;

    // Models that start alike would all be chosen alike; where they start from zeros, this tells them apart.
    private const double StartDeviation = 0.1;

    private readonly AggregationStrategy _strategy;

    /// <param name="strategy">How each cluster's updates are aggregated.</param>
    public Clusters(AggregationStrategy strategy) => _strategy = strategy;

    /// <summary>The first models: each moved a little from the same one, so that clients can tell them apart.</summary>
    public static IReadOnlyList<ServerState> Start(double[] first, int count, RandomStreams streams)
    {
        Throw.Invalid(count is < 1 or > MostClusters, $"Clustered training has 1 to {MostClusters} models.");
        return [.. Enumerable.Range(0, count).Select(model => ServerState.Start(Moved(first, model, streams)))];
    }

    /// <summary>The models of a vector that has them one after another.</summary>
    /// <exception cref="HorizontalException">Its length is no multiple of their number.</exception>
    public static IReadOnlyList<ServerState> Split(ServerState joined, int count)
    {
        int length = joined.Parameters.Length / count;
        Throw.If(length * count != joined.Parameters.Length, HorizontalError.WrongShape, $"{joined.Parameters.Length} numbers are not {count} models of one length.");
        return [.. joined.Parameters.Chunk(length).Select(parameters => new ServerState(joined.Round, parameters, joined.Slots))];
    }

    /// <summary>The models one after another, the other way round than <see cref="Split"/>; of strategies that carry no slots.</summary>
    public static ServerState Join(IReadOnlyList<ServerState> clusters) =>
        new(clusters[0].Round, [.. clusters.SelectMany(static cluster => cluster.Parameters)], clusters[0].Slots);

    /// <summary>The cluster whose model has the smallest loss on a client's rows; the first of equals.</summary>
    public static int Choose(FederatedModel model, IReadOnlyList<ServerState> clusters, Examples examples)
    {
        CheckCount(clusters);
        int best = 0;
        double least = double.PositiveInfinity;
        for (int j = 0; j < clusters.Count; j++)
        {
            double loss = Objective.Loss(model, clusters[j].Parameters, examples, 0);
            if (loss < least)
            {
                least = loss;
                best = j;
            }
        }

        return best;
    }

    /// <summary>One round of all clusters.</summary>
    /// <param name="clusters">The k states, all of one round.</param>
    /// <param name="updates">Each client's choice and update, in the order of clients.</param>
    /// <param name="roster">Clients in the job.</param>
    public IReadOnlyList<ServerState> Aggregate(IReadOnlyList<ServerState> clusters, IReadOnlyList<(int Cluster, ClientUpdate Update)> updates, int roster)
    {
        CheckCount(clusters);
        foreach ((int cluster, ClientUpdate update) in updates)
        {
            Throw.Invalid((uint)cluster >= (uint)clusters.Count, $"Client {update.Client} chose cluster {cluster}; there are {clusters.Count}.");
        }

        var next = new ServerState[clusters.Count];
        for (int j = 0; j < next.Length; j++)
        {
            int own = j;
            ClientUpdate[] part = [.. updates.Where(choice => choice.Cluster == own).Select(static choice => choice.Update)];
            next[j] = part.Length == 0 ? clusters[j] with { Round = clusters[j].Round + 1 } : _strategy.Aggregate(clusters[j], part, roster).State;
        }

        return next;
    }

    private static double[] Moved(double[] first, int model, RandomStreams streams)
    {
        using RandomStream stream = streams.For("cluster", model, RandomStreams.Server);
        double[] moved = [.. first];
        for (int i = 0; i < moved.Length; i++)
        {
            moved[i] += StartDeviation * Draws.Normal(stream);
        }

        return moved;
    }

    private static void CheckCount(IReadOnlyList<ServerState> clusters) =>
        Throw.Invalid(clusters.Count is < 1 or > MostClusters, $"Clustered training has 1 to {MostClusters} models.");
}
