using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Personal;

/// <summary>
/// Federated distillation on public rows without labels. FedMD (Li and Wang 2019): clients send only their outputs on the public rows, so their
/// models may have unlike shapes; the consensus is the mean of outputs. FedDF (Lin et al. 2020): the server holds the clients' models, and
/// trains the global one to their averaged outputs. Both minimise, over public rows,
/// mean_i KL(σ(t_i) || σ(η_i)), t_i the teachers' mean outputs; under a linear or Poisson head mean_i (t_i − η_i)²/2.
/// </summary>
public static class Distillation
{
    /// <summary>A client's outputs on the public rows, row-major, rows × outputs: what FedMD sends.</summary>
    public static double[] Outputs(FederatedModel model, double[] parameters, Examples publicRows)
    {
        Objective.Check(model, parameters, publicRows);
        ModelScratch scratch = model.CreateScratch();
        int width = model.Head.Outputs;
        double[] outputs = new double[publicRows.Count * width];
        for (int i = 0; i < publicRows.Count; i++)
        {
            model.Outputs(parameters, publicRows.Row(i), scratch).CopyTo(outputs.AsSpan(i * width));
        }

        return outputs;
    }

    /// <summary>The teachers' mean outputs, weighted.</summary>
    /// <param name="outputs">One array a client, all of one length, finite.</param>
    /// <param name="weights">One positive weight a client (its rows, or 1).</param>
    public static double[] Consensus(IReadOnlyList<double[]> outputs, IReadOnlyList<double> weights)
    {
        Throw.If(outputs.Count == 0, HorizontalError.TooFewClients, "A consensus needs at least one client's outputs.");
        Throw.Invalid(weights.Count != outputs.Count, "There has to be one weight a client.");
        double total = 0;
        foreach (double weight in weights)
        {
            Throw.Invalid(!(weight > 0) || !double.IsFinite(weight), "A client's weight is above 0.");
            total += weight;
        }

        double[] mean = new double[outputs[0].Length];
        for (int i = 0; i < outputs.Count; i++)
        {
            Throw.If(outputs[i].Length != mean.Length, HorizontalError.WrongShape, "All clients give outputs for the same public rows.");
            Throw.IfNotFinite(outputs[i], "A client's outputs");
            Kernels.AddScaled(weights[i] / total, outputs[i], mean);
        }

        return mean;
    }

    /// <summary>Trains a student by full-batch steps towards the consensus.</summary>
    /// <param name="work">Its epochs are the steps; its optimiser moves the student. Batches, penalties and privacy do not apply.</param>
    /// <param name="cancellationToken">Looked at before each step.</param>
    /// <returns>The student's parameters after it.</returns>
    public static double[] Distil(FederatedModel student, double[] parameters, Examples publicRows, double[] consensus, LocalWork work, CancellationToken cancellationToken = default)
    {
        work.Validate();
        double[] own = [.. parameters];
        double[] gradient = new double[own.Length];
        LocalOptimiser optimiser = work.Optimiser.Create(own.Length);
        for (int epoch = 0; epoch < work.Epochs; epoch++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            LossAndGradient(student, own, publicRows, consensus, gradient);
            optimiser.Step(own, gradient);
        }

        Throw.IfNotFinite(own, "The distilled model");
        return own;
    }

    /// <summary>The distillation loss up to a constant of the teachers (the cross-entropy), and its gradient.</summary>
    public static double LossAndGradient(FederatedModel student, double[] parameters, Examples publicRows, double[] consensus, Span<double> gradient)
    {
        Objective.Check(student, parameters, publicRows);
        int width = student.Head.Outputs;
        Throw.Invalid(publicRows.Count == 0, "Distillation needs public rows.");
        Throw.If(consensus.Length != publicRows.Count * width, HorizontalError.WrongShape, "The consensus has one output a public row and class.");
        ModelScratch scratch = student.CreateScratch();
        gradient.Clear();
        double[] teacher = new double[width];
        double[] d = new double[width];
        double[] mean = new double[width];
        double loss = 0;
        bool classes = student.Head.Name is "logistic" or "softmax";
        for (int i = 0; i < publicRows.Count; i++)
        {
            Span<double> outputs = student.Outputs(parameters, publicRows.Row(i), scratch);
            consensus.AsSpan(i * width, width).CopyTo(teacher);
            outputs.CopyTo(mean);
            if (classes)
            {
                student.Head.ToMean(teacher);
                student.Head.ToMean(mean);
                loss += CrossEntropy(student.Head, outputs, teacher);
            }
            else
            {
                loss += 0.5 * (teacher[0] - outputs[0]) * (teacher[0] - outputs[0]);
            }

            for (int k = 0; k < width; k++)
            {
                d[k] = (mean[k] - teacher[k]) / publicRows.Count;
            }

            student.AddGradientOfOutputs(parameters, publicRows.Row(i), d, gradient, scratch);
        }

        return loss / publicRows.Count;
    }

    // −Σ p log σ(η): linear in the teacher's probabilities, so the head's own loss at each label, weighted.
    private static double CrossEntropy(LossHead head, ReadOnlySpan<double> outputs, double[] teacher)
    {
        if (head.Outputs == 1)
        {
            return (teacher[0] * head.Loss(outputs, 1)) + ((1 - teacher[0]) * head.Loss(outputs, 0));
        }

        double sum = 0;
        for (int k = 0; k < teacher.Length; k++)
        {
            sum += teacher[k] * head.Loss(outputs, k);
        }

        return sum;
    }
}
