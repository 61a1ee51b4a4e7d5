using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Horizontal.Service;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Rounds;

/// <summary>What of a round's order a party's work follows from: all but who else is invited and whose last update counted.</summary>
internal static class OrderEssence
{
    /// <summary>SHA-256, 32 bytes.</summary>
    public static byte[] Of(ModelOrder order)
    {
        ModelOrder essence = order.Clone();
        essence.Invited.Clear();
        essence.Taken.Clear();
        essence.Counted.Clear();
        essence.Threshold = 0;
        return SHA256.HashData(essence.ToByteArray());
    }

    /// <summary>What names an order to a party's streams: its round, which an order has to itself; under an asynchronous strategy its attempt too, for a party may have several of one version.</summary>
    public static long Sequence(JobPlan plan, RoundHeader header) => plan.Buffer is null ? header.Round : ((long)header.Round << 32) | header.Attempt;

    /// <summary>SHA-256, 32 bytes, of what columns are scaled by: the same in all rounds of a job.</summary>
    public static byte[] OfScaling(IEnumerable<double> means, IEnumerable<double> deviations) =>
        SHA256.HashData(new ModelOrder { Means = { means }, Deviations = { deviations } }.ToByteArray());

    /// <summary>
    /// The purpose of the stream that local work draws from. Noise of DP-SGD is of its order as well as of its round: were a round ever ordered twice, for two
    /// models, the difference of the two updates would hide nothing under the same noise.
    /// </summary>
    public static string LocalPurpose(JobPlan plan, byte[] essence) =>
        plan.Privacy is { Level: PrivacyLevel.Record } ? "local/" + Convert.ToHexStringLower(essence) : "local";
}
