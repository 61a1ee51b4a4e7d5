using Google.Protobuf.Collections;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>
/// The order in which a horizontal job goes: columns compared → scaling → rounds ascending → final model; each begun again under a higher attempt alone.
/// Whoever counts was asked and has answered. What the coordinator says must follow; what a party says that nobody asked for counts for nothing, and is
/// remarked.
/// </summary>
internal sealed class RoundGrammar(RoundContext context)
{
    private readonly HorizontalSpecification _spec = context.Specification.Horizontal!;
    private readonly RoundAnswers _answers = new();
    private readonly List<string> _remarks = [];
    private RoundStep _stage;
    private uint _round;
    private uint _attempt;
    private uint[] _invited = [];
    private uint[] _taken = [];
    private readonly uint[] _counted = new uint[context.Parties];
    private RoundSumCheck? _sum;
    private ModelOrder? _model;
    private long _buffered;

    /// <summary>Whether each party works on an order of its own.</summary>
    private bool IsAsynchronous => _spec.Strategy.StartsWith("fedbuff", StringComparison.Ordinal);

    /// <summary>What parties said unasked.</summary>
    public IReadOnlyList<string> Remarks => _remarks;

    /// <summary>Whether the final model was said.</summary>
    public bool IsClosed => _stage == RoundStep.FinalModel;

    /// <summary>Takes a party's entry.</summary>
    /// <returns>Whether it answers what was asked.</returns>
    public bool Answer(RoundEntryView entry)
    {
        RequireOpen(entry);
        string? objection = entry.Header.Step == RoundStep.SumLost ? "it has started again, and has no keys of that sum any more" : _answers.Take(entry.Header);
        if (objection is null)
        {
            if (entry.Header.Step == RoundStep.SumKeys)
            {
                _sum?.Announced(entry);
            }

            _buffered += entry.Header.Step == RoundStep.ModelUpdate ? 1 : 0;
            return true;
        }

        // A party that says such things without end is not quoted without end.
        if (_remarks.Count < 100)
        {
            _remarks.Add($"entry {entry.Index}: '{entry.Party}' sent {entry.Name} (number {entry.Header.Sequence}); {objection}");
        }

        return false;
    }

    /// <summary>Takes what the coordinator says.</summary>
    /// <param name="payload">Of a broadcast.</param>
    /// <exception cref="RuleBrokenException">It may not be said here.</exception>
    public void Say(RoundEntryView entry, ReadOnlyMemory<byte> payload)
    {
        RequireOpen(entry);
        bool isToOne = entry.Header.Step == RoundStep.SumShareBundle || (entry.Header.Step == RoundStep.ModelOrder && IsAsynchronous);
        entry.Require(entry.IsBroadcast != isToOne, Rules.Grammar, "It goes to one party where all are meant, or to all where one is.");
        switch (entry.Header.Step)
        {
            case RoundStep.SchemaOrder:
                Compare(entry, RoundParsing.Payload(SchemaOrder.Parser, entry, payload));
                break;
            case RoundStep.ScalingOrder:
                Scale(entry, RoundParsing.Payload(ScalingOrder.Parser, entry, payload));
                break;
            case RoundStep.ModelOrder when IsAsynchronous:
                Hand(entry, RoundParsing.Payload(ModelOrder.Parser, entry, payload));
                break;
            case RoundStep.ModelOrder:
                Train(entry, RoundParsing.Payload(ModelOrder.Parser, entry, payload));
                break;
            case RoundStep.FinalModel:
                Finish(entry, RoundParsing.Payload(FinalModel.Parser, entry, payload));
                break;
            default:
                if (_sum is null)
                {
                    throw entry.Broken(Rules.Grammar, "No secure sum was ordered.");
                }

                _sum.Take(entry, payload);
                break;
        }
    }

    private void Compare(RoundEntryView entry, SchemaOrder order)
    {
        RequireStage(entry, _stage is RoundStep.Unspecified, isAgain: _stage is RoundStep.SchemaOrder, round: 0);
        entry.Require(order.SpecHash.Span.SequenceEqual(context.Job.SpecHash), Rules.JobSpec, "The coordinator asks under another job spec than the transcript's.");
        _answers.Ask(RoundStep.Schema, 0, entry.Header.Attempt, Enumerable.Range(1, context.Parties).Select(place => (uint)place));
    }

    private void Scale(RoundEntryView entry, ScalingOrder order)
    {
        bool isFirst = _stage is RoundStep.SchemaOrder;
        entry.Require(_spec.Scaling == ScalingChoice.Federated, Rules.Grammar, "The job spec asks for no scaling.");
        if (isFirst)
        {
            RequireSchemas(entry);
        }

        RequireStage(entry, isFirst, isAgain: _stage is RoundStep.ScalingOrder, round: 0);
        Invite(entry, order.Invited, order.Threshold, RoundStep.ScalingSums);
    }

