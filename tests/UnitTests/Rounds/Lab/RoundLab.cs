using VertFed.Coordinator.Rounds;
using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Learning;
using VertFed.Horizontal.Service;
using VertFed.Horizontal.Updates;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.Transcript;
using VertFed.UnitTests.Protocol;

namespace VertFed.UnitTests.Rounds.Lab;

/// <summary>
/// One run of a horizontal job: the coordinator's job and the parties' runners, real over durable stores, with every envelope as bytes between them and no network. Kills
/// at durable writes take milliseconds here. The coordinator's clock moves only when whoever is waited for is lost: to the deadline.
/// </summary>
internal sealed class RoundLab : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);
    private readonly SqliteCoordinatorStore _store;
    private readonly ManualTime _time = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _fault = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RoundJob? _job;
    private KillSwitch _life = new();
    private int _sent;

    public RoundLab(RoundCase roundCase, Func<int, KillSwitch>? kills = null)
    {
        Case = roundCase;
        Folder = roundCase.NewFolder();
        _store = SqliteCoordinatorStore.Open(Path.Combine(Folder, RoundCase.CoordinatorStore));
        Verifier = CheckpointVerifier.Parse(roundCase.Checkpoints.Key, roundCase.Coordinator.Fingerprint, "coordinator");
        Parties = [.. Enumerable.Range(0, roundCase.Names.Length).Select(party => new LabParty(this, party, kills?.Invoke(party) ?? new KillSwitch()))];
    }

    public RoundCase Case { get; }

    public string Folder { get; }

    public LabParty[] Parties { get; }

    /// <summary>How often the coordinator was killed.</summary>
    public int Kills { get; private set; }

    /// <summary>Durable writes of the coordinator's present run.</summary>
    public int Writes => _life.Writes;

    public IRoundStore Store => _store;

    /// <summary>What parties verify the coordinator's checkpoints with.</summary>
    public CheckpointVerifier Verifier { get; }

    /// <summary>What a party gets in place of a frame of the coordinator.</summary>
    public Func<uint, CoordinatorFrame, IEnumerable<CoordinatorFrame>> Carry { get; set; } = (_, frame) => [frame];

    /// <summary>Called as the coordinator has begun to run.</summary>
    public Action<RoundJob> Began { get; set; } = _ => { };

    /// <summary>Runs a case without any disturbance.</summary>
    public static async Task<double[]> UndisturbedAsync(RoundCase roundCase)
    {
        await using RoundLab lab = new(roundCase);
        RoundJobRecord end = await lab.RunAsync();
        return end.State == JobState.Done ? lab.Parties[0].Parameters : throw new InvalidOperationException(end.Error?.ToString());
    }

    /// <summary>
    /// What one full step a round comes to, over the rows of those that counted in it: FedAvg with one full step each is that.
    /// </summary>
    /// <param name="counted">[round]: indices of the parties.</param>
    public static double[] Reference(RoundCase roundCase, FederatedScaling? scaling, params int[][] counted)
    {
        HorizontalSpecification spec = roundCase.Job.Specification.Horizontal!;
        FederatedModel model = FederatedModel.Generalised(LossHead.Logistic, roundCase.Rows[0].Features);
        double[] parameters = new double[model.Layout.Length];
        LocalWork work = new() { Epochs = 1, BatchSize = 0, Optimiser = OptimiserSpec.Sgd(spec.Rate) };
        using RandomStreams streams = RandomStreams.InsecureFromSeed(1);
        foreach (int[] parties in counted)
        {
            Examples pooled = Pool([.. parties.Select(party => roundCase.Rows[party])]);
            using global::VertFed.Primitives.RandomStream stream = streams.For("reference", 0, 0);
            double[] delta = LocalTrainer.Run(model, 0, scaling?.Apply(pooled) ?? pooled, new RoundOrder(0, parameters, null, work), null, stream).Delta;
            parameters = [.. parameters.Zip(delta, (value, change) => value + change)];
        }

        return parameters;
    }

    /// <summary>What a strategy comes to where updates count as given, with each party's control variate and the error of its compression.</summary>
    /// <param name="counted">[round]: indices of the parties whose update counts; all work in each.</param>
    public static double[] StatefulReference(RoundCase roundCase, params int[][] counted)
    {
        JobPlan plan = JobPlan.Of(roundCase.Job.Specification);
        FederatedModel model = plan.ModelOf(roundCase.Rows[0].Features);
        int length = model.Layout.Length;
        ServerState state = ServerState.Start(new double[length]);
        double[][] controls = [.. roundCase.Rows.Select(_ => new double[length])];
        double[][] errors = [.. roundCase.Rows.Select(_ => new double[length])];
        using RandomStreams streams = RandomStreams.InsecureFromSeed(1);
        foreach (int[] parties in counted)
        {
            RoundOrder order = plan.Strategy.Order(state, plan.Work);
            List<ClientUpdate> updates = [];
            foreach (int party in parties)
            {
                using global::VertFed.Primitives.RandomStream stream = streams.For("reference", 0, 0);
                ClientUpdate update = LocalTrainer.Run(model, party, roundCase.Rows[party], order, plan.Strategy.UsesControl ? controls[party] : null, stream);
                double[] sent = [.. update.Delta.Zip(errors[party], (delta, error) => delta + error)];
                double[] received = plan.Codec.Decode(plan.Codec.Encode(sent, stream), length);
                errors[party] = [.. sent.Zip(received, (own, there) => own - there)];
                controls[party] = [.. controls[party].Zip(update.ControlDelta ?? new double[length], (own, change) => own + change)];
                updates.Add(update with { Delta = received });
            }

            state = plan.Strategy.Aggregate(state, updates, roundCase.Rows.Length).State;
        }

        return state.Parameters;
    }

    /// <summary>All rows of several parties.</summary>
    public static Examples Pool(params Examples[] parts) => Examples.FromRows(
        [.. parts.SelectMany(part => Enumerable.Range(0, part.Count).SelectMany(row => part.Row(row).ToArray()))],
        [.. parts.SelectMany(part => part.Labels())],
        parts[0].Features);

    /// <summary>Runs the job to its end; a coordinator that is killed is started again.</summary>
    /// <param name="life">When its first run is killed; null: never.</param>
    public async Task<RoundJobRecord> RunAsync(KillSwitch? life = null)
    {
        _life = life ?? _life;
        SignedJob job = Case.Job;
        (_, RoundJobRecord record) = await _store.AddRoundJobAsync(
            new NewRoundJob(RoundCase.JobId, Google.Protobuf.MessageExtensions.ToByteArray(job.Message), job.SpecHash, Case.Analyst.Fingerprint, null, Case.Names, 1), default);
        while (true)
        {
            try
            {
                return await LiveAsync(record);
            }
            catch (ProcessKilledException)
            {
                Kills++;
                _life = new KillSwitch();
                record = (await _store.FindRoundJobAsync(RoundCase.JobId, default))!;
                if (!record.IsOpen)
                {
                    return record;
                }
            }
        }
    }

    /// <summary>Hands on what a party's connection says to the coordinator; lost where there is none.</summary>
    public async Task TellAsync(RoundEvent what)
    {
        if (Volatile.Read(ref _job) is { } job && !_life.IsDead)
        {
            await job.TellAsync(what, _stop.Token);
        }
    }

    /// <summary>Somebody was lost: whether the clock has to move is looked at again.</summary>
    public void Lost() => Volatile.Read(ref _job)?.Changed.Signal();

    /// <summary>Something that no test expects: the run fails with it.</summary>
    public void Fault(Exception error) => _fault.TrySetException(error);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        foreach (LabParty party in Parties)
        {
            await party.DisposeAsync();
        }

        _job?.Dispose();
        await _store.DisposeAsync();
        _stop.Dispose();
    }

    private async Task<RoundJobRecord> LiveAsync(RoundJobRecord record)
    {
        KillSwitch life = _life;
        _job?.Dispose();
        RoundJob job = new(record, MortalStore.Over<ICoordinatorStore>(_store, life), Case.Coordinator, Case.Checkpoints, (party, frame) => Send(life, party, frame), _time) { Owner = record.Submitter, Connected = _ => true };
        Volatile.Write(ref _job, job);
        Began(job);
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        Task<RoundJobRecord?> running = Task.Run(() => job.RunAsync(_stop.Token));
        Task minding = MindAsync(job, over.Token);
        if (Kills > 0)
        {
            foreach (LabParty party in Parties)
            {
                await party.AttachAsync();
            }
        }

        try
        {
            Task first = await Task.WhenAny(running, _fault.Task).WaitAsync(Patience);
            await first;
            return (await running)!;
        }
        finally
        {
            await over.CancelAsync();
            await minding;
        }
    }

    private void Send(KillSwitch life, string party, CoordinatorFrame frame)
    {
        Interlocked.Increment(ref _sent);
        LabParty to = Parties[Array.IndexOf(Case.Names, party)];
        if (life.IsDead || to.IsLost)
        {
            return;
        }

        foreach (CoordinatorFrame carried in Carry(to.Place, frame))
        {
            to.Deliver(carried);
        }
    }

    private async Task MindAsync(RoundJob job, CancellationToken cancellationToken)
    {
        string last = "";
        while (!cancellationToken.IsCancellationRequested)
        {
            Task next = job.Changed.Next;
            string[] awaited = [.. job.Awaited];
            string key = $"{Volatile.Read(ref _sent)}: {string.Join(", ", awaited)}";
            if (awaited.Length > 0 && key != last && awaited.All(name => Parties[Array.IndexOf(Case.Names, name)].IsLost))
            {
                last = key;
                _time.Advance(Case.Job.Specification.Deadline + TimeSpan.FromSeconds(1));
            }

            await Task.WhenAny(next, Task.Delay(Timeout.Infinite, cancellationToken));
        }
    }
}
