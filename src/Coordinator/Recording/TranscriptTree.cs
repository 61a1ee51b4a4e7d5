using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Recording;

/// <summary>A job's entries as they stand in the store: page by page, or as the leaf hashes of their tree (32 bytes an entry in memory).</summary>
internal static class TranscriptTree
{
    /// <summary>Entries a page.</summary>
    public const int Page = 256;

    /// <summary>Entries in canonical order, up to and including a phase.</summary>
    /// <param name="after">The place after which they begin; null: at the start.</param>
    public static async IAsyncEnumerable<StoredEnvelope> EntriesAsync(
        ITranscriptStore store, string job, uint attempt, Phase last, EntryPlace? after,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            IReadOnlyList<StoredEnvelope> page = await store.ReadEntriesAsync(job, attempt, last, after, Page, cancellationToken);
            foreach (StoredEnvelope entry in page)
                yield return entry;
            if (page.Count < Page)
                yield break;
            after = EntryPlace.Of(page[^1]);
        }
    }

    /// <summary>The leaf hashes up to and including a phase, in canonical order.</summary>
    public static async Task<List<byte[]>> LeavesAsync(ITranscriptStore store, string job, uint attempt, Phase last, CancellationToken cancellationToken)
    {
        List<byte[]> leaves = [];
        await foreach (StoredEnvelope entry in EntriesAsync(store, job, attempt, last, after: null, cancellationToken))
            leaves.Add(MerkleTree.HashLeaf(entry.Core));
        return leaves;
    }

    /// <summary>The root over the first leaves.</summary>
    public static byte[] Root(IReadOnlyList<byte[]> leaves, long size)
    {
        var tree = new MerkleTree();
        for (int i = 0; i < size; i++)
            tree.AppendHash(leaves[i]);
        return tree.Root();
    }
}
