using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>The tree as it stood at the end of a phase.</summary>
/// <param name="Size">Entries of all phases up to and including it.</param>
/// <param name="Root">32 bytes.</param>
internal sealed record PhaseEnd(long Size, byte[] Root);

/// <summary>
/// Holds each checkpoint to the tree that the entries make. As all are heads of that one tree, each later one is consistent with each
/// earlier one.
/// </summary>
internal sealed class CheckpointCheck(TranscriptContext context)
{
    private readonly List<VerifiedCheckpoint> _verified = [];

    public IReadOnlyList<VerifiedCheckpoint> Verified => _verified;

    /// <summary>Verifies a checkpoint record.</summary>
    /// <param name="endOf">The tree at the end of a phase; null: the phase was not over for both parties.</param>
    /// <exception cref="RuleBrokenException">It is malformed, of another log or tree, or a signature on it does not verify.</exception>
    public void Take(ReadOnlySpan<byte> body, Func<Phase, PhaseEnd?> endOf)
    {
        TranscriptCheckpoint message = Parsing.Strictly(
            TranscriptCheckpoint.Parser, body, TranscriptFormat.MaxCheckpointBytes, Rules.Format, "A checkpoint");
        Phase phase = message.Phase;
        Phase last = _verified.Count == 0 ? Phase.Unspecified : _verified[^1].Phase;
        Require(
            phase is >= Phase.Session and <= Phase.Close && phase > last,
            Rules.Checkpoint,
            $"A checkpoint of phase {phase} stands after that of {last}.");
        PhaseEnd? end = endOf(phase);
        Require(end is not null, Rules.Checkpoint, $"There is a checkpoint of phase {phase}, which was not over.");

        (SignedNote note, Checkpoint claimed) = Read(message.Note.Span, phase);
        Require(claimed.Origin == context.Origin, Rules.Checkpoint, $"The checkpoint of phase {phase} is of the log '{claimed.Origin}'.");
        try
        {
            _ = CheckpointNotes.Verify(message.Note.Span, context.Origin, context.Coordinator);
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(Rules.CheckpointSignature, $"Phase {phase}: {e.Message}", TranscriptContext.CoordinatorName, e);
        }

        Require(
            claimed.Size == end!.Size && claimed.RootHash.AsSpan().SequenceEqual(end.Root),
            Rules.Tree,
            $"The checkpoint of phase {phase} is of {claimed.Size} entries with the root {Hex(claimed.RootHash)}; the transcript has {end.Size} with the root {Hex(end.Root)}.");
        _verified.Add(new VerifiedCheckpoint(phase, claimed, [.. CoSignersOf(note, phase)]));
    }

    private static (SignedNote Note, Checkpoint Checkpoint) Read(ReadOnlySpan<byte> note, Phase phase)
    {
        try
        {
            SignedNote signed = SignedNote.Parse(note);
            return (signed, Checkpoint.Parse(signed.Text));
        }
        catch (VertFedException e)
        {
            throw new RuleBrokenException(Rules.Checkpoint, $"Phase {phase}: {e.Message}", TranscriptContext.CoordinatorName, e);
        }
    }

    private List<CoSignature> CoSignersOf(SignedNote note, Phase phase)
    {
        List<CoSignature> found = [];
        foreach (Role role in new[] { Role.LabelParty, Role.FeatureParty })
        {
            string name = context.NameOf(role);
            try
            {
                if (CheckpointNotes.FindCoSignature(note, name, context.KeyOf(role)) is { } coSignature)
                {
                    found.Add(coSignature);
                }
            }
            catch (VertFedException e)
            {
                throw new RuleBrokenException(Rules.CoSignature, $"Phase {phase}: {e.Message}", name, e);
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

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
