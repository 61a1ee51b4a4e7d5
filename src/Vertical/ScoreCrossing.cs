using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>The step PartialScores: u of the test rows as multiples of 2^-12, in parts of 65,536.</summary>
internal static class ScoreCrossing
{
    private const int PartRows = 65_536;
    private const int FractionBits = 12;

    public static async Task SendAsync(IChannel channel, double[] scores, CancellationToken cancellationToken)
    {
        double scale = DeterministicMath.PowerOfTwo(FractionBits);
        for (int offset = 0; offset < scores.Length; offset += PartRows)
        {
            PartialScores message = new() { Offset = (ulong)offset };
            foreach (double score in scores.AsSpan(offset, Math.Min(PartRows, scores.Length - offset)))
            {
                double scaled = Math.Round(score * scale, MidpointRounding.ToEven);
                message.Scores.Add((int)Math.Clamp(scaled, int.MinValue, int.MaxValue));
            }

            await channel.SendAsync(Step.PartialScores, 0, message, cancellationToken);
        }
    }

    public static async Task<double[]> ReceiveAsync(IChannel channel, int rows, CancellationToken cancellationToken)
    {
        double unit = DeterministicMath.PowerOfTwo(-FractionBits);
        double[] scores = new double[rows];
        for (int offset = 0; offset < rows; offset += PartRows)
        {
            PartialScores message = await channel.ReceiveAsync(Step.PartialScores, 0, PartialScores.Parser, cancellationToken);
            StepCheck.Equal(Step.PartialScores, "offset", (ulong)offset, message.Offset);
            StepCheck.Count(Step.PartialScores, "scores", Math.Min(PartRows, rows - offset), message.Scores.Count);
            for (int i = 0; i < message.Scores.Count; i++)
            {
                scores[offset + i] = message.Scores[i] * unit;
            }
        }

        return scores;
    }
}
