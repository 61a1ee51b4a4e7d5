using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;

namespace VertFed.Horizontal.Personal;

/// <summary>A model that stays with its client.</summary>
public static class PersonalModel
{
    /// <summary>
    /// Local fine-tuning: the finished global model, trained on by the client on its own rows with an order of its own.
    /// </summary>
    /// <returns>The client's parameters.</returns>
    public static double[] FineTune(
        FederatedModel model, int client, Examples examples, double[] global, LocalWork work, RandomStream stream, CancellationToken cancellationToken = default)
    {
        ClientUpdate update = LocalTrainer.Run(model, client, examples, new RoundOrder(0, global, null, work), null, stream, cancellationToken);
        double[] own = [.. global];
        Kernels.AddScaled(1, update.Delta, own);
        return own;
    }

    /// <summary>
    /// Ditto (Li et al. 2021, algorithm 1): beside its part in the global model, a client keeps its own v and every round steps
    /// v ← v − η (∇f_i(v) + λ (v − x)), x the round's global model: λ = 0 is a model of its own rows alone, a large λ the global one.
    /// </summary>
    /// <param name="own">v before the round; not written to.</param>
    /// <param name="global">x.</param>
    /// <param name="lambda">λ, from 0.</param>
    /// <param name="work">Epochs, batches and rate of the personal steps: plain SGD without proximal term and privacy of its own.</param>
    /// <returns>v after the round.</returns>
    public static double[] DittoRound(
        FederatedModel model, Examples examples, double[] own, double[] global, double lambda, LocalWork work, RandomStream stream)
    {
        work.Validate();
        Objective.Check(model, own, examples);
        Objective.Check(model, global, examples);
        Throw.Invalid(examples.Count == 0, "A client without rows cannot train.");
        Throw.Invalid(!(lambda >= 0 && lambda <= 1e6), "Ditto's λ is from 0 to 1e6.");
        Throw.Invalid(
            work.Optimiser.Kind != OptimiserKind.Sgd || work.Proximal != 0 || work.Privacy is not null,
            "Ditto's personal steps are plain SGD without a proximal term of their own.");
        double[] v = [.. own];
        double[] gradient = new double[v.Length];
        int batch = work.BatchSize == 0 ? examples.Count : Math.Min(work.BatchSize, examples.Count);
        int[] order = [.. Enumerable.Range(0, examples.Count)];
        int limit = work.Steps(examples.Count);
        for (int steps = 0; steps < limit;)
        {
            Draws.Shuffle(stream, order.AsSpan());
            for (int start = 0; start < order.Length && steps < limit; start += batch, steps++)
            {
                Examples part = examples.Take(order.AsSpan(start, Math.Min(batch, order.Length - start)));
                Objective.LossAndGradient(model, v, part, work.L2, gradient);
                for (int i = 0; i < v.Length; i++)
                {
                    v[i] -= work.Optimiser.Rate * Math.FusedMultiplyAdd(lambda, v[i] - global[i], gradient[i]);
                }
            }
        }

        Throw.IfNotFinite(v, "The personal model");
        return v;
    }
}