    private void Train(RoundEntryView entry, ModelOrder order)
    {
        uint round = entry.Header.Round;
        bool isAgain = _stage is RoundStep.ModelOrder && round == _round;
        bool isFirst = _stage is RoundStep.SchemaOrder or RoundStep.ScalingOrder;
        entry.Require(round <= _spec.Rounds, Rules.Grammar, $"The job spec has {_spec.Rounds} rounds.");
        if (isFirst)
        {
            RequireScaled(entry);
        }
        else if (!isAgain)
        {
            RequireCounted(entry, order.Taken);
        }

        entry.Require(
            !isAgain || order.Taken.SequenceEqual(_taken), Rules.Counted, $"Attempt {entry.Header.Attempt} names others whose update of the round before counted than the attempt before it.");
        entry.Require(!isFirst || order.Taken.Count == 0, Rules.Counted, "No update can have counted before the first round.");
        RequireStage(entry, isFirst || _stage is RoundStep.ModelOrder, isAgain, isFirst ? 1 : isAgain ? _round : _round + 1);
        foreach (uint place in order.Taken)
        {
            _counted[place - 1] = round - 1;
        }

        entry.Require(order.Counted.SequenceEqual(_counted), Rules.Counted, "It says another round of a party than the last one in which its update counted.");
        RequireModel(entry, order.Parameters, order.Means, order.Deviations);
        _model ??= order;
        _taken = [.. order.Taken];
        Invite(entry, order.Invited, order.Threshold, RoundStep.ModelUpdate);
    }

    /// <summary>
    /// An order of an asynchronous job, to one party: its round is one more than the version of the model that it has, attempts count the orders of a version. The
    /// next version needs a full buffer of updates.
    /// </summary>
    private void Hand(RoundEntryView entry, ModelOrder order)
    {
        uint round = entry.Header.Round;
        bool isFirst = _stage is RoundStep.SchemaOrder or RoundStep.ScalingOrder;
        if (isFirst)
        {
            RequireScaled(entry);
            _buffered = 0;
        }

        // A version may end without an order of its own: by an answer that came late and left nobody idle.
        bool isNext = isFirst || (_stage is RoundStep.ModelOrder && round > _round);
        entry.Require(round <= _spec.Rounds, Rules.Grammar, $"The job spec has {_spec.Rounds} rounds.");
        if (isNext && !isFirst)
        {
            RequireBuffers(entry, round - _round);
        }

        RequireStage(entry, isNext, isAgain: !isNext && _stage is RoundStep.ModelOrder, isFirst ? 1 : isNext ? round : _round);
        RequireModel(entry, order.Parameters, order.Means, order.Deviations);
        _model ??= order;
        entry.Require(order.Invited.Count == 1 && order.Invited[0] == entry.Header.Recipient && order.Threshold == 0, Rules.Grammar, "The order invites others than whom it is for.");
        _answers.Ask(RoundStep.ModelUpdate, round, entry.Header.Attempt, order.Invited);
    }

    /// <summary>So many versions ended since they were last counted, each with a full buffer; what came beyond is of the next.</summary>
    private void RequireBuffers(RoundEntryView entry, uint versions)
    {
        string[] words = _spec.Strategy.Split(':');
        int size = words.Length > 1 && int.TryParse(words[1], System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int said) ? said : 1;
        long needed = (long)size * versions;
        entry.Require(_buffered >= needed, Rules.Counted, $"{_buffered} updates came since the version before; {versions} full buffers take {needed}.");
        _buffered -= needed;
    }

    private void Finish(RoundEntryView entry, FinalModel final)
    {
        entry.Require(_stage is RoundStep.ModelOrder && entry.Header.Round == 0, Rules.Grammar, "The final model comes after the rounds.");
        if (IsAsynchronous)
        {
            entry.Require(final.Rounds >= _round && final.Rounds <= _spec.Rounds, Rules.Model, $"The final model is said to be of version {final.Rounds}; orders went up to version {_round - 1}.");
            RequireBuffers(entry, final.Rounds - _round + 1);
        }
        else
        {
            RequireCounted(entry, final.Taken);
            entry.Require(final.Rounds == _round, Rules.Model, $"The final model is said to be of {final.Rounds} rounds; there are {_round}.");
            foreach (uint place in final.Taken)
            {
                _counted[place - 1] = _round;
            }

            entry.Require(final.Counted.SequenceEqual(_counted), Rules.Counted, "It says another round of a party than the last one in which its update counted.");
        }

        RequireModel(entry, final.Parameters, final.Means, final.Deviations);
        entry.Require(
            final.Converged || final.Rounds == _spec.Rounds, Rules.Model, $"The job spec has {_spec.Rounds} rounds; the final model came after {final.Rounds} without having converged.");
        _stage = RoundStep.FinalModel;
    }

