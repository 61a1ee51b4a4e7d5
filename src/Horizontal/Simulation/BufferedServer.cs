using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Updates;
using VertFed.Primitives;

namespace VertFed.Horizontal.Simulation;

/// <summary>
/// FedBuff without rounds: as many clients as are needed train at any time, each from the version that it was given; whoever is done (in simulated
/// time) or lost is followed by another. A record is written at each new version.
/// </summary>
internal sealed class BufferedServer : SimulatedServer
{
    private readonly SimulationOptions _options;
    private readonly SimulatedClients _clients;
    private readonly Examples _test;
    private readonly FedBuff _buffer;
    private readonly UpdateLimits _limits;
    private readonly int _reference;
    private readonly RandomStream _chance;
    private readonly PriorityQueue<Job, (double Time, long Number)> _running = new();
    private readonly SortedSet<int> _idle;
    private readonly List<Job> _untrained = [];
    private ServerState _state;
    private long _started;
    private long _bytesDown;

    public BufferedServer(SimulationOptions options, SimulatedClients clients, Examples test, double[] first, BufferedMethod method)
    {
        _options = options;
        _clients = clients;
        _test = test;
        _buffer = new FedBuff(method.Size, method.MostStale);
        _limits = new UpdateLimits(first.Length, 0, double.PositiveInfinity, int.MaxValue, options.Work.StepLimit, false) { Work = options.Work };
        _reference = Math.Max(1, clients.Rows.Max(options.Work.Steps));
        _chance = clients.Streams.For("asynchronous", 0, RandomStreams.Server);
        _idle = [.. Enumerable.Range(0, clients.Count)];
        _state = ServerState.Start(first);
    }

    public override double[] Parameters => _state.Parameters;

    public override RoundRecord Round(int round, CancellationToken cancellationToken)
    {
        for (int i = _running.Count; i < _clients.Needed; i++)
        {
            Start(0);
        }

        int version = _state.Round;
        int answered = 0;
        long started = _started;
        long up = 0;
        double stale = 0;
        var refusals = new List<Refusal>();
        while (_state.Round == version)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _ = _running.TryDequeue(out Job? job, out (double Time, long Number) at);
            _idle.Add(job!.Client);
            if (!job.Lost)
            {
                (ClientUpdate update, long bytes) = Answer(job, cancellationToken);
                up += bytes;
                try
                {
                    double staleness = _state.Round - update.Round;
                    _state = _buffer.Receive(_state, update, _limits);
                    stale += staleness;
                    answered++;
                }
                catch (HorizontalException e)
                {
                    refusals.Add(new Refusal(update.Client, e.Error, e.Message));
                }
            }

            Start(at.Time);
        }

        long down = _bytesDown;
        _bytesDown = 0;
        Evaluation test = Evaluation.Of(_options.Model, _state.Parameters, _test);
        return new RoundRecord(round + 1, (int)(_started - started), answered, up, down, test, refusals, [], _clients.RecordEpsilon())
        {
            Staleness = stale / answered,
        };
    }

    // One that is idle, each with the same chance, gets the model as it is now.
    private void Start(double now)
    {
        int client = _idle.ElementAt((int)_chance.NextBelow((ulong)_idle.Count));
        _idle.Remove(client);
        double duration = _clients.Duration(client, _options.Work, _reference, _chance, out bool lost);
        var job = new Job(client, _started, lost, new RoundOrder(_state.Round, _state.Parameters, null, _options.Work));
        _running.Enqueue(job, (now + duration, _started));
        _started++;
        _bytesDown += 8L * _state.Parameters.Length;
        if (!lost)
        {
            _untrained.Add(job);
        }
    }

    // Work depends on the order alone, so all that has been started is done together, by all threads, when one of it is due.
    private (ClientUpdate Update, long Bytes) Answer(Job job, CancellationToken cancellationToken)
    {
        if (job.Answer is null)
        {
            (ClientUpdate Update, long Bytes)[] answers = _clients.InParallel(
                _untrained, one => _clients.Answer(one.Client, one.Order, one.Number, cancellationToken), cancellationToken);
            for (int i = 0; i < answers.Length; i++)
            {
                _untrained[i].Answer = answers[i];
            }

            _untrained.Clear();
        }

        return job.Answer!.Value;
    }

    private sealed class Job(int client, long number, bool lost, RoundOrder order)
    {
        public int Client => client;

        public long Number => number;

        public bool Lost => lost;

        public RoundOrder Order => order;

        public (ClientUpdate Update, long Bytes)? Answer { get; set; }
    }
}
