using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Personal;
using VertFed.Horizontal.Service;

namespace VertFed.PartyNode.Rounds;

/// <summary>Which of an order's models a party works on.</summary>
internal static class ClusterPart
{
    /// <summary>The model that fits the party's training rows best; the only one where a job has one.</summary>
    /// <param name="parameters">All models, one after another.</param>
    /// <param name="train">Own training rows, scaled.</param>
    /// <param name="cluster">Its place among them, from 0.</param>
    public static double[] Choose(JobPlan plan, FederatedModel model, double[] parameters, Examples train, out int cluster)
    {
        cluster = 0;
        if (plan.Models == 1)
        {
            return parameters;
        }

        IReadOnlyList<ServerState> models = Clusters.Split(ServerState.Start(parameters), plan.Models);
        cluster = Clusters.Choose(model, models, train);
        return models[cluster].Parameters;
    }
}
