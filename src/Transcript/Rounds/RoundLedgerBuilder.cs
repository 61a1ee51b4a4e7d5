using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Transcript;

/// <summary>Counts what crosses in a horizontal job, entry by entry.</summary>
internal sealed class RoundLedgerBuilder(RoundContext context)
{
    private const string Coordinator = TranscriptContext.CoordinatorName;
    private const string Everyone = "every party";
    private const string Sums = "sums";
    private readonly HorizontalSpecification _spec = context.Specification.Horizontal!;
    private readonly SortedDictionary<(RoundStep Step, uint Place), long> _said = [];
    private readonly List<int> _summed = [];
    private long _scalingSums;
    private long _modelSums;
    private long _orders;
    private long _control;
    private long _columns;
    private long _parameters;
    private uint _rounds;
    private bool _hasFinal;

    /// <summary>Takes a party's entry that answers what was asked.</summary>
    public void Answer(RoundEntryView entry)
    {
        (RoundStep, uint) key = (entry.Header.Step, entry.Header.Sender);
        _said[key] = _said.GetValueOrDefault(key) + 1;
    }

    /// <summary>Takes a broadcast that has been checked.</summary>
    public void Say(RoundEntryView entry, ReadOnlyMemory<byte> payload)
    {
        switch (entry.Header.Step)
        {
            case RoundStep.ModelOrder:
                ModelOrder order = RoundParsing.Payload(ModelOrder.Parser, entry, payload);
                (_parameters, _columns, _rounds) = (order.Parameters.Count, order.Means.Count, entry.Header.Round);
                _control = order.Control.Count;
                _orders++;
                break;
            case RoundStep.FinalModel:
                _hasFinal = true;
                break;
            case RoundStep.SumSurvivors:
                _summed.Add(RoundParsing.Payload(SumSurvivors.Parser, entry, payload).Parties.Count);
                if (entry.Header.Round == 0)
                {
                    _scalingSums++;
                }
                else
                {
                    _modelSums++;
                }

                break;
        }
    }

    public RoundLedger Build()
    {
        List<RoundLedgerLine> lines = [];
        foreach (((RoundStep step, uint place), long times) in _said)
        {
            (string What, long Values) line = step switch
            {
                RoundStep.Schema => (_spec.IsSecure ? "a hash of its columns, and how many" : "a hash of its columns, and how many; its number of training rows", (_spec.IsSecure ? 1 : 2) * times),
                RoundStep.ScalingSums => ("its rows, column sums and sums of squares, in the clear", (1 + (2 * _columns)) * times),
                RoundStep.ModelUpdate => ("its updates of the model, rows, steps and losses, in the clear", (_parameters + _control + 5) * times),
                _ => ("", 0),
            };
            if (line.Values > 0)
            {
                lines.Add(new RoundLedgerLine(Coordinator, context.NameOf(place), line.What, line.Values, step));
            }
        }

        Add(lines, Coordinator, Sums, "rows, column sums and sums of squares, over all in a secure sum", (1 + (2 * _columns)) * _scalingSums, RoundStep.SumSurvivors);
        Add(lines, Coordinator, Sums, "updates of the model, weighted losses and rows, over all in a secure sum", (_parameters + _control + 2) * _modelSums, RoundStep.SumSurvivors);
        Add(lines, Everyone, Sums, "means and deviations of the columns over all parties", 2 * _columns, RoundStep.ModelOrder);
        Add(lines, Everyone, Sums, "the model of each round", (_parameters + _control) * _orders, RoundStep.ModelOrder);
        Add(lines, Everyone, Coordinator, "who is invited, and whose update counted, each round", _orders, RoundStep.ModelOrder);
        Add(lines, Everyone, Sums, "the final model", _hasFinal ? _parameters : 0, RoundStep.FinalModel);
        return new RoundLedger(_hasFinal ? _rounds : Math.Max(1, _rounds) - 1, _summed.Count == 0 ? 0 : _summed.Min(), context.Specification, lines);
    }

    private static void Add(List<RoundLedgerLine> lines, string to, string of, string what, long values, RoundStep step)
    {
        if (values > 0)
        {
            lines.Add(new RoundLedgerLine(to, of, what, values, step));
        }
    }
}
