using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.PartyNode.Witness;

/// <summary>
/// The tree over what this party itself sent and received, up to and including a phase. Between two parties that is every entry of the
/// job, so nothing of the coordinator's is needed to compute it: 32 bytes an entry in memory.
/// </summary>
internal sealed class OwnRecord
{
    private const int Page = 512;
    private readonly byte[][] _leaves;
    private readonly int _before;

    private OwnRecord(byte[][] leaves, int before) => (_leaves, _before) = (leaves, before);

    /// <summary>Entries up to and including the phase.</summary>
    public long Size => _leaves.Length;

    /// <summary>Entries before the phase.</summary>
    public long SizeBefore => _before;

    /// <summary>Whether both this party and its peer have gone beyond a phase, or have closed, by this party's record.</summary>
    public static async Task<bool> IsCompleteAsync(IPartyStore store, string job, uint attempt, Phase phase, CancellationToken cancellationToken)
    {
        foreach (bool inbound in new[] { false, true })
        {
            JournalEntry? last = await store.FindLastEntryAsync(job, attempt, inbound, cancellationToken);
            if (last is null || HeaderOf(last) is var header && header.Phase <= phase && header.Step != Step.JobClose)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Reads the record. It must be complete for the phase.</summary>
    public static async Task<OwnRecord> ReadAsync(IPartyStore store, string job, uint attempt, Phase phase, CancellationToken cancellationToken)
    {
        List<(EnvelopeHeader Header, byte[] Leaf)> entries = [];
        foreach (bool inbound in new[] { false, true })
        {
            for (ulong from = 0; ; from += Page)
            {
                IReadOnlyList<JournalEntry> page = await store.ReadEntriesAsync(job, attempt, inbound, from, Page, cancellationToken);
                entries.AddRange(page.Select(entry => (HeaderOf(entry), MerkleTree.HashLeaf(entry.Core))).Where(entry => entry.Item1.Phase <= phase));
                if (page.Count < Page)
                {
                    break;
                }
            }
        }

        entries.Sort((x, y) => CanonicalOrder.Instance.Compare(x.Header, y.Header));
        return new OwnRecord([.. entries.Select(entry => entry.Leaf)], entries.Count(entry => entry.Header.Phase < phase));
    }

    /// <summary>The root over the first entries.</summary>
    public byte[] Root(long size)
    {
        MerkleTree tree = new();
        foreach (byte[] leaf in _leaves.AsSpan(0, checked((int)size)))
        {
            tree.AppendHash(leaf);
        }

        return tree.Root();
    }

    private static EnvelopeHeader HeaderOf(JournalEntry entry) =>
        EnvelopeCodec.Parse(UnsafeByteOperations.UnsafeWrap(entry.Core), UnsafeByteOperations.UnsafeWrap(entry.Attestation)).Header;
}
