namespace VertFed.Models;

/// <summary>What a numerical routine refused.</summary>
public enum ModelError
{
    /// <summary>Shapes, ranges or options that no correct caller passes on from valid data.</summary>
    InvalidInput = 1,

    /// <summary>A column has the same value in every training row.</summary>
    ZeroVariance = 2,

    /// <summary>No fixed-point format holds the sums that a job of this size needs.</summary>
    ScaleDoesNotFit = 3,

    /// <summary>A matrix that has to be positive definite is not, to working precision.</summary>
    NotPositiveDefinite = 4,

    /// <summary>The residual bound on which the fixed-point format rests does not hold.</summary>
    ResidualOutOfBounds = 5,

    /// <summary>A number that came from the peer, or a result, is not finite.</summary>
    NotFinite = 6,

    /// <summary>Labels that the family cannot take (for example other than 0 and 1 in a logistic model).</summary>
    InvalidLabels = 7,
}

/// <summary>A typed, readable refusal of the Models project. Messages name columns, never rows or their values.</summary>
public sealed class ModelException : Exception
{
    public ModelException(ModelError error, string message)
        : base(message) => Error = error;

    public ModelError Error { get; }
}

/// <summary>All throws of the project in one place.</summary>
internal static class Throw
{
    public static void If([System.Diagnostics.CodeAnalysis.DoesNotReturnIf(true)] bool condition, ModelError error, string message)
    {
        if (condition)
        {
            throw new ModelException(error, message);
        }
    }

    public static void IfNotFinite(ReadOnlySpan<double> values, string what)
    {
        foreach (double value in values)
        {
            if (!double.IsFinite(value))
            {
                throw new ModelException(ModelError.NotFinite, $"{what} holds a number that is not finite.");
            }
        }
    }
}
