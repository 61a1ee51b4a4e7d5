using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>One sender's chain as far as it got: sequence, last core, position in the grammar. Changes only by <see cref="Append"/>.</summary>
internal sealed class SenderTrail(Role sender)
{
    private readonly List<byte[]> _coreHashes = [];

    public Role Sender { get; } = sender;

    public SenderPosition Position { get; private set; }

    /// <summary>The sequence number that comes next.</summary>
    public ulong NextSequence => (ulong)_coreHashes.Count;

    /// <summary>SHA-256 of the last core; 32 zero bytes before the first.</summary>
    public byte[] LastCoreHash { get; private set; } = new byte[EnvelopeCodec.HashBytes];

    /// <summary>Whether the very core was appended under its sequence number before.</summary>
    public bool Has(ulong sequence, ReadOnlySpan<byte> coreHash) =>
        sequence < NextSequence && coreHash.SequenceEqual(_coreHashes[(int)sequence]);

    public void Append(byte[] coreHash, SenderPosition position)
    {
        _coreHashes.Add(coreHash);
        LastCoreHash = coreHash;
        Position = position;
    }
}
