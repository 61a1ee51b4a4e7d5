using System.Globalization;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// The orders of an asynchronous job: each to one party, rounds never down, attempts within a round up, all orders of a round with one model. A version
/// needs a full buffer of updates; which of those that arrived were too stale the record does not show.
/// </summary>
internal sealed class RoundBufferCheck
{
    private const string Prefix = "fedbuff:";

    private readonly HorizontalSpecification _spec;
    private readonly long _size;
    private long _updates;
    private uint _round;
    private uint _attempt;
    private ModelOrder? _version;

    private RoundBufferCheck(HorizontalSpecification spec, long size) => (_spec, _size) = (spec, size);

    /// <summary>The check that a spec asks for; null where its job is not asynchronous.</summary>
    public static RoundBufferCheck? Of(HorizontalSpecification spec) =>
        spec.Strategy.StartsWith(Prefix, StringComparison.Ordinal)
        && int.TryParse(spec.Strategy.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int size)
            ? new RoundBufferCheck(spec, size)
            : null;

    /// <summary>A party has answered an order.</summary>
    public void Answered() => _updates++;

    /// <summary>Takes an order.</summary>
    /// <exception cref="RuleBrokenException">It may not be said here.</exception>
    public void Order(RoundEntryView entry, ModelOrder order, int parties)
    {
        (uint round, uint attempt) = (entry.Header.Round, entry.Header.Attempt);
        entry.Require(round >= 1 && round <= _spec.Rounds, Rules.Grammar, $"The job spec has {_spec.Rounds} rounds.");
        entry.Require(
            round == _round ? attempt > _attempt : round == _round + 1, Rules.Grammar,
            $"Round {round}, attempt {attempt} comes after round {_round}, attempt {_attempt}.");
        entry.Require(
            order.Invited.Count == 1 && order.Invited[0] >= 1 && order.Invited[0] <= parties && order.Threshold == 0 && order.Taken.Count == 0 && order.Counted.All(round => round == 0) && order.Control.Count == 0,
            Rules.Grammar, "An order of an asynchronous job is to one party, and asks for an update in the clear.");
        if (round == _round)
        {
            entry.Require(order.Parameters.SequenceEqual(_version!.Parameters), Rules.Model, $"Two orders of round {round} have different models.");
        }
        else
        {
            RequireFull(entry, round - 1);
        }

        (_round, _attempt, _version) = (round, attempt, order);
    }

    /// <summary>Takes the final model.</summary>
    /// <exception cref="RuleBrokenException">It may not be said here.</exception>
    public void Close(RoundEntryView entry, FinalModel final)
    {
        RequireFull(entry, final.Rounds);
        entry.Require(final.Taken.Count == 0, Rules.Counted, "An asynchronous job names nobody whose update counted last.");
    }

    private void RequireFull(RoundEntryView entry, uint versions) => entry.Require(
        _updates >= versions * _size, Rules.Counted, $"{versions} versions need {versions * _size} updates; {_updates} are in the record.");
}
