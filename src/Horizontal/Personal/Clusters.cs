using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Personal;

/// <summary>
/// IFCA (Ghosh et al. 2020): k models at once. Every round a client takes all k, finds its cluster ĵ = argmin_j f_i(x_j) on its own rows, trains
/// that model and answers with (ĵ, Δ); the server averages cluster by cluster, and leaves a model that nobody chose as it was.
/// </summary>
public sealed class Clusters
{
    private const int MostClusters = 100;
    private readonly AggregationStrategy _strategy;

    /// <param name="strategy">How each cluster's updates are aggregated.</param>
    public Clusters(AggregationStrategy strategy) => _strategy = strategy;

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

    private static void CheckCount(IReadOnlyList<ServerState> clusters) =>
        Throw.Invalid(clusters.Count is < 1 or > MostClusters, $"Clustered training has 1 to {MostClusters} models.");
}
