using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;

namespace VertFed.Horizontal.Simulation;

/// <summary>
/// Federated training of thousands of clients in one process, by the same client and strategy code as the service. A round: select and invite
/// → those that answer train in parallel, each with streams of its own → encode, decode, check → the first that are needed are aggregated in the
/// order of clients → evaluate. Time is simulated (steps by speed), so stragglers are the same on every machine.
/// </summary>
public sealed class SimulationEngine
{
    /// <summary>Bytes of an update beside its vectors: client, round, rows, steps, normalised steps and two losses.</summary>
    public const int UpdateHeaderBytes = 44;

    private readonly SimulationOptions _options;
    private readonly RandomStreams _streams;
    private readonly Examples _test;
    private readonly Examples[] _clients;
    private readonly int[] _rows;
    private readonly double[] _speeds;
    private readonly double[][] _controls;
    private readonly double[][] _errors;

    private readonly AggregationStrategy _strategy;
    private readonly double[] _costs;

    private SimulationEngine(SimulationOptions options, Examples train, Examples test)
    {
        _options = options;
        _streams = RandomStreams.InsecureFromSeed(options.Seed);
        _test = test;
        using RandomStream split = _streams.For("partition", 0, RandomStreams.Server);
        bool classes = options.Model.Head.Name is "logistic" or "softmax";
        _clients = [.. options.Partition.Split(train, classes, options.Clients, split).Select((rows, client) => Poisoned(client, train.Take(rows)))];
        _rows = [.. _clients.Select(static rows => rows.Count)];
        using RandomStream speed = _streams.For("speed", 0, RandomStreams.Server);
        _speeds = [.. _clients.Select(_ => options.SlowestSpeed + ((1 - options.SlowestSpeed) * Draws.Uniform(speed)))];
        _strategy = options.Strategy;
        _costs = [];
        if (options.Privacy is { } privacy)
        {
            int expected = Needed(options);
            _strategy = new PrivateFedAvg(
                new ClientPrivacy(privacy.Clip, privacy.NoiseMultiplier, expected, privacy.TargetQuantile, CountDeviation: Math.Max(expected / 20.0, privacy.NoiseMultiplier)),
                _streams);
            _costs = PrivacyAccountant.Fresh.AfterSampledGaussian((double)expected / options.Clients, privacy.NoiseMultiplier, 1).Values.ToArray();
        }

        int length = options.Model.Layout.Length;
        _controls = _strategy.UsesControl ? [.. _clients.Select(_ => new double[length])] : [];
        _errors = options.Codec.KeepsError ? [.. _clients.Select(_ => new double[length])] : [];
    }

    /// <summary>Runs all rounds.</summary>
    /// <param name="options">What to run.</param>
    /// <param name="train">Rows that are dealt to clients, scaled as the model needs them.</param>
    /// <param name="test">Rows that no client has.</param>
    /// <param name="progress">Told of each round; may be null.</param>
    /// <exception cref="HorizontalException">An option is out of range, or training diverged.</exception>
    public static SimulationResult Run(
        SimulationOptions options, Examples train, Examples test, Action<RoundRecord>? progress = null, CancellationToken cancellationToken = default)
    {
        options.Validate();
        var engine = new SimulationEngine(options, train, test);
        using RandomStream initial = engine._streams.For("initial", 0, RandomStreams.Server);
        ServerState state = ServerState.Start(options.Model.Initial(initial));
        var records = new List<RoundRecord>(options.Rounds);
        for (int round = 0; round < options.Rounds; round++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            (state, RoundRecord record) = engine.Round(state, round, cancellationToken);
            records.Add(record);
            progress?.Invoke(record);
        }

        engine._streams.Dispose();
        return new SimulationResult(state.Parameters, records, Spread(options.Model, state.Parameters, engine._clients), engine._rows);
    }

    private (ServerState State, RoundRecord Record) Round(ServerState state, int round, CancellationToken cancellationToken)
    {
        int needed = Needed(_options);
        int[] invited = Invite(needed, round);
        RoundOrder order = _strategy.Order(state, _options.Work) with { Round = round };
        int[] answering = Answering(invited, needed, order.Work, round);
        (ClientUpdate Update, long Bytes)[] answers = Train(order, answering, cancellationToken);
        var limits = new UpdateLimits(
            state.Parameters.Length, round, double.PositiveInfinity, int.MaxValue, order.Work.StepLimit, _strategy.UsesControl);
        var inbox = new RoundInbox(limits, invited);
        long up = 0;
        foreach ((ClientUpdate update, long bytes) in answers)
        {
            up += bytes;
            if (inbox.TryTake(update) && update.ControlDelta is not null)
            {
                Kernels.AddScaled(1, update.ControlDelta, _controls[update.Client]);
            }
        }

        IReadOnlyList<Outlier> outliers = [];
        if (inbox.Count >= _options.LeastClients)
        {
            Aggregated aggregated = _strategy.Aggregate(state, inbox.Close(_options.LeastClients), _clients.Length);
            (state, outliers) = (aggregated.State, aggregated.Outliers);
        }
        else if (_strategy is PrivateFedAvg noisy)
        {
            // A round without answers is published with its noise as any other: that it was empty is nobody's business.
            state = noisy.Apply(state, new double[noisy.ContributionLength(state.Parameters.Length)], inbox.Count, _clients.Length);
        }
        else
        {
            state = state with { Round = state.Round + 1 };
        }

        long down = (long)invited.Length * 8 * (order.Parameters.Length + (order.Control?.Length ?? 0));
        Evaluation test = Evaluation.Of(_options.Model, state.Parameters, _test);
        return (state, new RoundRecord(round + 1, invited.Length, inbox.Count, up, down, test, inbox.Refusals, outliers, Epsilon(round + 1)));
    }

