using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Privacy;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;

namespace VertFed.Horizontal.Simulation;

/// <summary>
/// The simulated clients: their rows, speeds and what they keep between rounds. Each trains with streams of its own, so that neither threads nor
/// the order of work change a bit; time is simulated (steps by speed), so stragglers are the same on every machine.
/// </summary>
internal sealed class SimulatedClients : IDisposable
{
    private readonly SimulationOptions _options;
    private readonly Examples[] _train;
    private readonly Examples?[] _ownTest;
    private readonly double[] _speeds;
    private readonly double[][] _controls;
    private readonly double[][] _errors;
    private readonly long[] _steps;
    private readonly Dictionary<int, double[]> _stepCosts = [];

    public SimulatedClients(SimulationOptions options, Examples train, bool usesControl)
    {
        _options = options;
        Streams = RandomStreams.InsecureFromSeed(options.Seed);
        using RandomStream split = Streams.For("partition", 0, RandomStreams.Server);
        bool classes = options.Model.Head.Name is "logistic" or "softmax";
        Examples[] dealt = [.. options.Partition.Split(train, classes, options.Clients, split).Select(rows => train.Take(rows))];
        (Examples Train, Examples? Test)[] parts = [.. dealt.Select(KeepTest)];
        _train = [.. parts.Select((part, client) => options.Poison?.Invoke(client, part.Train) ?? part.Train)];
        _ownTest = [.. parts.Select(static part => part.Test)];
        Rows = [.. _train.Select(static rows => rows.Count)];
        using RandomStream speed = Streams.For("speed", 0, RandomStreams.Server);
        _speeds = [.. _train.Select(_ => options.SlowestSpeed + ((1 - options.SlowestSpeed) * Draws.Uniform(speed)))];
        int length = options.Model.Layout.Length;
        _controls = usesControl ? [.. _train.Select(_ => new double[length])] : [];
        _errors = options.Codec.KeepsError ? [.. _train.Select(_ => new double[length])] : [];
        _steps = new long[_train.Length];
        Needed = NeededBy(options);
    }

    public RandomStreams Streams { get; }

    public int Count => _train.Length;

    /// <summary>Rows that each client trains on.</summary>
    public int[] Rows { get; }

    /// <summary>Answers that a round needs.</summary>
    public int Needed { get; }

    public static int NeededBy(SimulationOptions options) =>
        Math.Max(options.LeastClients, (int)Math.Round(options.Fraction * options.Clients, MidpointRounding.ToEven));

    /// <summary>The rows that a client trains on.</summary>
    public Examples Of(int client) => _train[client];

    /// <summary>The rows that a client is measured on: those kept for its test, else its training rows; null where it keeps a test but has no row for it.</summary>
    public Examples? Measured(int client) => _options.OwnTest > 0 ? _ownTest[client] : _train[client];

    /// <summary>All clients that are measured, in order, with their rows.</summary>
    public IReadOnlyList<(int Client, Examples Rows)> AllMeasured() =>
        [.. Enumerable.Range(0, Count).Select(client => (client, Rows: Measured(client))).Where(static pair => pair.Rows is not null).Select(static pair => (pair.client, pair.Rows!))];

    public int[] Invite(int round)
    {
        using RandomStream stream = Streams.For("selection", round, RandomStreams.Server);
        bool[]? available = _options.Selection == SelectionPolicy.ByAvailability
            ? [.. _train.Select(_ => Draws.Uniform(stream) < _options.Availability)]
            : null;
        return ClientSelection.Choose(_options.Selection, ClientSelection.Invitations(Needed, _options.OverSelection, Count), Rows, available, stream);
    }

    /// <summary>The first that are needed, by simulated time and then by number, of those that answer within the deadline.</summary>
    public int[] Answering(int[] invited, LocalWork work, int round)
    {
        using RandomStream stream = Streams.For("stragglers", round, RandomStreams.Server);

        // Of all clients, not of those invited: else whether one is there would move the deadline of the others, which no accountant of privacy reckons with.
        int reference = Math.Max(1, Rows.Max(work.Steps));
        var times = new List<(double Time, int Client)>();
        foreach (int client in invited)
        {
            double time = Duration(client, work, reference, stream, out bool lost);
            if (!lost && time <= _options.Deadline)
            {
                times.Add((time, client));
            }
        }

        times.Sort();
        int taken = _options.Selection == SelectionPolicy.Poisson ? times.Count : Needed;
        return [.. times.Take(taken).Select(static entry => entry.Client).Order()];
    }

