using System.Security.Cryptography;
using Google.Protobuf;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// What a party holds at the end of a job, as the bytes that ResultCommitment binds. Fields are joined as in docs/session.md: each
/// after its length as 4 bytes big-endian; numbers are the 8 bytes of an IEEE 754 double, big-endian.
/// </summary>
/// <param name="Coefficients">Of the own half of the model.</param>
/// <param name="AlignedIds">SHA-256 over the aligned ids, 32 bytes.</param>
/// <param name="Metrics">Those that this party knows.</param>
public sealed record ResultValues(byte[] Coefficients, byte[] AlignedIds, byte[] Metrics)
{
    /// <summary>Named numbers, in the order given.</summary>
    public static byte[] Encode(IEnumerable<(string Name, double Value)> numbers)
    {
        ArgumentNullException.ThrowIfNull(numbers);
        ContextBuilder builder = new();
        foreach ((string name, double value) in numbers)
        {
            builder.Add(name).Add(BitConverter.DoubleToInt64Bits(value));
        }

        return builder.ToArray();
    }
}

/// <summary>The salts that open a party's ResultCommitment. They stay with the party until it chooses to open one.</summary>
/// <param name="Coefficients">32 bytes.</param>
/// <param name="AlignedIds">32 bytes.</param>
/// <param name="Metrics">32 bytes.</param>
public sealed record ResultSalts(byte[] Coefficients, byte[] AlignedIds, byte[] Metrics)
{
    /// <summary>The commitment to these values under these salts.</summary>
    public ResultCommitment Commit(ResultValues values)
    {
        ArgumentNullException.ThrowIfNull(values);
        return new ResultCommitment
        {
            Coefficients = ByteString.CopyFrom(Commit("coefficients", Coefficients, values.Coefficients)),
            AlignedIds = ByteString.CopyFrom(Commit("aligned-ids", AlignedIds, values.AlignedIds)),
            Metrics = ByteString.CopyFrom(Commit("metrics", Metrics, values.Metrics)),
        };
    }

    /// <summary>SHA-256("vertfed/v1/result-commitment" || name || salt || value).</summary>
    /// <param name="name">coefficients, aligned-ids or metrics.</param>
    /// <param name="salt">32 bytes.</param>
    public static byte[] Commit(string name, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> value) =>
        SHA256.HashData([.. "vertfed/v1/result-commitment"u8, .. System.Text.Encoding.ASCII.GetBytes(name), .. salt, .. value]);
}

/// <summary>How an attempt was closed.</summary>
/// <param name="Salts">What opens this party's commitment; only it has them.</param>
/// <param name="Own">What this party committed to.</param>
/// <param name="Peer">What the peer committed to.</param>
public sealed record ResultClose(ResultSalts Salts, ResultCommitment Own, ResultCommitment Peer);
