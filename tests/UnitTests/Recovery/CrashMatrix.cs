using VertFed.Protocol.V1;
using VertFed.Testing;
using Xunit;
using Xunit.Abstractions;

namespace VertFed.UnitTests.Recovery;

/// <summary>Runs a job with kills and compares it with the undisturbed run.</summary>
public abstract class CrashMatrix
{
    private readonly ITestOutputHelper _output;

    protected CrashMatrix(Undisturbed undisturbed, ITestOutputHelper output) => (Undisturbed, _output) = (undisturbed, output);

    private protected Undisturbed Undisturbed { get; }

    private protected async Task SameAsync(params Kill[] kills)
    {
        string name = string.Join(" and ", kills.Select(kill => kill.ToString()));
        long start = TimeProvider.System.GetTimestamp();
        await using RecoveryRun run = await RecoveryRun.StartAsync(Undisturbed.Job, new RunPlan { Stores = Undisturbed.NewStores() }, kills);
        JobTrace trace = await run.CompleteAsync();
        _output.WriteLine($"{name}: {TimeProvider.System.GetElapsedTime(start).TotalSeconds:F2} s");
        Assert.True(run.Revived == kills.Sum(kill => 1 + kill.Together.Length) || HadNoSuchWrite(run, kills), $"{name}: {run.Revived} lives more");
        Undisturbed.RequireSame(trace, name + run.Logs());
    }

    /// <summary>Whether nobody was killed because the run made fewer writes: where it is late in a job, the number of a write need not come in every run.</summary>
    private bool HadNoSuchWrite(RecoveryRun run, Kill[] kills) =>
        run.Revived == 0 && kills is [{ } kill] && Undisturbed.MayMiss(kill.Actor, kill.Point.Write) && run.WritesOf(kill.Actor) <= kill.Point.Write;
}

/// <summary>The first run of a job, whose seeds the others take over.</summary>
public abstract class Undisturbed : IAsyncLifetime
{
    private protected Undisturbed(RecoveryCase job) => Job = job;

    internal RecoveryCase Job { get; }

    internal JobTrace Trace { get; private set; } = null!;

    /// <summary>Durable writes of each.</summary>
    internal Dictionary<Actor, int> Writes { get; } = [];

    /// <summary>Pages of each store that is a file.</summary>
    internal Dictionary<Actor, int> Pages { get; } = [];

    /// <summary>The databases of another run.</summary>
    internal virtual IRunStores NewStores() => new SqliteStores([]);

    public virtual Task InitializeAsync() => ObserveAsync();

    /// <summary>Runs the job and takes down what it comes to.</summary>
    private protected async Task ObserveAsync()
    {
        IRunStores stores = NewStores();
        await using RecoveryRun run = await RecoveryRun.StartAsync(Job, new RunPlan { Stores = stores });
        Trace = await run.CompleteAsync();
        Job.Attempts[Role.LabelParty] = (await run.StoreOf(Actor.Label).LoadAttemptAsync(Job.JobId, 1, default))!;
        Job.Attempts[Role.FeatureParty] = (await run.StoreOf(Actor.Feature).LoadAttemptAsync(Job.JobId, 1, default))!;
        foreach (Actor actor in Enum.GetValues<Actor>())
        {
            Writes[actor] = run.WritesOf(actor);
            Pages[actor] = stores is SqliteStores ? (int)run.PagesOf(actor) : 0;
        }
    }

    public async Task DisposeAsync() => await Job.DisposeAsync();

    /// <summary>
    /// The last write that nearly every run makes: writes that wait at the same time share one, so the coordinator's number varies
    /// much, and a party's where it co-signs.
    /// </summary>
    internal int Reachable(Actor actor) => actor == Actor.Coordinator ? Writes[actor] * 3 / 4 : Writes[actor] - 5;

    /// <summary>Whether a run may come to its end before this write.</summary>
    internal bool MayMiss(Actor actor, int write) => write > Writes[actor] / 2;

    internal void RequireSame(JobTrace trace, string what) => Assert.True(trace == Trace, $"{what}\n{trace}\n--- undisturbed\n{Trace}");
}

/// <summary>A linear job of one iteration: few steps, so that every write can be looked at.</summary>
public sealed class UndisturbedLinear : Undisturbed
{
    public UndisturbedLinear()
        : base(new RecoveryCase(Family.Linear, maxIterations: 1))
    {
    }
}

/// <summary>A logistic job of three iterations, with link steps in the later ones.</summary>
public sealed class UndisturbedLogistic : Undisturbed
{
    public UndisturbedLogistic()
        : base(new RecoveryCase(Family.Logistic, maxIterations: 3))
    {
    }
}

/// <summary>The linear job on PostgreSQL, with the keys and seeds of a run on SQLite. Where there is no PostgreSQL nothing is run.</summary>
public sealed class UndisturbedPostgres : Undisturbed
{
    private PostgresServer? _server;

    public UndisturbedPostgres()
        : base(new RecoveryCase(Family.Linear, maxIterations: 1))
    {
    }

    /// <summary>What the job came to on SQLite.</summary>
    internal JobTrace OnSqlite { get; private set; } = null!;

    public override async Task InitializeAsync()
    {
        if (!PostgresServer.IsThere)
        {
            return;
        }

        await ObserveAsync();
        OnSqlite = Trace;
        _server = await PostgresServer.GetAsync();
        await ObserveAsync();
    }

    // A process that was killed does not wait for a server that it cannot reach, and the server of this fixture never goes away.
    internal override IRunStores NewStores() => _server is null ? base.NewStores() : new PostgresStores(_server, patience: TimeSpan.Zero);
}

/// <summary>A score job with the model of a linear job that ran before.</summary>
public sealed class UndisturbedScore : Undisturbed
{
    public UndisturbedScore()
        : base(new RecoveryCase(Family.Linear, maxIterations: 1))
    {
    }

    public override async Task InitializeAsync()
    {
        await using RecoveryRun training = await RecoveryRun.StartAsync(Job);
        await training.RunToEndAsync();
        await training.KeepAsync();
        Job.TurnToScoring();
        await ObserveAsync();
    }
}
