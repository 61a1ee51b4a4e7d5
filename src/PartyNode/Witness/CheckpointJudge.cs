using System.Globalization;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.PartyNode.Witness;

/// <summary>
/// Holds a checkpoint that the coordinator proposes against what this party has: the coordinator's signature, the tree over its own
/// record, the consistency with the checkpoint before, and with what it co-signed itself. Whatever differs is the coordinator's
/// breach, and is named.
/// </summary>
internal static class CheckpointJudge
{
    /// <summary>The name under which a coordinator is named in errors.</summary>
    public const string Coordinator = "coordinator";

    /// <summary>Checks a proposal against a record that is complete for its phase.</summary>
    /// <param name="known">What this party co-signed of the attempt, in the order of phases.</param>
    /// <returns>The checkpoint, which may be co-signed.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>, with the coordinator as its party: what differs.</exception>
    public static Checkpoint Judge(
        CheckpointProposal proposal, CheckpointVerifier coordinator, OwnRecord record, IReadOnlyList<CoSignedCheckpoint> known)
    {
        Checkpoint checkpoint = Read(proposal, coordinator);
        if (checkpoint.Size != record.Size)
        {
            throw Breach(proposal, $"its tree has {checkpoint.Size} entries, this party's record {record.Size}");
        }

        if (!record.Root(record.Size).AsSpan().SequenceEqual(checkpoint.RootHash))
        {
            throw Breach(proposal, $"its tree of {checkpoint.Size} entries has another root than this party's record of what it sent and received; one of the two was altered");
        }

        // The tree that was co-signed before must be the beginning of this one, entry for entry.
        if (known.LastOrDefault(earlier => earlier.Phase < proposal.Phase) is { } last
            && (last.TreeSize > record.Size || !record.Root(last.TreeSize).AsSpan().SequenceEqual(last.RootHash)))
        {
            throw Breach(proposal, $"its tree does not begin with the {last.TreeSize} entries of the checkpoint that this party co-signed at the end of phase {last.Phase}");
        }

        byte[][] proof = [.. proposal.ConsistencyProof.Select(hash => hash.ToByteArray())];
        return MerkleProofs.VerifyConsistency(record.SizeBefore, record.Size, record.Root(record.SizeBefore), checkpoint.RootHash, proof)
            ? checkpoint
            : throw Breach(proposal, $"its proof does not show that the tree begins with the {record.SizeBefore} entries before the phase");
    }

    /// <summary>Whether a proposal is, word for word, what this party co-signed for the phase.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.ProtocolViolation"/>, with the coordinator as its party: it is another.</exception>
    public static void RequireSame(CheckpointProposal proposal, CheckpointVerifier coordinator, CoSignedCheckpoint known)
    {
        Checkpoint checkpoint = Read(proposal, coordinator);
        if (SignedNote.Parse(known.Note).Text != checkpoint.Text)
        {
            throw Breach(
                proposal,
                $"it has {checkpoint.Size} entries and root {Convert.ToHexStringLower(checkpoint.RootHash)}; this party co-signed {known.TreeSize} entries and root {Convert.ToHexStringLower(known.RootHash)}");
        }
    }

    private static Checkpoint Read(CheckpointProposal proposal, CheckpointVerifier coordinator)
    {
        try
        {
            return CheckpointNotes.Verify(proposal.Note.Span, CheckpointNotes.OriginOf(proposal.Job, proposal.Attempt), coordinator);
        }
        catch (VertFedException error) when (error.Code == ErrorCode.DoesNotVerify)
        {
            throw Breach(proposal, error.Message, error);
        }
    }

    private static VertFedException Breach(CheckpointProposal proposal, FormattableString what) =>
        Breach(proposal, what.ToString(CultureInfo.InvariantCulture), inner: null);

    private static VertFedException Breach(CheckpointProposal proposal, string what, Exception? inner) =>
        new(ErrorCode.ProtocolViolation, $"the coordinator's checkpoint at the end of phase {proposal.Phase} is refused: {what}", inner)
        {
            Party = Coordinator,
        };
}
