using Dapper;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Data.Sqlite;
using VertFed.PartyNode.Hosting;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;

namespace VertFed.UnitTests.Recovery;

/// <summary>The three processes.</summary>
internal enum Actor
{
    Label,
    Feature,
    Coordinator,
}

/// <summary>Who is killed where, once in a run; others may be killed at the same moment, wherever they are.</summary>
internal sealed record Kill(Actor Actor, KillPoint Point, params Actor[] Together)
{
    public override string ToString() => $"{Actor} {Point}{(Together.Length > 0 ? " with " + string.Join(", ", Together) : "")}";
}

/// <summary>
/// One run of a job over three real hosts and their durable stores. A process that is killed leaves its folder as it was at that moment: its
/// connections are cut, the folder is copied, and the next life begins on the copy.
/// </summary>
internal sealed class RecoveryRun : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);
    private readonly RecoveryCase _job;
    private readonly string _folder;
    private readonly Dictionary<Actor, KillPoint> _points;
    private readonly Dictionary<Actor, Actor[]> _together;
    private readonly Dictionary<Actor, ILife> _lives = [];
    private readonly Dictionary<Actor, Cable> _links = new() { [Actor.Label] = Cable.Open(), [Actor.Feature] = Cable.Open() };
    private readonly List<Cable> _cut = [];
    private readonly List<ILife> _dead = [];
    private readonly RunPlan _plan;
    private readonly SemaphoreSlim _changing = new(1);
    private int _begun;

    private RecoveryRun(RecoveryCase job, RunPlan plan, Kill[] kills)
    {
        (_job, _plan) = (job, plan);
        _folder = job.NewFolder();
        _points = kills.ToDictionary(kill => kill.Actor, kill => kill.Point);
        _together = kills.ToDictionary(kill => kill.Actor, kill => kill.Together);
    }

    /// <summary>Lives beyond the first three.</summary>
    public int Revived => _dead.Count;

    /// <summary>Durable writes of an actor's last life.</summary>
    public int WritesOf(Actor actor) => _lives[actor].Gate.Writes;

    public Cable LinkOf(Actor party) => _links[party];

    /// <summary>Where an actor's present life keeps its files.</summary>
    public string FolderOf(Actor actor) => _lives[actor].Folder;

    /// <summary>Where the coordinator listens.</summary>
    public int CoordinatorPort => Coordinator.Port;

    public IPartyStore StoreOf(Actor party) => ((PartyLife)_lives[party]).Store;

    public PartyHost HostOf(Actor party) => ((PartyLife)_lives[party]).Host;

    private CoordinatorLife Coordinator => (CoordinatorLife)_lives[Actor.Coordinator];

    /// <summary>Starts the three processes, on SQLite.</summary>
    public static Task<RecoveryRun> StartAsync(RecoveryCase job, params Kill[] kills) => StartAsync(job, new RunPlan(), kills);

    /// <summary>As above, where the first life of one has a store that fails.</summary>
    public static Task<RecoveryRun> StartAsync(RecoveryCase job, Actor actor, SqliteOptions failing) =>
        StartAsync(job, new RunPlan { Stores = new SqliteStores(new Dictionary<Actor, SqliteOptions> { [actor] = failing }) });

    /// <summary>Starts the three processes as planned, on the folders that the job begins with.</summary>
    public static async Task<RecoveryRun> StartAsync(RecoveryCase job, RunPlan plan, params Kill[] kills)
    {
        RecoveryRun run = new(job, plan, kills);
        foreach (Actor actor in new[] { Actor.Coordinator, Actor.Label, Actor.Feature })
        {
            string folder = plan.Homes.TryGetValue(actor, out string? home) ? home : run.NewFolder(actor);
            if (job.Beginnings.TryGetValue(actor, out string? before))
            {
                Copy(before, folder);
            }

            await run.BeginLifeAsync(actor, folder);
        }

        return run;
    }

    /// <summary>What parties ended with that ended by themselves; each lived again on what it left.</summary>
    public List<Exception> Faults { get; } = [];

    /// <summary>Submits the job, kills and revives as planned, and waits for the job's end everywhere.</summary>
    public async Task<JobTrace> CompleteAsync()
    {
        await RunToEndAsync();
        return await JobTrace.ReadAsync(_job.JobId, StoreOf(Actor.Label), StoreOf(Actor.Feature), Coordinator.Store, FolderOf(Actor.Label));
    }

    /// <summary>As <see cref="CompleteAsync"/>, for a job whose end matters more than its trace.</summary>
    public async Task<JobRecord> RunToEndAsync()
    {
        using CancellationTokenSource patience = new(Patience);
        Task submitted = SubmitAsync(patience.Token);
        Task<JobRecord> ended = EndAsync(patience.Token);
        Dictionary<Actor, Task> awaited = _points.Keys.ToDictionary(actor => actor, actor => _lives[actor].Gate.Reached);
        while (true)
        {
            Task first = await Task.WhenAny([ended, .. awaited.Values]);
            if (first == ended)
            {
                break;
            }

            Actor actor = awaited.First(pair => pair.Value == first).Key;
            awaited.Remove(actor);
            if (InsteadOfDeath is { } other)
            {
                await other();
                _lives[actor].Gate.Pass();
                continue;
            }

            await KillAsync([actor, .. _together[actor]]);
        }

        await submitted;
        return await ended;
    }

    /// <summary>Called with an actor and the folder that its next life begins on: what happens to the files meanwhile.</summary>
    public Action<Actor, string>? BetweenLives { get; set; }

    /// <summary>Called when a party has ended by itself, before it is started again.</summary>
    public Action? BeforeRevival { get; set; }

    /// <summary>A party's present life; faults when it ends by an error.</summary>
    public Task RunningOf(Actor party) => ((PartyLife)_lives[party]).Running;

    /// <summary>A channel of the analyst's to the coordinator.</summary>
    public GrpcChannel Connect() => TestTls.Connect(Coordinator.Address, _job.Analyst, _job.CoordinatorFingerprint);

    /// <summary>The coordinator's page of readiness.</summary>
    public Uri ReadyPage => new($"http://{Coordinator.Pages}/healthz/ready");

    /// <summary>What happens while a process stands at its point, which then goes on, where it is not killed.</summary>
    public Func<Task>? InsteadOfDeath { get; set; }

    /// <summary>Length of an actor's write-ahead log before its last write.</summary>
    public long LogLengthBeforeLastWrite(Actor actor) => _lives[actor].Gate.LogLengthBefore;

    /// <summary>How many envelopes of a sender the coordinator keeps.</summary>
    public async Task<int> RelayedAsync(Role sender) =>
        (await Coordinator.Store.ReadEnvelopesAsync(_job.JobId, 1, sender, 0, int.MaxValue, default)).Count;

    /// <summary>Pages of an actor's store.</summary>
    public long PagesOf(Actor actor)
    {
        string file = Directory.GetFiles(FolderOf(actor), "*.db").Single();
        using SqliteConnection connection = new($"Data Source={file};Mode=ReadOnly;Pooling=False");
        return connection.QuerySingle<long>("PRAGMA page_count");
    }

    /// <summary>Waits until one of the parties has logged a text.</summary>
    public async Task LoggedAsync(string text)
    {
        using CancellationTokenSource patience = new(Patience);
        while (!Logs().Contains(text, StringComparison.Ordinal))
        {
            await Task.Delay(10, patience.Token);
        }
    }

    /// <summary>Ends an actor in order and starts it again on its folder, with a store that works.</summary>
    public async Task RestartAsync(Actor actor)
    {
        string folder = FolderOf(actor);
        await _lives[actor].DisposeAsync();
        await BeginLifeAsync(actor, folder);
    }

    /// <summary>Ends all three in order and keeps their folders, as what later runs begin with.</summary>
    public async Task KeepAsync()
    {
        foreach ((Actor actor, ILife life) in _lives)
        {
            await life.DisposeAsync();
            _job.Beginnings[actor] = _job.NewFolder();
            Copy(life.Folder, _job.Beginnings[actor]);
        }

        _lives.Clear();
    }

    /// <summary>Kills actors, all before any of them lives again.</summary>
    public async Task KillAsync(params Actor[] actors)
    {
        await _changing.WaitAsync();
        try
        {
            await KillAllAsync(actors);
        }
        finally
        {
            _changing.Release();
        }
    }

    private async Task KillAllAsync(Actor[] actors)
    {
        List<(Actor Actor, string Folder)> next = [];
        foreach (Actor actor in actors)
        {
            ILife life = _lives[actor];
            await life.Gate.StopAsync();
            life.Database.Kill();
            foreach (Cable link in actor == Actor.Coordinator ? _links.Values : (IEnumerable<Cable>)[_links[actor]])
            {
                link.Cut();
            }

            string folder = NewFolder(actor);
            Copy(life.Folder, folder);
            BetweenLives?.Invoke(actor, folder);
            _dead.Add(life);
            next.Add((actor, folder));
        }

        foreach ((Actor actor, string folder) in next.OrderByDescending(each => each.Actor))
        {
            await BeginLifeAsync(actor, folder);
        }
    }

    /// <summary>Ends all that is left. Nobody waits for it here: a node takes its time where it has nothing more to say.</summary>
    public ValueTask DisposeAsync()
    {
        foreach (Cable link in _links.Values)
        {
            link.Cut();
        }

        _job.Bury(EndAllAsync());
        return ValueTask.CompletedTask;
    }

    private async Task EndAllAsync()
    {
        await Task.WhenAll(_dead.Concat(_lives.Values).Select(life => life.DisposeAsync().AsTask()));
        await Task.WhenAll(_links.Values.Concat(_cut).Select(link => link.DisposeAsync().AsTask()));
        Directory.Delete(_folder, recursive: true);
        _plan.Ground?.Dispose();
        _changing.Dispose();
    }

    /// <summary>What the parties logged, for a test that fails.</summary>
    public string Logs() => string.Join("\n---\n", _dead.Concat(_lives.Values).Select(life => life.Log));

    /// <summary>What an actor's present life logged.</summary>
    public string LogOf(Actor actor) => _lives[actor].Log;

    private async Task BeginLifeAsync(Actor actor, string folder)
    {
        bool isFirst = !_lives.ContainsKey(actor);
        KillPoint? point = isFirst && _points.TryGetValue(actor, out KillPoint planned) ? planned : null;
        ILifeStore database = _plan.Stores.Begin(actor, folder);
        TimeProvider time = _plan.Clock(actor);
        if (actor == Actor.Coordinator)
        {
            CoordinatorLife life = await CoordinatorLife.StartAsync(_job, folder, point, database, time, _plan.HasPages);
            _lives[actor] = life;
            foreach (Cable link in _links.Values)
            {
                link.Join(life.Port);
            }

            return;
        }

        if (!isFirst)
        {
            // A dead process does not dial again: what is left of it here keeps the old link, which stays cut.
            _links[actor].Cut();
            _cut.Add(_links[actor]);
            _links[actor] = Cable.Open();
        }

        _links[actor].Join(Coordinator.Port);
        _lives[actor] = new PartyLife(_job, actor == Actor.Label ? Role.LabelParty : Role.FeatureParty, folder, _links[actor].Port, point, database, time);
    }

    private string NewFolder(Actor actor)
    {
        string folder = Path.Combine(_folder, $"{actor}-{_begun++}");
        Directory.CreateDirectory(folder);
        return folder;
    }

    /// <summary>As a submitter does whose coordinator goes down: again, until it is taken.</summary>
    private async Task SubmitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                using GrpcChannel channel = Connect();
                JobService.JobServiceClient client = new(channel);
                await client.SubmitAsync(
                    new SubmitRequest { Job = _job.Job.Message }, deadline: DateTime.UtcNow.AddSeconds(2), cancellationToken: cancellationToken);
                return;
            }
            catch (RpcException error) when (error.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.ResourceExhausted)
            {
                await Task.Delay(20, cancellationToken);
            }
        }
    }

    private async Task<JobRecord> EndAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            ILife[] asked = [.. _lives.Values];
            try
            {
                JobRecord? record = await Coordinator.Store.FindJobAsync(_job.JobId, cancellationToken);
                if (record is { IsOpen: false } && await HasWordAsync(Actor.Label, cancellationToken) && await HasWordAsync(Actor.Feature, cancellationToken)
                    && (record.State != JobState.Done || await IsCoSignedAsync(cancellationToken)))
                {
                    return record;
                }

                await ReviveFaultedAsync();
                await Task.Delay(10, cancellationToken);
            }
            catch (ObjectDisposedException)
            {
                // The coordinator is being started again; the next look finds it.
                await Task.Delay(10, cancellationToken);
            }
            catch (VertFedException error) when (error.Code == ErrorCode.Storage)
            {
                // One that was killed meanwhile does not reach its database any more; the next look asks the life after it.
                await _changing.WaitAsync(cancellationToken);
                bool isReplaced = !asked.SequenceEqual(_lives.Values);
                _changing.Release();
                if (!isReplaced)
                {
                    throw;
                }
            }
            catch (OperationCanceledException error)
            {
                throw new TimeoutException($"The job did not end in time.\n{Logs()}", error);
            }
        }
    }

    private async Task ReviveFaultedAsync()
    {
        await _changing.WaitAsync();
        try
        {
            foreach (Actor actor in new[] { Actor.Label, Actor.Feature })
            {
                ILife life = _lives[actor];
                if (life is PartyLife { Running: { IsFaulted: true } ended })
                {
                    Faults.Add(ended.Exception.InnerException!);
                    await life.DisposeAsync();
                    BeforeRevival?.Invoke();
                    await BeginLifeAsync(actor, life.Folder);
                }
            }
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Whether both parties have co-signed the whole job, and all before it.</summary>
    private async Task<bool> IsCoSignedAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<StoredCheckpoint> checkpoints = await Coordinator.Store.ReadCheckpointsAsync(_job.JobId, 1, cancellationToken);
        return checkpoints.Any(checkpoint => checkpoint.Checkpoint.Phase == Phase.Close)
            && checkpoints.All(checkpoint => checkpoint is { Label: not null, Feature: not null });
    }

    /// <summary>Whether the job has ended at a party. One that lost its very record of the job has nothing to end.</summary>
    private async Task<bool> HasWordAsync(Actor party, CancellationToken cancellationToken) =>
        await StoreOf(party).FindJobAsync(_job.JobId, cancellationToken) is not { State: JobState.Offered or JobState.Running };

    private static void Copy(string from, string to)
    {
        foreach (string path in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            // The shared memory of the write-ahead log and the lock die with the process; what was not renamed yet nobody reads.
            if (path.EndsWith("-shm", StringComparison.Ordinal) || path.EndsWith(".lock", StringComparison.Ordinal) || path.EndsWith(".tmp", StringComparison.Ordinal))
            {
                continue;
            }

            string target = Path.Combine(to, Path.GetRelativePath(from, path));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(path, target);
        }
    }
}
