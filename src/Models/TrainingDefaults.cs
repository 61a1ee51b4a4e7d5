namespace VertFed.Models;

/// <summary>The constants that a training job runs with; both parties take them from here.</summary>
public static class TrainingDefaults
{
    /// <summary>Constants of the joint optimiser for a family.</summary>
    public static LbfgsOptions Optimiser(GlmFamily family, int maxIterations) => new()
    {
        InitialInverseCurvature = family.InitialInverseCurvature,
        MaxIterations = maxIterations,
    };
}
