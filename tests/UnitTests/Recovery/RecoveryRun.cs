using Grpc.Core;
using Grpc.Net.Client;
using VertFed.Protocol.V1;
using VertFed.Storage;

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
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(100);
    private readonly RecoveryCase _job;
    private readonly string _folder;
    private readonly Dictionary<Actor, KillPoint> _points;
    private readonly Dictionary<Actor, Actor[]> _together;
    private readonly Dictionary<Actor, ILife> _lives = [];
    private readonly Dictionary<Actor, TcpLink> _links = new() { [Actor.Label] = TcpLink.Open(), [Actor.Feature] = TcpLink.Open() };
    private readonly List<ILife> _dead = [];
    private int _begun;

    private RecoveryRun(RecoveryCase job, Kill[] kills)
    {
        _job = job;
        _folder = job.NewFolder();
        _points = kills.ToDictionary(kill => kill.Actor, kill => kill.Point);
        _together = kills.ToDictionary(kill => kill.Actor, kill => kill.Together);
    }

    /// <summary>Lives beyond the first three.</summary>
    public int Revived => _dead.Count;

    /// <summary>Durable writes of an actor's last life.</summary>
    public int WritesOf(Actor actor) => _lives[actor].Gate.Writes;

    public TcpLink LinkOf(Actor party) => _links[party];

    public IPartyStore StoreOf(Actor party) => ((PartyLife)_lives[party]).Store;

    private CoordinatorLife Coordinator => (CoordinatorLife)_lives[Actor.Coordinator];

    /// <summary>Starts the three processes and submits the job.</summary>
    public static async Task<RecoveryRun> StartAsync(RecoveryCase job, params Kill[] kills)
    {
        RecoveryRun run = new(job, kills);
        foreach (Actor actor in new[] { Actor.Coordinator, Actor.Label, Actor.Feature })
        {
            await run.BeginLifeAsync(actor, run.NewFolder(actor));
        }

        return run;
    }

    /// <summary>Submits the job, kills and revives as planned, and waits for the job's end everywhere.</summary>
    public async Task<JobTrace> CompleteAsync()
    {
        await RunToEndAsync();
        return await JobTrace.ReadAsync(_job.JobId, StoreOf(Actor.Label), StoreOf(Actor.Feature), Coordinator.Store);
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
            await KillAsync([actor, .. _together[actor]]);
        }

        await submitted;
        return await ended;
    }

    /// <summary>Kills actors, all before any of them lives again.</summary>
    public async Task KillAsync(params Actor[] actors)
    {
        List<(Actor Actor, string Folder)> next = [];
        foreach (Actor actor in actors)
        {
            ILife life = _lives[actor];
            await life.Gate.StopAsync();
            foreach (TcpLink link in actor == Actor.Coordinator ? _links.Values : (IEnumerable<TcpLink>)[_links[actor]])
            {
                link.Cut();
            }

            string folder = NewFolder(actor);
            Copy(life.Folder, folder);
            _dead.Add(life);
            next.Add((actor, folder));
        }

        foreach ((Actor actor, string folder) in next.OrderByDescending(each => each.Actor))
        {
            await BeginLifeAsync(actor, folder);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (TcpLink link in _links.Values)
        {
            link.Cut();
        }

        await Task.WhenAll(_dead.Concat(_lives.Values).Select(life => life.DisposeAsync().AsTask()));
        await Task.WhenAll(_links.Values.Select(link => link.DisposeAsync().AsTask()));
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>What the parties logged, for a test that fails.</summary>
    public string Logs() => string.Join("\n---\n", _dead.Concat(_lives.Values).Select(life => life.Log));

    private async Task BeginLifeAsync(Actor actor, string folder)
    {
        bool isFirst = !_lives.ContainsKey(actor);
        KillPoint? point = isFirst && _points.TryGetValue(actor, out KillPoint planned) ? planned : null;
        if (actor == Actor.Coordinator)
        {
            CoordinatorLife life = await CoordinatorLife.StartAsync(_job, folder, point);
            _lives[actor] = life;
            foreach (TcpLink link in _links.Values)
            {
                link.Join(life.Port);
            }

            return;
        }

        _links[actor].Join(Coordinator.Port);
        _lives[actor] = new PartyLife(_job, actor == Actor.Label ? Role.LabelParty : Role.FeatureParty, folder, _links[actor].Port, point);
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
                using GrpcChannel channel = GrpcChannel.ForAddress(Coordinator.Address);
                JobService.JobServiceClient client = new(channel);
                await client.SubmitAsync(
                    new SubmitRequest { Job = _job.Job.Message }, deadline: DateTime.UtcNow.AddSeconds(2), cancellationToken: cancellationToken);
                return;
            }
            catch (RpcException error) when (error.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded)
            {
                await Task.Delay(20, cancellationToken);
            }
        }
    }

    private async Task<JobRecord> EndAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            JobRecord? record;
            try
            {
                record = await Coordinator.Store.FindJobAsync(_job.JobId, cancellationToken);
                if (record is { IsOpen: false } && await HasWordAsync(Actor.Label, cancellationToken) && await HasWordAsync(Actor.Feature, cancellationToken))
                {
                    return record;
                }

                await Task.Delay(10, cancellationToken);
            }
            catch (OperationCanceledException error)
            {
                throw new TimeoutException($"The job did not end in time.\n{Logs()}", error);
            }
        }
    }

    private async Task<bool> HasWordAsync(Actor party, CancellationToken cancellationToken) =>
        await StoreOf(party).FindJobAsync(_job.JobId, cancellationToken) is { State: not (JobState.Offered or JobState.Running) };

    private static void Copy(string from, string to)
    {
        foreach (string path in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            // The shared memory of the write-ahead log and the lock die with the process.
            if (path.EndsWith("-shm", StringComparison.Ordinal) || path.EndsWith(".lock", StringComparison.Ordinal))
            {
                continue;
            }

            string target = Path.Combine(to, Path.GetRelativePath(from, path));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(path, target);
        }
    }
}
