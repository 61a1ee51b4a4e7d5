using System.Security.Cryptography;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// The coordinator's side of one secure sum, held to its order: keys as their owners sent them → a bundle to each that shared → the survivors, whose
/// numbers arrived. At each step at least as many as the threshold.
/// </summary>
internal sealed class RoundSumCheck(RoundContext context, RoundAnswers answers, uint round, uint attempt, uint threshold)
{
    private readonly Dictionary<uint, byte[]> _keys = [];
    private readonly HashSet<uint> _bundled = [];
    private RoundStep _last = RoundStep.Unspecified;

    /// <summary>Whose numbers are in the sum; empty before they are said.</summary>
    public IReadOnlyList<uint> Survivors { get; private set; } = [];

    /// <summary>Whether enough shares came to take the masks off.</summary>
    public bool IsComplete => Survivors.Count > 0 && answers.Of(RoundStep.SumUnmasking, round, attempt).Count >= threshold;

    /// <summary>A party's keys came.</summary>
    public void Announced(RoundEntryView entry)
    {
        if (entry.Header.Round == round && entry.Header.Attempt == attempt)
        {
            _keys[entry.Header.Sender] = entry.Envelope.CoreHash;
        }
    }

    /// <summary>Takes what the coordinator says in the sum.</summary>
    /// <exception cref="RuleBrokenException">It may not be said here.</exception>
    public void Take(RoundEntryView entry, ReadOnlyMemory<byte> payload)
    {
        RoundStep step = entry.Header.Step;
        entry.Require(
            entry.Header.Round == round && entry.Header.Attempt == attempt, Rules.Grammar,
            $"It belongs to attempt {entry.Header.Attempt} of round {entry.Header.Round}, while the secure sum of attempt {attempt} of round {round} is open.");
        bool follows = step switch
        {
            RoundStep.SumKeyList => _last is RoundStep.Unspecified,
            RoundStep.SumShareBundle => _last is RoundStep.SumKeyList or RoundStep.SumShareBundle,
            _ => _last is RoundStep.SumShareBundle,
        };
        entry.Require(follows, Rules.Grammar, $"{step} may not follow {(_last is RoundStep.Unspecified ? "the order" : _last)} in a secure sum.");
        switch (step)
        {
            case RoundStep.SumKeyList:
                KeyList(entry, RoundParsing.Payload(SumKeyList.Parser, entry, payload));
                break;
            case RoundStep.SumShareBundle:
                Bundle(entry);
                break;
            default:
                Survive(entry, RoundParsing.Payload(SumSurvivors.Parser, entry, payload));
                break;
        }

        _last = step;
    }

    private void KeyList(RoundEntryView entry, SumKeyList list)
    {
        List<uint> owners = [];
        foreach (SignedSumKeys keys in list.Keys)
        {
            byte[] hash = SHA256.HashData(keys.Core.Span);
            uint owner = _keys.FirstOrDefault(pair => pair.Value.AsSpan().SequenceEqual(hash)).Key;
            entry.Require(owner != 0 && !owners.Contains(owner), Rules.Grammar, "The list holds keys that no party sent for this sum, or holds a party's twice.");
            owners.Add(owner);
        }

        RequireEnough(entry, owners.Count);
        answers.Ask(RoundStep.SumShares, round, attempt, owners);
    }

    private void Bundle(RoundEntryView entry)
    {
        uint place = entry.Header.Recipient;
        entry.Require(
            answers.Of(RoundStep.SumShares, round, attempt).Contains(place) && _bundled.Add(place), Rules.Grammar,
            $"Shares are passed to '{context.NameOf(place)}', which sent none itself, or has them already.");
        answers.Ask(RoundStep.SumMasked, round, attempt, [place]);
    }

    private void Survive(RoundEntryView entry, SumSurvivors said)
    {
        IReadOnlySet<uint> masked = answers.Of(RoundStep.SumMasked, round, attempt);
        uint? other = said.Parties.Where(place => !masked.Contains(place)).Cast<uint?>().FirstOrDefault();
        entry.Require(other is null, Rules.Counted, $"Place {other} is among those whose numbers arrived; there are none of it in the record.");
        entry.Require(RoundParsing.AreAscending(said.Parties), Rules.Grammar, "Places are not ascending.");
        RequireEnough(entry, said.Parties.Count);
        Survivors = [.. said.Parties];
        answers.Ask(RoundStep.SumUnmasking, round, attempt, said.Parties);
    }

    private void RequireEnough(RoundEntryView entry, int found) =>
        entry.Require(found >= threshold, Rules.Counted, $"{found} parties are left in the secure sum; it needs {threshold}.");
}
