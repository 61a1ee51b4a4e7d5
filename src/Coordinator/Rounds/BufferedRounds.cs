using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Service;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Coordinator.Rounds;

/// <summary>
/// FedBuff over the service: as many parties as the spec's clients_per_round are at work at any time, each on an order of its own; who answers, or is silent for longer
/// than the round deadline, is followed by another. A full buffer makes the next version. Round and attempt of an order's header name it: the round is one
/// more than the version that it has, attempts count the orders of that version. Every update is kept with the buffer before anything follows from it, so after
/// a crash none counts twice; orders that were open then are overtaken, and their answers are passed over.
/// </summary>
internal sealed class BufferedRounds(
    JobPlan plan, RoundConversation conversation, RandomStreams streams, RoundCheckpoint checkpoint, Action<RoundSummary> conclude, Func<CancellationToken, Task> save)
{
    private readonly SortedDictionary<uint, PlacedOrder> _orders = [];
    private readonly Dictionary<uint, (uint Round, uint Attempt)> _answered = [];
    private readonly (uint Round, uint Attempt) _begun = (checkpoint.Rounds + 1, checkpoint.Attempt);

    private HorizontalSpecification Spec => plan.Specification;

    /// <summary>Runs until the spec's rounds are done or a version moves no parameter by more than its tolerance.</summary>
    /// <exception cref="VertFedException">PeerUnavailable: fewer parties than minimum_clients are left that answer.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (checkpoint.Rounds < Spec.Rounds && !checkpoint.Converged)
        {
            uint[] chosen = Choose();
            PlacedOrder[] fresh = [.. chosen.Select(Place)];

            // The update that was taken last, and the numbers of the orders that follow: both before anybody hears of them.
            await save(cancellationToken);
            foreach (PlacedOrder order in fresh)
                await conversation.TellAsync(RoundStep.ModelOrder, order.Round, order.Attempt, order.Place, order.Message, cancellationToken);
            PlacedOrder[] working = [.. _orders.Values.Where(IsWorking)];
            TimeSpan patience = Left(working.MinBy(order => order.Since)!);
            if (await conversation.HearAsync([.. working.Select(order => order.Place)], patience > TimeSpan.Zero ? patience : TimeSpan.Zero, cancellationToken) is { } envelope)
                Take(envelope);
            foreach (PlacedOrder order in working.Where(order => IsWorking(order) && Left(order) <= TimeSpan.Zero))
            {
                order.IsGivenUp = true;
                conversation.Refuse(order.Place, $"no answer to version {order.Round - 1} within {Spec.RoundDeadline.TotalSeconds:0} s; another party is asked instead");
            }
        }

        foreach (uint place in _orders.Keys)
            conversation.Settle(place);
        await save(cancellationToken);
    }

    /// <summary>Who is to begin work, each of the idle with the same chance.</summary>
    private uint[] Choose()
    {
        uint[] here = [.. Enumerable.Range(1, plan.Parties).Select(place => (uint)place).Where(place => !conversation.Outcomes.ContainsKey(place) && _orders.GetValueOrDefault(place) is not { IsGivenUp: true })];
        if (here.Length < Math.Max(1, Spec.MinimumClients))
        {
            uint[] silent = [.. _orders.Values.Where(order => order.IsGivenUp).Select(order => order.Place)];
            throw new VertFedException(
                ErrorCode.PeerUnavailable,
                $"Version {checkpoint.Rounds + 1} needs {Spec.MinimumClients} parties; {here.Length} answer.{(silent.Length == 0 ? "" : $" Nothing came within {Spec.RoundDeadline.TotalSeconds:0} s from {string.Join(", ", silent.Select(conversation.NameOf))}.")}")
            {
                Party = silent.Length == 0 ? "" : conversation.NameOf(silent[0]),
                Step = nameof(RoundStep.ModelUpdate),
            };
        }

        uint[] idle = [.. here.Where(place => _orders.GetValueOrDefault(place) is not { IsAnswered: false })];
        using RandomStream stream = streams.For("asynchronous", checkpoint.Rounds, checkpoint.Attempt);
        Draws.Shuffle(stream, idle.AsSpan());
        return [.. idle.Take(Math.Min(Spec.ClientsPerRound, here.Length) - (here.Length - idle.Length)).Order()];
    }

    private PlacedOrder Place(uint place)
    {
        checkpoint.Attempt++;
        Summary().Invited.Add(conversation.NameOf(place));
        ModelOrder message = new() { Invited = { place }, Parameters = { checkpoint.Parameters }, Counted = { new uint[plan.Parties] }, Means = { checkpoint.Means }, Deviations = { checkpoint.Deviations } };
        return _orders[place] = new PlacedOrder(place, checkpoint.Rounds + 1, checkpoint.Attempt, message, conversation.Time.GetTimestamp());
    }

    private void Take(RoundEnvelope envelope)
    {
        RoundHeader header = envelope.Header;
        uint place = header.Sender;
        (uint Round, uint Attempt) answered = (header.Round, header.Attempt);
        string said = $"{header.Step} of round {header.Round} (attempt {header.Attempt})";
        PlacedOrder? order = _orders.GetValueOrDefault(place);
        if (_answered.GetValueOrDefault(place) == answered)
        {
            conversation.Refuse(place, $"{said}: it has answered already");
        }
        else if (answered.CompareTo(_begun) <= 0 || (order is not null && answered.CompareTo((order.Round, order.Attempt)) < 0))
        {
            // Of before a crash, or given up and followed by another order to the same party.
        }
        else if (header.Step != RoundStep.ModelUpdate || order is null || answered != (order.Round, order.Attempt))
        {
            conversation.Refuse(place, $"{said} is not what is asked");
        }
        else
        {
            _answered[place] = answered;
            (order.IsAnswered, order.IsGivenUp) = (true, false);
            conversation.Settle(place);
            try
            {
                Count(order, envelope);
            }
            catch (Exception error) when (error is HorizontalException or VertFedException { Code: ErrorCode.ProtocolViolation })
            {
                conversation.Refuse(place, error.Message);
            }
        }
    }

    private void Count(PlacedOrder order, RoundEnvelope envelope)
    {
        ServerState state = CarriedState.Of(checkpoint);
        int length = state.Parameters.Length;
        UpdateLimits limits = new(length, 0, double.PositiveInfinity, UpdateReader.MostRows, plan.Work.StepLimit, WithControl: false);
        ClientUpdate update = UpdateReader.Read(plan, envelope, (int)order.Round - 1, length, out _);
        ServerState next = plan.Buffer!.Receive(state, update, limits);

        RoundSummary summary = Summary();
        int before = summary.Counted.Count;
        summary.Counted.Add(conversation.NameOf(order.Place));
        summary.Staleness = ((summary.Staleness * before) + (state.Round - update.Round)) / (before + 1);
        summary.HasLoss = update.LossBefore is not null && (summary.HasLoss || before == 0);
        double rows = checkpoint.UnderWayRows + update.Examples;
        summary.Loss = ((summary.Loss * checkpoint.UnderWayRows) + ((update.LossBefore ?? 0) * update.Examples)) / rows;
        checkpoint.UnderWayRows = rows;
        CarriedState.Keep(checkpoint, next);
        if (next.Round == state.Round)
            return;
        summary.Movement = CarriedState.Movement(state, next);
        summary.Attempts = 1;
        checkpoint.Converged = Spec.Tolerance > 0 && summary.Movement <= Spec.Tolerance;
        checkpoint.UnderWay = null;
        checkpoint.UnderWayRows = 0;
        conclude(summary);
    }

    private RoundSummary Summary() => checkpoint.UnderWay ??= new RoundSummary { Round = checkpoint.Rounds + 1 };

    private bool IsWorking(PlacedOrder order) => !order.IsAnswered && !order.IsGivenUp && !conversation.Outcomes.ContainsKey(order.Place);

    private TimeSpan Left(PlacedOrder order) => Spec.RoundDeadline - conversation.Time.GetElapsedTime(order.Since);

    private sealed class PlacedOrder(uint place, uint round, uint attempt, ModelOrder message, long since)
    {
        public uint Place => place;

        public uint Round => round;

        public uint Attempt => attempt;

        public ModelOrder Message => message;

        /// <summary>The clock's timestamp when it was said.</summary>
        public long Since => since;

        public bool IsAnswered { get; set; }

        public bool IsGivenUp { get; set; }
    }
}
