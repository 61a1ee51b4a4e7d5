using Google.Protobuf;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Rounds;

/// <summary>
/// The tree over a horizontal job's record as it grows, and its checkpoints: cut after the scaling, then when many entries or rounds have come, and at the
/// final model. Each is kept, then proposed to the parties with the leaves that it adds. Used by the job's own task alone.
/// </summary>
internal sealed class RoundTree(RoundJobRecord job, IRoundStore store, CheckpointSigner signer, TimeProvider time, Action<string, CoordinatorFrame> send)
{
    /// <summary>Most leaves that one proposal carries.</summary>
    private const int MostLeaves = 16_384;

    /// <summary>Leaves after which a checkpoint is worth its signatures.</summary>
    private const int EnoughLeaves = 2048;

    private const uint EnoughRounds = 16;
    private const int Page = 1024;

    // As it was at the last checkpoint, and the leaves since.
    private readonly MerkleTree _tree = new();
    private readonly List<byte[]> _open = [];
    private readonly List<NewRoundHead> _heads = [];
    private uint _round;

    private string Origin => CheckpointNotes.OriginOf(job.Job, attempt: 1);

    /// <summary>Whether the record is closed: it then grows no more.</summary>
    public bool IsClosed => _heads.Count > 0 && _heads[^1].IsClosing;

    /// <summary>Takes the tree up where the record ends.</summary>
    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        _heads.AddRange((await store.ReadRoundHeadsAsync(job.Job, cancellationToken)).Select(stored => stored.Head));
        long size = _heads.Count == 0 ? 0 : _heads[^1].Size;
        await foreach (RoundEntry entry in EntriesAsync(store, job.Job, cancellationToken))
        {
            if (_tree.Size < size)
                _tree.Append(entry.Core);
            else
                Add(entry);
        }
    }

    /// <summary>An entry was recorded.</summary>
    public void Add(RoundEntry entry) => _open.Add(MerkleTree.HashLeaf(entry.Core));

    /// <summary>A round is done, or the scaling (round 0): a checkpoint is cut where one is due.</summary>
    public async Task ConcludeAsync(uint round, CancellationToken cancellationToken)
    {
        if (round > 0 && round < _round + EnoughRounds && _open.Count < EnoughLeaves)
            return;
        _round = round;
        await CutAsync(isClosing: false, cancellationToken);
    }

    /// <summary>Cuts a checkpoint over all there is, and more than one where one proposal could not carry it.</summary>
    public async Task CutAsync(bool isClosing, CancellationToken cancellationToken)
    {
        while (_open.Count > 0)
        {
            int taken = Math.Min(_open.Count, MostLeaves);
            List<byte[]> leaves = _open.GetRange(0, taken);
            foreach (byte[] leaf in leaves)
                _tree.AppendHash(leaf);
            _open.RemoveRange(0, taken);
            NewRoundHead head = new(
                job.Job, _heads.Count + 1, _tree.Size, CheckpointNotes.Sign(new Checkpoint(Origin, _tree.Size, _tree.Root()), signer), signer.Key.ToByteArray(),
                isClosing && _open.Count == 0, time.GetUtcNow().ToUnixTimeMilliseconds());
            await store.AddRoundHeadAsync(head, cancellationToken);
            _heads.Add(head);
            foreach (RoundPartyRecord party in job.Parties)
                Propose(party.Name, head, leaves);
        }
    }

    /// <summary>Proposes all checkpoints to a party that has connected anew: what it had in memory may be gone.</summary>
    public async Task ProposeAllAsync(string party, CancellationToken cancellationToken)
    {
        if (_heads.Count == 0)
            return;
        int next = 0;
        List<byte[]> leaves = [];
        long size = 0;
        await foreach (RoundEntry entry in EntriesAsync(store, job.Job, cancellationToken))
        {
            leaves.Add(MerkleTree.HashLeaf(entry.Core));
            if (++size != _heads[next].Size)
                continue;
            Propose(party, _heads[next], leaves);
            leaves.Clear();
            if (++next == _heads.Count)
                return;
        }
    }

    /// <summary>Keeps a party's word on a checkpoint.</summary>
    /// <returns>What speaks against it; null: it was kept.</returns>
    public static async Task<string?> TakeAsync(IRoundStore store, RoundJobRecord job, uint place, RoundWord word, long nowUnixMs, CancellationToken cancellationToken)
    {
        StoredRoundHead? stored = (await store.ReadRoundHeadsAsync(job.Job, cancellationToken)).FirstOrDefault(head => head.Head.Number == word.Number);
        if (stored is null)
            return $"its word is about checkpoint {word.Number}, which there is none of";
        if (word.CoSignature.IsEmpty == (word.Refusal is null))
            return $"its word on checkpoint {word.Number} is neither a co-signature nor a refusal";
        RoundPartyRecord party = job.Parties[(int)place - 1];
        if (word.Refusal is null)
        {
            try
            {
                _ = CheckpointNotes.AddCoSignature(stored.Head.Note, party.Name, VerifierOf(party), word.CoSignature.Span);
            }
            catch (VertFedException error) when (error.Code == ErrorCode.DoesNotVerify)
            {
                return error.Message;
            }
        }

        await store.SaveRoundWordAsync(
            job.Job, stored.Head.Number, place, new CheckpointWord(word.Refusal is null ? word.CoSignature.ToByteArray() : null, word.Refusal), nowUnixMs, cancellationToken);
        return word.Refusal is null ? null : $"does not co-sign checkpoint {word.Number}: {word.Refusal.Message}";
    }

    /// <summary>The key with which a party co-signs.</summary>
    public static CheckpointVerifier VerifierOf(RoundPartyRecord party)
    {
        CheckpointKey key = CheckpointKey.Parser.ParseFrom(party.CheckpointKey ?? []);
        return CheckpointVerifier.Parse(key, PeerIdentity.Parse(key.IdentityKey.Span).Fingerprint, party.Name);
    }

    /// <summary>All entries in the record's order, without payloads.</summary>
    public static async IAsyncEnumerable<RoundEntry> EntriesAsync(
        IRoundStore store, string job, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long from = 0;
        while (true)
        {
            IReadOnlyList<RoundEntry> page = await store.ReadRoundCoresAsync(job, from, Page, cancellationToken);
            foreach (RoundEntry entry in page)
                yield return entry;
            if (page.Count < Page)
                yield break;
            from = page[^1].Position + 1;
        }
    }

    private void Propose(string party, NewRoundHead head, List<byte[]> leaves) => send(
        party,
        new CoordinatorFrame
        {
            Proposal = new RoundProposal
            {
                Job = job.Job, Number = (uint)head.Number, Note = ByteString.CopyFrom(head.Note), Leaves = UnsafeByteOperations.UnsafeWrap(leaves.SelectMany(leaf => leaf).ToArray()),
                Closing = head.IsClosing,
            },
        });
}