    private void RequireOpen(RoundEntryView entry) =>
        entry.Require(!IsClosed, Rules.Grammar, "The record ends with the final model.", TranscriptContext.CoordinatorName);

    /// <summary>The first attempt of a stage or round, or a later attempt of the one under way.</summary>
    private void RequireStage(RoundEntryView entry, bool follows, bool isAgain, uint round)
    {
        entry.Require(follows || isAgain, Rules.Grammar, $"{entry.Name} may not follow {(_stage is RoundStep.Unspecified ? "the beginning" : _stage)}.");
        entry.Require(entry.Header.Round == round, Rules.Grammar, $"Round {round} was due.");
        entry.Require(!isAgain || entry.Header.Attempt > _attempt, Rules.Grammar, $"Attempt {entry.Header.Attempt} comes after attempt {_attempt}.");
        _stage = entry.Header.Step;
        _round = round;
        _attempt = entry.Header.Attempt;
        _sum = null;
    }

    private void Invite(RoundEntryView entry, RepeatedField<uint> invited, uint threshold, RoundStep answer)
    {
        entry.Require(
            invited.Count > 0 && RoundParsing.AreAscending(invited) && invited[0] >= 1 && invited[^1] <= context.Parties, Rules.Grammar,
            "The invited are not places of the job in ascending order.");
        _invited = [.. invited];
        entry.Require(
            _spec.IsSecure ? threshold >= _spec.MinimumClients && threshold <= _invited.Length && threshold > _invited.Length / 2 : threshold == 0, Rules.Grammar,
            $"A threshold of {threshold} among {_invited.Length} is not what the job spec asks for.");
        _sum = _spec.IsSecure ? new RoundSumCheck(context, _answers, entry.Header.Round, entry.Header.Attempt, threshold) : null;
        _answers.Ask(_spec.IsSecure ? RoundStep.SumKeys : answer, entry.Header.Round, entry.Header.Attempt, _invited);
    }

    private void RequireSchemas(RoundEntryView entry)
    {
        int said = _answers.Of(RoundStep.Schema, 0, _attempt).Count;
        entry.Require(said == context.Parties, Rules.Counted, $"{said} of {context.Parties} parties have said what their columns are.");
    }

    private void RequireScaled(RoundEntryView entry)
    {
        if (_stage is RoundStep.SchemaOrder)
        {
            RequireSchemas(entry);
            entry.Require(_spec.Scaling == ScalingChoice.None, Rules.Grammar, "The job spec asks for scaling, which has not taken place.");
            return;
        }

        int counted = _spec.IsSecure ? (_sum is { IsComplete: true } sum ? sum.Survivors.Count : 0) : _answers.Of(RoundStep.ScalingSums, 0, _attempt).Count;
        RequireLeast(entry, counted);
    }

    private void RequireCounted(RoundEntryView entry, RepeatedField<uint> taken)
    {
        if (_spec.IsSecure)
        {
            entry.Require(
                _sum is { IsComplete: true } sum && sum.Survivors.SequenceEqual(taken), Rules.Counted,
                $"The parties that are said to count in round {_round} are not those of its secure sum, or that did not come to its end.");
        }
        else
        {
            IReadOnlySet<uint> answered = _answers.Of(RoundStep.ModelUpdate, _round, _attempt);
            uint? missing = taken.Where(place => !answered.Contains(place)).Cast<uint?>().FirstOrDefault();
            entry.Require(missing is null, Rules.Counted, $"Place {missing} is said to count in round {_round}; there is no update of it in the record.");
            entry.Require(RoundParsing.AreAscending(taken), Rules.Counted, "Places are not ascending.");
        }

        RequireLeast(entry, taken.Count);
    }

    private void RequireLeast(RoundEntryView entry, int counted)
    {
        int least = Math.Min(_spec.MinimumClients, _invited.Length);
        entry.Require(counted >= least, Rules.Counted, $"{counted} parties count before it; the job spec demands {least}.");
    }

    private void RequireModel(RoundEntryView entry, RepeatedField<double> parameters, RepeatedField<double> means, RepeatedField<double> deviations)
    {
        entry.Require(
            parameters.Count > 0 && parameters.All(double.IsFinite) && (_model is null || parameters.Count == _model.Parameters.Count), Rules.Model,
            "The model has a number that is not finite, or another length than the first.");
        entry.Require(
            _model is null
                ? means.Count == deviations.Count && (means.Count > 0) == (_spec.Scaling == ScalingChoice.Federated)
                : means.SequenceEqual(_model.Means) && deviations.SequenceEqual(_model.Deviations),
            Rules.Model, "The means and deviations are not those of the first round, or not what the job spec asks for.");
    }
}
