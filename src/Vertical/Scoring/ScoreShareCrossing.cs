using VertFed.Models;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Vertical;

/// <summary>
/// The step ScoreShares: the feature party's part of each aligned row's linear predictor, as multiples of 2^-12 in blocks of 8192 rows.
/// </summary>
/// <remarks>
/// Fixed point, not doubles: a sum of a few coefficients to 53 bits would fingerprint the customer's categories, and the resolution is the
/// one in which PartialScores crosses. It moves a predictor by at most 2^-13, hence a probability by at most 2^-15. Numbers of fixed
/// width in full blocks show the coordinator no more than the number of blocks.
/// </remarks>
internal static class ScoreShareCrossing
{
    public const int BlockRows = 8192;
    public const int FractionBits = 12;

    /// <summary>Beyond this a share does not fit its 32 bits: 2^19 = 524,288, in standard deviations or log odds.</summary>
    private const double LargestShare = 1 << (31 - FractionBits);

    /// <param name="shares">One finite number an aligned row.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>: a share does not fit; nothing was sent.</exception>
    public static async Task SendAsync(IChannel channel, double[] shares, CancellationToken cancellationToken)
    {
        double scale = DeterministicMath.PowerOfTwo(FractionBits);
        int[] rounded = Array.ConvertAll(shares, share => Math.Abs(share) < LargestShare - 1
            ? (int)Math.Round(share * scale, MidpointRounding.ToEven)
            : throw new VertFedException(
                ErrorCode.BadInput, "A customer's values are so far from those of training that its score does not fit the protocol's range (2^19); check their units."));
        int[] block = new int[BlockRows];
        for (int offset = 0; offset < rounded.Length; offset += BlockRows)
        {
            int length = Math.Min(BlockRows, rounded.Length - offset);
            rounded.AsSpan(offset, length).CopyTo(block);
            block.AsSpan(length).Clear();
            ScoreShares message = new() { Offset = (ulong)offset };
            message.Shares.AddRange(block);
            await channel.SendAsync(Step.ScoreShares, 0, message, cancellationToken);
        }
    }

    /// <summary>The peer's shares of so many aligned rows.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>: a block out of order, of another length, or with
    /// something beyond the last row.</exception>
    public static async Task<double[]> ReceiveAsync(IChannel channel, int rows, CancellationToken cancellationToken)
    {
        double unit = DeterministicMath.PowerOfTwo(-FractionBits);
        double[] shares = new double[rows];
        for (int offset = 0; offset < rows; offset += BlockRows)
        {
            ScoreShares message = await channel.ReceiveAsync(Step.ScoreShares, 0, ScoreShares.Parser, cancellationToken);
            StepCheck.Equal(Step.ScoreShares, "offset", (ulong)offset, message.Offset);
            StepCheck.Count(Step.ScoreShares, "shares", BlockRows, message.Shares.Count);
            for (int i = 0; i < BlockRows; i++)
            {
                if (offset + i < rows)
                {
                    shares[offset + i] = message.Shares[i] * unit;
                }
                else
                {
                    StepCheck.Equal(Step.ScoreShares, "shares beyond the last row", 0, message.Shares[i]);
                }
            }
        }

        return shares;
    }
}
