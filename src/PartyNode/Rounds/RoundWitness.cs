using System.Globalization;
using Google.Protobuf;
using VertFed.PartyNode.Reporting;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Transcript;

namespace VertFed.PartyNode.Rounds;

/// <summary>
/// Holds each checkpoint of a horizontal job that the coordinator proposes against this party's own record: its envelopes and the coordinator's to it stand
/// in the tree in their order, none is missing at the end but own answers that came too late for it, and the tree goes on from what was judged before. What
/// others sent stands there as hashes; who they are, the file's verifier checks. A judgement is kept before the co-signature leaves.
/// </summary>
/// <param name="said">Leaf hashes of the own envelopes, by sequence; grows.</param>
/// <param name="heard">Leaf hashes of the coordinator's to this party, in its order; grows.</param>
/// <param name="coSigns">Whether the policy allows it.</param>
/// <param name="folder">Of the job.</param>
internal sealed class RoundWitness(
    string job, IReadOnlyList<byte[]> said, IReadOnlyList<byte[]> heard, CheckpointSigner signer, bool coSigns, string folder, TimeProvider time)
{
    private const int MostLeaves = 16_384;
    private readonly string _path = Path.Combine(folder, "checkpoints.state");
    private readonly PartyHeads _kept = Load(Path.Combine(folder, "checkpoints.state"));
    private MerkleTree _tree = new();
    private uint _number;
    private int _said;
    private int _heard;

    /// <summary>
    /// Whether a proposal can be judged now. A node that has just started may be sent a new one before the coordinator has seen that it connected anew, and
    /// proposes all from the first.
    /// </summary>
    public bool CanJudge(RoundProposal proposal) => proposal.Number <= 1 || (_number > 0 && proposal.Number <= _number + 1);

    /// <summary>Judges a proposal. The first begins anew: they are all proposed again after a reconnect.</summary>
    /// <param name="closing">Root of the whole record, with the proposal that closes it; else null.</param>
    /// <returns>The word that answers it; with a breach a refusal.</returns>
    public RoundWord Judge(RoundProposal proposal, CheckpointVerifier coordinator, out VertFedException? breach, out byte[]? closing)
    {
        RoundWord word = new() { Job = job, Number = proposal.Number };
        (breach, closing) = (null, null);
        try
        {
            Checkpoint checkpoint = Check(proposal, coordinator);
            PartyHead head = _kept.Heads.FirstOrDefault(known => known.Size == checkpoint.Size) ?? Keep(proposal, checkpoint);
            closing = proposal.Closing ? checkpoint.RootHash : null;
            if (coSigns && !head.CoSignature.IsEmpty)
            {
                word.CoSignature = head.CoSignature;
            }
            else
            {
                word.Refusal = new JobError { Code = nameof(ErrorCode.Refused), Message = "policy rule 'co_sign': this party does not co-sign" };
            }
        }
        catch (VertFedException error) when (error.Code is ErrorCode.ProtocolViolation or ErrorCode.DoesNotVerify)
        {
            breach = new VertFedException(ErrorCode.ProtocolViolation, $"The coordinator's checkpoint {proposal.Number} is refused: {error.Message}", error) { Party = "coordinator" };
            word.Refusal = new JobError { Code = nameof(ErrorCode.ProtocolViolation), Party = "coordinator", Message = breach.Message };
        }

        return word;
    }

    private Checkpoint Check(RoundProposal proposal, CheckpointVerifier coordinator)
    {
        if (proposal.Number == 1)
        {
            (_tree, _number, _said, _heard) = (new MerkleTree(), 0, 0, 0);
        }

        Require(proposal.Number == _number + 1, $"number {_number + 1} was due");
        ReadOnlySpan<byte> leaves = proposal.Leaves.Span;
        Require(leaves.Length > 0 && leaves.Length % MerkleTree.HashBytes == 0 && leaves.Length <= MostLeaves * MerkleTree.HashBytes, "its leaves are none, too many, or no hashes");
        for (int at = 0; at < leaves.Length; at += MerkleTree.HashBytes)
        {
            Add(leaves.Slice(at, MerkleTree.HashBytes));
        }

        Checkpoint checkpoint = CheckpointNotes.Verify(proposal.Note.Span, CheckpointNotes.OriginOf(job, attempt: 1), coordinator);
        Require(
            checkpoint.Size == _tree.Size && checkpoint.RootHash.AsSpan().SequenceEqual(_tree.Root()),
            $"it is signed for {checkpoint.Size} entries with another root than its {_tree.Size} leaves have");
        _number = proposal.Number;
        if (proposal.Closing)
        {
            Require(_heard == heard.Count, $"its tree has {_heard} of the {heard.Count} envelopes that this party got from the coordinator, or has them in another order");
            Require(_kept.Heads.All(known => known.Size <= checkpoint.Size), "this party has judged a longer record before");
        }

        return checkpoint;
    }

    private void Add(ReadOnlySpan<byte> leaf)
    {
        if (_said < said.Count && leaf.SequenceEqual(said[_said]))
        {
            _said++;
        }
        else if (_heard < heard.Count && leaf.SequenceEqual(heard[_heard]))
        {
            _heard++;
        }

        _tree.AppendHash(leaf.ToArray());
        PartyHead? known = _kept.Heads.FirstOrDefault(head => head.Size == _tree.Size);
        Require(known is null || known.Root.Span.SequenceEqual(_tree.Root()), $"its first {_tree.Size} entries have another root than when this party judged them before");
    }

    private PartyHead Keep(RoundProposal proposal, Checkpoint checkpoint)
    {
        PartyHead head = new() { Size = checkpoint.Size, Root = ByteString.CopyFrom(checkpoint.RootHash) };
        if (coSigns)
        {
            head.CoSignature = ByteString.CopyFrom(CheckpointNotes.CoSign(proposal.Note.Span, signer, time.GetUtcNow()));
        }

        _kept.Heads.Add(head);
        AtomicFile.Write(_path, _kept.ToByteArray());
        return head;
    }

    private static PartyHeads Load(string path)
    {
        try
        {
            return File.Exists(path) ? PartyHeads.Parser.ParseFrom(File.ReadAllBytes(path)) : new PartyHeads();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidProtocolBufferException)
        {
            throw new VertFedException(ErrorCode.Storage, $"{path} cannot be read: {error.Message}", error);
        }
    }

    private static void Require(bool holds, FormattableString otherwise) => Require(holds, otherwise.ToString(CultureInfo.InvariantCulture));

    private static void Require(bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new VertFedException(ErrorCode.ProtocolViolation, otherwise);
        }
    }
}