    private static int Needed(SimulationOptions options) =>
        Math.Max(options.LeastClients, (int)Math.Round(options.Fraction * options.Clients, MidpointRounding.ToEven));

    private double Epsilon(int rounds) => _options.Privacy is { } privacy
        ? PrivacyAccountant.FromValues([.. _costs.Select(cost => rounds * cost)]).Epsilon(privacy.Delta)
        : double.NaN;

    private int[] Invite(int needed, int round)
    {
        using RandomStream stream = _streams.For("selection", round, RandomStreams.Server);
        bool[]? available = _options.Selection == SelectionPolicy.ByAvailability
            ? [.. _clients.Select(_ => Draws.Uniform(stream) < _options.Availability)]
            : null;
        return ClientSelection.Choose(
            _options.Selection, ClientSelection.Invitations(needed, _options.OverSelection, _clients.Length), _rows, available, stream);
    }

    // The first that are needed, by simulated time and then by number, of those that answer within the deadline.
    private int[] Answering(int[] invited, int needed, LocalWork work, int round)
    {
        using RandomStream stream = _streams.For("stragglers", round, RandomStreams.Server);
        int reference = invited.Length == 0 ? 1 : Math.Max(1, invited.Max(client => work.Steps(_rows[client])));
        var times = new List<(double Time, int Client)>();
        foreach (int client in invited)
        {
            double luck = 0.5 + Draws.Uniform(stream);
            bool lost = Draws.Uniform(stream) < _options.DropoutRate;
            double time = luck * WorkOf(client, work).Steps(_rows[client]) / (_speeds[client] * reference);
            if (!lost && time <= _options.Deadline)
            {
                times.Add((time, client));
            }
        }

        times.Sort();
        int taken = _options.Selection == SelectionPolicy.Poisson ? times.Count : needed;
        return [.. times.Take(taken).Select(static entry => entry.Client).Order()];
    }

    private LocalWork WorkOf(int client, LocalWork work) => _options.AdaptiveWork ? work.Limited(_speeds[client], _rows[client]) : work;

    private (ClientUpdate Update, long Bytes)[] Train(RoundOrder order, int[] clients, CancellationToken cancellationToken)
    {
        var answers = new (ClientUpdate, long)[clients.Length];
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = _options.Threads, CancellationToken = cancellationToken };
        try
        {
            Parallel.For(0, clients.Length, parallel, i => answers[i] = Answer(order, clients[i], cancellationToken));
        }
        catch (AggregateException e) when (e.InnerExceptions.OfType<HorizontalException>().FirstOrDefault() is { } first)
        {
            throw new HorizontalException(first.Error, first.Message, e);
        }

        return answers;
    }

    private (ClientUpdate Update, long Bytes) Answer(RoundOrder order, int client, CancellationToken cancellationToken)
    {
        using RandomStream stream = _streams.For("local", order.Round, client);
        double[]? control = _controls.Length == 0 ? null : _controls[client];
        RoundOrder own = order with { Work = WorkOf(client, order.Work) };
        ClientUpdate update = LocalTrainer.Run(_options.Model, client, _clients[client], own, control, stream, cancellationToken);
        using RandomStream rounding = _streams.For("codec", order.Round, client);
        double[] sent = [.. update.Delta];
        if (_errors.Length > 0)
        {
            Kernels.AddScaled(1, _errors[client], sent);
        }

        byte[] encoded = _options.Codec.Encode(sent, rounding);
        double[] received = _options.Codec.Decode(encoded, sent.Length);
        if (_errors.Length > 0)
        {
            _errors[client] = Kernels.Subtract(sent, received);
        }

        update = update with { Delta = received };
        return (_options.Tamper?.Invoke(update) ?? update, UpdateHeaderBytes + encoded.Length + (8L * (update.ControlDelta?.Length ?? 0)));
    }

    private Examples Poisoned(int client, Examples rows) => _options.Poison?.Invoke(client, rows) ?? rows;

    private static ClientSpread Spread(FederatedModel model, double[] parameters, Examples[] clients)
    {
        Evaluation[] all = [.. clients.Select(rows => Evaluation.Of(model, parameters, rows))];
        bool accuracy = !double.IsNaN(all[0].Accuracy);
        double[] values = [.. all.Select(one => accuracy ? one.Accuracy : one.Loss)];
        double mean = values.Sum() / values.Length;
        double deviation = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / values.Length);
        double[] worstFirst = accuracy ? [.. values.Order()] : [.. values.OrderDescending()];
        int decile = Math.Max(1, (worstFirst.Length + 9) / 10);
        return new ClientSpread(
            accuracy ? "accuracy" : "loss", mean, deviation, worstFirst.Take(decile).Sum() / decile, worstFirst[0], worstFirst[^1]);
    }
}
