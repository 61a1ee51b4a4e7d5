using VertFed.Horizontal.Compression;
using VertFed.Primitives;

namespace VertFed.PartyNode.Rounds;

/// <summary>A party's update as it travels, with error feedback where the codec keeps what it leaves out.</summary>
internal static class CompressionPart
{
    /// <summary>Encodes an update.</summary>
    /// <param name="carried">What earlier updates left out; null: nothing. Added where the codec keeps errors.</param>
    /// <param name="residual">What is left out now, if the update counts; null where the codec keeps no error.</param>
    public static byte[] Encode(UpdateCodec codec, double[] delta, double[]? carried, RandomStream rounding, out double[]? residual)
    {
        double[] sent = codec.KeepsError && carried is not null ? [.. delta.Zip(carried, (change, error) => change + error)] : delta;
        byte[] encoded = codec.Encode(sent, rounding);
        residual = codec.KeepsError ? [.. sent.Zip(codec.Decode(encoded, sent.Length), (own, there) => own - there)] : null;
        return encoded;
    }
}
