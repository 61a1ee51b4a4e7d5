namespace VertFed.Horizontal.Learning;

/// <summary>
/// The objective over a set of rows: mean_i ℓ(η_i, y_i) + λ/2 · Σ w² over penalised blocks (weights, not biases). Rows are added in order.
/// </summary>
public static class Objective
{
    /// <summary>The mean loss with its penalty; 0 rows give the penalty alone.</summary>
    public static double Loss(FederatedModel model, ReadOnlySpan<double> parameters, Examples examples, double l2)
    {
        Check(model, parameters, examples);
        ModelScratch scratch = model.CreateScratch();
        double sum = 0;
        for (int i = 0; i < examples.Count; i++)
        {
            sum += model.Head.Loss(model.Outputs(parameters, examples.Row(i), scratch), examples.Label(i));
        }

        return (examples.Count == 0 ? 0 : sum / examples.Count) + Penalty(model, parameters, l2);
    }

    /// <summary>The objective; overwrites <paramref name="gradient"/> with its gradient.</summary>
    public static double LossAndGradient(FederatedModel model, ReadOnlySpan<double> parameters, Examples examples, double l2, Span<double> gradient)
    {
        Check(model, parameters, examples);
        Throw.Invalid(gradient.Length != parameters.Length, "A gradient is as long as the parameters.");
        gradient.Clear();
        ModelScratch scratch = model.CreateScratch();
        double sum = 0;
        for (int i = 0; i < examples.Count; i++)
        {
            sum += model.AddGradient(parameters, examples.Row(i), examples.Label(i), 1.0 / examples.Count, gradient, scratch);
        }

        AddPenaltyGradient(model, parameters, l2, gradient);
        return (examples.Count == 0 ? 0 : sum / examples.Count) + Penalty(model, parameters, l2);
    }

    /// <summary>λ/2 · Σ w² over penalised blocks.</summary>
    public static double Penalty(FederatedModel model, ReadOnlySpan<double> parameters, double l2)
    {
        double sum = 0;
        foreach (ParameterBlock block in model.Layout.Blocks.Where(static block => block.Penalised))
        {
            ReadOnlySpan<double> weights = parameters.Slice(block.Offset, block.Length);
            sum += Kernels.Dot(weights, weights);
        }

        return 0.5 * l2 * sum;
    }

    /// <summary>Adds λ w of the penalised blocks.</summary>
    public static void AddPenaltyGradient(FederatedModel model, ReadOnlySpan<double> parameters, double l2, Span<double> gradient)
    {
        if (l2 == 0)
        {
            return;
        }

        foreach (ParameterBlock block in model.Layout.Blocks)
        {
            if (block.Penalised)
            {
                Kernels.AddScaled(l2, parameters.Slice(block.Offset, block.Length), gradient.Slice(block.Offset, block.Length));
            }
        }
    }

    internal static void Check(FederatedModel model, ReadOnlySpan<double> parameters, Examples examples)
    {
        Throw.If(
            parameters.Length != model.Layout.Length,
            HorizontalError.WrongShape,
            $"The model has {model.Layout.Length} parameters, not {parameters.Length}.");
        Throw.Invalid(examples.Features != model.Features, $"The model takes {model.Features} features, the rows have {examples.Features}.");
    }
}