    /// <summary>How long a client takes, in units of <paramref name="reference"/> steps of the fastest, and whether it never answers.</summary>
    public double Duration(int client, LocalWork work, int reference, RandomStream stream, out bool lost)
    {
        double luck = 0.5 + Draws.Uniform(stream);
        lost = Draws.Uniform(stream) < _options.DropoutRate;
        return luck * WorkOf(client, work).Steps(Rows[client]) / (_speeds[client] * reference);
    }

    /// <summary>Local training of several clients with one order, encoded and decoded as it travels.</summary>
    public (ClientUpdate Update, long Bytes)[] Train(RoundOrder order, int[] clients, CancellationToken cancellationToken) =>
        InParallel(clients, client => Answer(client, order, order.Round, cancellationToken), cancellationToken);

    /// <summary>The work of each item, in parallel, in the order of the items.</summary>
    public TResult[] InParallel<TItem, TResult>(IReadOnlyList<TItem> items, Func<TItem, TResult> work, CancellationToken cancellationToken)
    {
        var results = new TResult[items.Count];
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = _options.Threads, CancellationToken = cancellationToken };
        try
        {
            Parallel.For(0, results.Length, parallel, i => results[i] = work(items[i]));
        }
        catch (AggregateException e) when (e.InnerExceptions.OfType<HorizontalException>().FirstOrDefault() is { } first)
        {
            throw new HorizontalException(first.Error, first.Message, e);
        }

        return results;
    }

    /// <summary>One client's answer.</summary>
    /// <param name="sequence">Names its streams: the round, or under asynchronous training the number of the order.</param>
    public (ClientUpdate Update, long Bytes) Answer(int client, RoundOrder order, long sequence, CancellationToken cancellationToken)
    {
        ClientUpdate update = Local(client, order, sequence, cancellationToken);
        using RandomStream rounding = Streams.For("codec", sequence, client);
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
        return (_options.Tamper?.Invoke(update) ?? update, SimulationEngine.UpdateHeaderBytes + encoded.Length + (8L * (update.ControlDelta?.Length ?? 0)));
    }

    /// <summary>Local training without sending anything.</summary>
    public ClientUpdate Local(int client, RoundOrder order, long sequence, CancellationToken cancellationToken)
    {
        using RandomStream stream = Streams.For("local", sequence, client);
        double[]? control = _controls.Length == 0 ? null : _controls[client];
        ClientUpdate update = LocalTrainer.Run(_options.Model, client, _train[client], order with { Work = WorkOf(client, order.Work) }, control, stream, cancellationToken);
        _steps[client] += update.Steps;
        return update;
    }

    /// <summary>Moves the control variate of a client whose update went into the model, and no other's: c has to stay the mean of all c_i.</summary>
    public void KeepControl(ClientUpdate update)
    {
        if (update.ControlDelta is not null)
        {
            Kernels.AddScaled(1, update.ControlDelta, _controls[update.Client]);
        }
    }

    /// <summary>
    /// ε of record-level privacy so far, of the client whose rows have paid most; NaN without it. Steps count whether or not the answer was taken.
    /// </summary>
    public double RecordEpsilon()
    {
        if (_options.Work.Privacy is not { } privacy)
        {
            return double.NaN;
        }

        double most = 0;
        foreach ((int rows, long steps) in Rows.Zip(_steps).Where(static pair => pair.Second > 0).Distinct())
        {
            if (!_stepCosts.TryGetValue(rows, out double[]? cost))
            {
                cost = PrivacyAccountant.Fresh.AfterSampledGaussian(_options.Work.Sampling(rows), privacy.NoiseMultiplier, 1).Values.ToArray();
                _stepCosts.Add(rows, cost);
            }

            most = Math.Max(most, PrivacyAccountant.FromValues([.. cost.Select(value => steps * value)]).Epsilon(_options.RecordDelta));
        }

        return most;
    }

    public void Dispose() => Streams.Dispose();

    private LocalWork WorkOf(int client, LocalWork work) => _options.AdaptiveWork ? work.Limited(_speeds[client], Rows[client]) : work;

    private (Examples Train, Examples? Test) KeepTest(Examples rows, int client)
    {
        if (_options.OwnTest == 0 || rows.Count < 2)
        {
            return (rows, null);
        }

        using RandomStream stream = Streams.For("own-test", 0, client);
        int[] order = [.. Enumerable.Range(0, rows.Count)];
        Draws.Shuffle(stream, order.AsSpan());
        int kept = Math.Clamp((int)Math.Round(_options.OwnTest * rows.Count, MidpointRounding.ToEven), 1, rows.Count - 1);
        return (rows.Take([.. order.Skip(kept).Order()]), rows.Take([.. order.Take(kept).Order()]));
    }
}
