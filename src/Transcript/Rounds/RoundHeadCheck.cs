using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// Holds each checkpoint of a horizontal job to the tree that the entries make. As all are heads of that one tree, each later one is consistent with
/// each earlier one.
/// </summary>
internal sealed class RoundHeadCheck(RoundContext context)
{
    private readonly List<VerifiedCheckpoint> _verified = [];
    private readonly MerkleTree _tree = new();

    public IReadOnlyList<VerifiedCheckpoint> Verified => _verified;

    /// <summary>Verifies a checkpoint record.</summary>
    /// <param name="leaves">Leaf hashes of all entries.</param>
    /// <exception cref="RuleBrokenException">It is malformed, of another log or tree, or a signature on it does not verify.</exception>
    public void Take(ReadOnlySpan<byte> body, List<byte[]> leaves)
    {
        RoundHead message = Parsing.Strictly(RoundHead.Parser, body, TranscriptFormat.MaxCheckpointBytes, Rules.Format, "A checkpoint");
        string which = $"checkpoint {_verified.Count + 1}";
        (SignedNote note, Checkpoint claimed) = Read(message.Note.Span, which);
        Require(claimed.Origin == context.Origin, Rules.Checkpoint, $"The {which} is of the log '{claimed.Origin}'.");
        Require(
            claimed.Size > _tree.Size && claimed.Size <= leaves.Count, Rules.Checkpoint,
            $"The {which} is of {claimed.Size} entries; there are {leaves.Count}, and the one before is of {_tree.Size}.");
        try
        {
            _ = CheckpointNotes.Verify(message.Note.Span, context.Origin, context.KeyOf(RoundCodec.Coordinator));
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(Rules.CheckpointSignature, $"The {which}: {e.Message}", TranscriptContext.CoordinatorName, e);
        }

        while (_tree.Size < claimed.Size)
        {
            _tree.AppendHash(leaves[(int)_tree.Size]);
        }

        byte[] root = _tree.Root();
        Require(
            claimed.RootHash.AsSpan().SequenceEqual(root), Rules.Tree,
            $"The {which} is of {claimed.Size} entries with the root {Convert.ToHexStringLower(claimed.RootHash)}; those of the transcript have the root {Convert.ToHexStringLower(root)}.");
        _verified.Add(new VerifiedCheckpoint(Phase.Unspecified, claimed, CoSignersOf(note, which)));
    }

    /// <summary>A job that is done has a checkpoint over its whole record.</summary>
    /// <exception cref="RuleBrokenException">It has not.</exception>
    public void RequireComplete(long entries) => Require(
        context.Header.State != JobState.Done || (_verified.Count > 0 && _verified[^1].Checkpoint.Size == entries), Rules.Complete,
        "The job is done, but there is no checkpoint over the whole record.");

    /// <summary>Parties whose co-signature the last checkpoint lacks.</summary>
    public IReadOnlyList<string> NotCoSigned() =>
    [
        .. context.Specification.Parties.Select(party => party.Name)
            .Where(name => _verified.Count == 0 || _verified[^1].CoSigners.All(coSigner => coSigner.Party != name)),
    ];

    private static (SignedNote Note, Checkpoint Checkpoint) Read(ReadOnlySpan<byte> note, string which)
    {
        try
        {
            SignedNote signed = SignedNote.Parse(note);
            return (signed, Checkpoint.Parse(signed.Text));
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(Rules.Checkpoint, $"The {which}: {e.Message}", TranscriptContext.CoordinatorName, e);
        }
    }

    private List<CoSignature> CoSignersOf(SignedNote note, string which)
    {
        List<CoSignature> found = [];
        for (uint place = 1; place <= context.Parties; place++)
        {
            string name = context.NameOf(place);
            try
            {
                if (CheckpointNotes.FindCoSignature(note, name, context.KeyOf(place)) is { } coSignature)
                {
                    found.Add(coSignature);
                }
            }
            catch (VertFedException e)
            {
                throw new RuleBrokenException(Rules.CoSignature, $"The {which}: {e.Message}", name, e);
            }
        }

        return found;
    }

    private static void Require(bool holds, string rule, string otherwise)
    {
        if (!holds)
        {
            throw new RuleBrokenException(rule, otherwise, TranscriptContext.CoordinatorName);
        }
    }
}
