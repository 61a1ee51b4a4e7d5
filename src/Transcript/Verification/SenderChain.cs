using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// One sender's own order, rebuilt from canonical order: numbers, chain and grammar. The two differ only for the loss steps, which carry
/// round 0 and so stand before the iterations that they follow; those few wait here until their turn.
/// </summary>
internal sealed class SenderChain(Role sender, string party)
{
    /// <summary>Most entries that wait: two a block of 8192 rows, for the most rows that a party may bring, and room.</summary>
    private const int MostWaiting = 32_768;

    private readonly SortedDictionary<ulong, EntryView> _waiting = [];
    private byte[] _lastCoreHash = new byte[EnvelopeCodec.HashBytes];
    private ulong _next;

    /// <summary>Where the sender's steps stand.</summary>
    public SenderPosition Position { get; private set; }

    /// <summary>Whether the sender has left a phase behind.</summary>
    public bool IsBeyond(Phase phase) =>
        PhaseGrammar.IsEnd(Position) || (PhaseGrammar.Find(Position.Step) is { } rule && rule.Phase > phase);

    /// <summary>Whether the sender's last step is the one that ends a job.</summary>
    public bool IsClosed => PhaseGrammar.IsEnd(Position);

    /// <summary>Takes the sender's next entry in canonical order.</summary>
    /// <exception cref="RuleBrokenException">A number that is missing or repeated, another chain, or a step that may not follow.</exception>
    public void Take(EntryView entry)
    {
        ulong sequence = entry.Header.Sequence;
        entry.Require(
            sequence >= _next && !_waiting.ContainsKey(sequence),
            Rules.Sequence,
            $"'{party}' has two envelopes with the number {sequence}.");
        if (sequence != _next)
        {
            if (!IsLoss(entry.Header) || _waiting.Count == MostWaiting)
            {
                throw Gap(entry);
            }

            _waiting.Add(sequence, entry);
            return;
        }

        Append(entry);
        while (_waiting.Remove(_next, out EntryView? waiting))
        {
            Append(waiting);
        }
    }

    /// <summary>Checks that nothing waits for an entry that never came.</summary>
    public void RequireWhole()
    {
        if (_waiting.Count > 0)
        {
            throw Gap(_waiting.First().Value);
        }
    }

    private static bool IsLoss(EnvelopeHeader header) =>
        header is { Phase: Phase.Train, Round: 0, Step: not Step.TrainSetup };

    private RuleBrokenException Gap(EntryView entry)
    {
        EntryView first = _waiting.Count > 0 && _waiting.First().Key < entry.Header.Sequence ? _waiting.First().Value : entry;
        return first.Broken(
            Rules.Sequence,
            $"Envelope {first.Header.Sequence} of '{party}' comes where its envelope {_next} is due: one is missing.",
            TranscriptContext.CoordinatorName);
    }

    private void Append(EntryView entry)
    {
        EnvelopeHeader header = entry.Header;
        entry.Require(
            header.PreviousCoreHash.Span.SequenceEqual(_lastCoreHash),
            Rules.Chain,
            $"Envelope {header.Sequence} of '{party}' names another envelope before it than the one in the transcript.");
        if (!PhaseGrammar.TryAdvance(sender, Position, header.Step, header.Round, out SenderPosition next, out string allowed))
        {
            throw entry.Broken(Rules.Grammar, $"'{party}' sent {entry.Name} where the protocol allows {allowed}.");
        }

        Position = next;
        _lastCoreHash = entry.Envelope.CoreHash;
        _next++;
    }
}
