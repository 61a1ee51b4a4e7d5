namespace VertFed.Models;

/// <summary>The constants that a training job runs with; both parties take them from here.</summary>
public static class TrainingDefaults
{
    /// <summary>Rounds that whiten anew with the curvature at hand; later ones keep the coordinates.</summary>
    public const int WhiteningRounds = 3;

    /// <summary>
    /// Where the label party starts. With a link: at its own best model, which the joint model refines. In the linear family: at zero, since
    /// from its own optimum its gradient would be zero and a round would tell one curvature pair instead of two.
    /// </summary>
    public static double[] Start(GlmFamily family, LocalFit alone) => family.HasLink ? alone.Weights : new double[alone.Weights.Length];

    /// <summary>Constants of the joint optimiser for a family.</summary>
    public static LbfgsOptions Optimiser(GlmFamily family, int maxIterations) => new()
    {
        ExactBlocks = !family.HasLink,
        History = family.HasLink ? 10 : 20,
        MaxStep = family.HasLink ? 4 : 1e6,
        MaxIterations = maxIterations,
    };
}
