using VertFed.Lattice;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Vertical;

namespace VertFed.PartyNode.Policies;

/// <summary>What a job is likely to cost: an estimate, from public numbers alone.</summary>
/// <param name="Seconds">From both answers to the end, on two cores for both parties.</param>
/// <param name="Bytes">Sealed payload of both parties.</param>
public sealed record CostEstimate(double Seconds, long Bytes);

/// <summary>
/// Counts the elements and ciphertexts of docs/protocol.md, sections 5 and 6, and prices them by the figures of docs/performance.md. The
/// peer is taken to have as many rows and columns, all of them shared: what it has is not known before the alignment.
/// </summary>
public static class CostModel
{
    /// <summary>Iterations that a job is taken to need; most stop before what they may take.</summary>
    private const int LikelyIterations = 12;

    /// <summary>Pairs K of the link, between the 4 and 12 that occur.</summary>
    private const int LikelyPairs = 6;

    private const int ElementBytes = 32;
    private const double SecondsPerId = 150e-6;
    private const double SecondsPerByte = 0.06e-6;
    private const double SecondsPerCell = 1e-8;
    private const double SecondsPerIteration = 0.15;
    private const double SecondsPerJob = 1;

    /// <param name="rows">Own rows.</param>
    /// <param name="columns">Own columns, at least 1.</param>
    public static CostEstimate Estimate(JobSpecification specification, long rows, int columns)
    {
        // Both lists, blinded by their owner and evaluated by the peer.
        long bytes = 4 * rows * ElementBytes;
        double seconds = SecondsPerJob + (rows * SecondsPerId);
        if (specification.Kind == JobKind.Train)
        {
            int trainRows = (int)Math.Clamp(rows * (1 - specification.Holdout), 1, int.MaxValue);
            int iterations = Math.Min(specification.MaxIterations, LikelyIterations);
            long link = specification.Family == Family.Logistic ? LinkBytes(trainRows, LikelyPairs) : 0;
            long round = link + (2 * GradientBytes(trainRows, Math.Max(1, columns)));
            long loss = LinkBytes(trainRows, specification.Family == Family.Logistic ? LikelyPairs + 1 : 1);
            bytes += (iterations * round) + loss;
            seconds += iterations * (SecondsPerIteration + (round * SecondsPerByte) + (2.0 * trainRows * columns * SecondsPerCell));
        }

        bytes += (rows - (long)(rows * (1 - specification.Holdout))) * sizeof(double);
        return new CostEstimate(Math.Round(seconds, 1), bytes);
    }

    private static long LinkBytes(int rows, int pairs)
    {
        LatticeParameters link = LatticeParameters.Link;
        long blocks = (rows + link.Degree - 1) / link.Degree;
        return blocks * ((pairs * (long)SeededCiphertext.SerializedBytes(link)) + SwitchedCiphertext.SerializedBytes(link, link.Degree));
    }

    private static long GradientBytes(int rows, int columns)
    {
        LatticeParameters gradient = LatticeParameters.Gradient;
        PackingPlan plan = PackingPlan.Choose(rows, columns, gradient);
        return (plan.Ciphertexts * (long)SeededCiphertext.SerializedBytes(gradient))
            + (plan.Responses * (long)SwitchedCiphertext.SerializedBytes(gradient, plan.ColumnsPerResponse));
    }
}
