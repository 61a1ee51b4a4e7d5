using VertFed.Lattice;
using VertFed.Protocol;

namespace VertFed.Vertical;

/// <summary>
/// The flooding bounds of a job: V from what a response sums, M from all that the peer can decrypt at that place in the whole job. A
/// job floods at three places at most (link, gradient, loss), so each counts its coefficients <see cref="Places"/> times and the
/// total statistical distance stays within 2^-40.
/// </summary>
internal static class NoiseBudget
{
    private const long Places = 4;

    /// <summary>LinkResponse: K slot-encoded products, every slot of every block in every iteration.</summary>
    public static FloodingBound Link(TrainingSetup setup, JobSpecification specification, int pairs) =>
        Make(
            LatticeParameters.Link,
            FloodingBound.SlotProductNoise(LatticeParameters.Link, pairs),
            (long)Blocks.Count(setup.TrainRows.Length) * LatticeParameters.Link.Degree * specification.MaxIterations);

    /// <summary>LossResponse: all blocks' products in one ciphertext of which one coefficient is sent, once.</summary>
    public static FloodingBound Loss(TrainingSetup setup, int pairs) =>
        Make(
            LatticeParameters.Link,
            FloodingBound.SlotProductNoise(LatticeParameters.Link, pairs * Blocks.Count(setup.TrainRows.Length)),
            1);

    /// <summary>GradientResponse: c columns share a plaintext, so the norm of c columns bears on every coefficient.</summary>
    public static FloodingBound Gradient(TrainingSetup setup, JobSpecification specification, PackingPlan own) =>
        Make(
            LatticeParameters.Gradient,
            FloodingBound.ColumnProductNoise(Math.Sqrt(own.ColumnsPerResponse) * setup.Columns.MaxNorm()),
            (long)own.Columns * specification.MaxIterations);

    private static FloodingBound Make(LatticeParameters parameters, double noise, long coefficients)
    {
        try
        {
            return new FloodingBound(parameters, noise, Places * coefficients);
        }
        catch (LatticeException exception)
        {
            throw new VertFedException(
                ErrorCode.BadInput, $"The job is too large for the encryption parameters: {exception.Message}", exception);
        }
    }
}
