using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.SecureAggregation;
using VertFed.Horizontal.Updates;

namespace VertFed.Horizontal.Simulation;

/// <summary>Rounds with one model: any strategy, in the clear or by the secure sum, with client-level privacy and personal models where asked for.</summary>
internal sealed class SynchronousServer : SimulatedServer
{
    private readonly SimulationOptions _options;
    private readonly SimulatedClients _clients;
    private readonly Examples _test;
    private readonly AggregationStrategy _strategy;
    private readonly SimulatedSecureSum? _secure;
    private readonly PersonalModels? _personal;
    private readonly double[] _roundCost;
    private ServerState _state;

    public SynchronousServer(SimulationOptions options, SimulatedClients clients, Examples test, double[] first)
    {
        _options = options;
        _clients = clients;
        _test = test;
        _state = ServerState.Start(first);
        _secure = options.Secure ? new SimulatedSecureSum(options, clients) : null;
        _personal = options.Personal is null ? null : new PersonalModels(options, clients, first);
        (_strategy, _roundCost) = options.Privacy is { } privacy ? Private(privacy) : (options.Strategy, []);
    }

    public override double[] Parameters => _state.Parameters;

    public override RoundRecord Round(int round, CancellationToken cancellationToken)
    {
        int[] invited = _clients.Invite(round);
        RoundOrder order = _strategy.Order(_state, _options.Work) with { Round = round };
        int[] answering = _clients.Answering(invited, order.Work, round);
        (ClientUpdate Update, long Bytes)[] answers = _clients.Train(order, answering, cancellationToken);
        _personal?.Round(order, answering, cancellationToken);
        var limits = new UpdateLimits(order.Parameters.Length, round, double.PositiveInfinity, int.MaxValue, order.Work.StepLimit, _strategy.UsesControl) { Work = order.Work };
        var inbox = new RoundInbox(limits, invited);
        long up = 0;
        foreach ((ClientUpdate update, long bytes) in answers)
        {
            up += bytes;
            inbox.TryTake(update);
        }

        Outcome outcome = _secure is null ? InTheClear(inbox) : UnderMasks(_secure, inbox, invited, order, cancellationToken);
        _state = outcome.State ?? Unmoved();
        long down = (long)invited.Length * 8 * (order.Parameters.Length + (order.Control?.Length ?? 0));
        return new RoundRecord(
            round + 1,
            invited.Length,
            outcome.Taken,
            _secure is null ? up : outcome.BytesUp,
            down + outcome.BytesDown,
            Evaluation.Of(_options.Model, _state.Parameters, _test),
            [.. inbox.Refusals, .. outcome.Refusals],
            outcome.Outliers,
            Epsilon(round + 1))
        {
            Failure = outcome.Failure,
        };
    }

    public override PersonalOutcome? Personal(CancellationToken cancellationToken) => _personal?.Close(_state.Parameters, cancellationToken);

    private (AggregationStrategy Strategy, double[] Cost) Private(SimulatedPrivacy privacy)
    {
        int expected = _clients.Needed;
        if (privacy.AtClients)
        {
            return (new DistributedFedAvg(privacy.Clip), _secure!.Cost(privacy));
        }

        var clientPrivacy = new ClientPrivacy(
            privacy.Clip, privacy.NoiseMultiplier, expected, privacy.TargetQuantile, CountDeviation: Math.Max(expected / 20.0, privacy.NoiseMultiplier));
        double[] cost = PrivacyAccountant.Fresh.AfterSampledGaussian((double)expected / _clients.Count, privacy.NoiseMultiplier, 1).Values.ToArray();
        return (new PrivateFedAvg(clientPrivacy, _clients.Streams), cost);
    }

    private Outcome InTheClear(RoundInbox inbox)
    {
        if (inbox.Count < _options.LeastClients)
        {
            return Outcome.Failed(inbox.Count, $"{inbox.Count} of at least {_options.LeastClients} clients answered.");
        }

        IReadOnlyList<ClientUpdate> taken = inbox.Close(_options.LeastClients);
        Aggregated aggregated = _strategy.Aggregate(_state, taken, _clients.Count);
        foreach (ClientUpdate update in taken)
        {
            _clients.KeepControl(update);
        }

        return new Outcome(aggregated.State, taken.Count) { Outliers = aggregated.Outliers };
    }

    private Outcome UnderMasks(SimulatedSecureSum secure, RoundInbox inbox, int[] invited, RoundOrder order, CancellationToken cancellationToken)
    {
        var strategy = (SumStrategy)_strategy;
        IReadOnlyList<ClientUpdate> updates = inbox.Count == 0 ? [] : inbox.Close(1);
        SecureSumOutcome sum = secure.Run(strategy, order, invited, updates, cancellationToken);
        if (sum.Failure is not null || sum.Clients.Length < _options.LeastClients)
        {
            string why = sum.Failure ?? $"{sum.Clients.Length} of at least {_options.LeastClients} clients are in the sum.";
            return Outcome.Failed(sum.Clients.Length, why) with { BytesUp = sum.BytesUp, BytesDown = sum.BytesDown, Refusals = sum.Refusals };
        }

        ServerState next = SecureRound.Apply(strategy, _state, sum.Sum, sum.Clients.Length, _clients.Count, sum.Encoding);
        foreach (ClientUpdate update in updates.Where(update => sum.Clients.Contains(update.Client)))
        {
            _clients.KeepControl(update);
        }

        return new Outcome(next, sum.Clients.Length) { BytesUp = sum.BytesUp, BytesDown = sum.BytesDown, Refusals = sum.Refusals };
    }

    // A private round without answers is published with its noise as any other: that it was empty is nobody's business.
    private ServerState Unmoved() => _strategy is PrivateFedAvg noisy
        ? noisy.Apply(_state, new double[noisy.ContributionLength(_state.Parameters.Length)], 0, _clients.Count)
        : _state with { Round = _state.Round + 1 };

    private double Epsilon(int rounds) => _options.Privacy is { } privacy
        ? PrivacyAccountant.FromValues([.. _roundCost.Select(cost => rounds * cost)]).Epsilon(privacy.Delta)
        : _clients.RecordEpsilon();

    /// <param name="State">The next state; null where the round made none.</param>
    private sealed record Outcome(ServerState? State, int Taken)
    {
        public string? Failure { get; init; }

        public IReadOnlyList<Outlier> Outliers { get; init; } = [];

        public IReadOnlyList<Refusal> Refusals { get; init; } = [];

        public long BytesUp { get; init; }

        public long BytesDown { get; init; }

        public static Outcome Failed(int taken, string why) => new(null, taken) { Failure = why };
    }
}
