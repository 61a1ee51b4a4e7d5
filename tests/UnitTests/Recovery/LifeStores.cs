using Npgsql;
using VertFed.Storage;
using VertFed.Storage.Postgres;
using VertFed.Storage.Sql;
using VertFed.Storage.Sqlite;
using VertFed.Testing;
using VertFed.UnitTests.Storage;

namespace VertFed.UnitTests.Recovery;

/// <summary>The database of one process in one of its lives.</summary>
internal interface ILifeStore : IAsyncDisposable
{
    /// <summary>The store's write-ahead log; null where that is the server's matter.</summary>
    string? Log { get; }

    /// <param name="onCommit">Called around each commit.</param>
    ICoordinatorStore OpenCoordinator(Action<CommitStage> onCommit, TimeProvider time);

    /// <inheritdoc cref="OpenCoordinator"/>
    IPartyStore OpenParty(SecretsKey secrets, Action<CommitStage> onCommit);

    /// <summary>The process is dead: nothing of it reaches the database any more.</summary>
    void Kill();
}

/// <summary>The databases of a run: one an actor, which its lives have one after the other.</summary>
internal interface IRunStores
{
    /// <param name="folder">Of the life.</param>
    ILifeStore Begin(Actor actor, string folder);
}

/// <summary>A file in the life's folder, which the next life has a copy of.</summary>
/// <param name="failing">Actors whose first life has a store that fails, and how.</param>
internal sealed class SqliteStores(Dictionary<Actor, SqliteOptions> failing) : IRunStores
{
    public ILifeStore Begin(Actor actor, string folder) =>
        new File(Path.Combine(folder, actor == Actor.Coordinator ? "coordinator.db" : "party.db"), failing.Remove(actor, out SqliteOptions? options) ? options : null);

    private sealed class File(string path, SqliteOptions? options) : ILifeStore
    {
        public string Log => path + "-wal";

        public ICoordinatorStore OpenCoordinator(Action<CommitStage> onCommit, TimeProvider time) => SqliteCoordinatorStore.Open(path, Options(onCommit), time);

        public IPartyStore OpenParty(SecretsKey secrets, Action<CommitStage> onCommit) => SqlitePartyStore.Open(path, secrets, Options(onCommit));

        public void Kill()
        {
            // What a dead life still reads is its own folder, which nobody else looks at.
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private SqliteOptions Options(Action<CommitStage> onCommit) => options ?? new SqliteOptions { CommitHook = onCommit };
    }
}

/// <summary>
/// A schema of a server. Each life has a cable of its own to it. Killing it cuts the cable, which is all that a server sees of a process
/// that dies: it takes the open transaction back and gives the lock free.
/// </summary>
/// <param name="patience">How long a process waits for a server that is away; a dead one too.</param>
internal sealed class PostgresStores(PostgresServer server, TimeSpan patience) : IRunStores
{
    private readonly Dictionary<Actor, string> _schemas = [];

    public ILifeStore Begin(Actor actor, string folder)
    {
        if (!_schemas.TryGetValue(actor, out string? schema))
        {
            _schemas[actor] = schema = PostgresServer.NewSchema();
        }

        return new Wired(server, schema, patience);
    }

    private sealed class Wired : ILifeStore
    {
        private const string Socket = ".s.PGSQL.5432";
        private readonly TemporaryFolder _folder = new();
        private readonly Cable _cable;
        private readonly PostgresAddress _address;
        private readonly TimeSpan _patience;

        public Wired(PostgresServer server, string schema, TimeSpan patience)
        {
            _cable = Cable.Open(_folder.File(Socket));
            _cable.Join(Path.Combine(server.Folder, Socket));
            _address = PostgresPlace.Parse(new NpgsqlConnectionStringBuilder(server.ConnectionString(schema)) { Host = _folder.Path }.ToString());
            _patience = patience;
        }

        public string? Log => null;

        public ICoordinatorStore OpenCoordinator(Action<CommitStage> onCommit, TimeProvider time) => PostgresCoordinatorStore.Open(_address, Options(onCommit), time);

        public IPartyStore OpenParty(SecretsKey secrets, Action<CommitStage> onCommit) => PostgresPartyStore.Open(_address, secrets, Options(onCommit));

        public void Kill() => _cable.Cut();

        public async ValueTask DisposeAsync()
        {
            await _cable.DisposeAsync();
            _folder.Dispose();
        }

        private PostgresOptions Options(Action<CommitStage> onCommit) => new() { CommitHook = onCommit, ReconnectFor = _patience };
    }
}
