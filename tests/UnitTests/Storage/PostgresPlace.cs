using VertFed.Storage.Postgres;
using VertFed.Testing;

namespace VertFed.UnitTests.Storage;

/// <summary>A schema of the tests' server, for one test.</summary>
internal sealed class PostgresPlace
{
    private PostgresPlace(PostgresServer server, string schema) => (Server, Schema) = (server, schema);

    public PostgresServer Server { get; }

    public string Schema { get; }

    public PostgresAddress Address => Parse(Server.ConnectionString(Schema));

    public static async Task<PostgresPlace> MakeAsync() => new(await PostgresServer.GetAsync(), PostgresServer.NewSchema());

    public static PostgresAddress Parse(string connectionString) =>
        PostgresAddress.Parse(connectionString, "other", out string? fault) ?? throw new InvalidOperationException(fault);

    /// <summary>Runs SQL with the schema as its search path.</summary>
    public Task ExecuteAsync(string sql) => Server.ExecuteAsync($"SET search_path = {Schema}; {sql}");

    public Task<T> ScalarAsync<T>(string sql) => Server.ScalarAsync<T>($"SET search_path = {Schema}; {sql}");

    /// <summary>Ends the connection that holds the store's lock, as an administrator would.</summary>
    public Task EndWriterAsync() => Server.ExecuteAsync(
        $"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = {(uint)(Address.LockKey >>> 32)} AND objid = {(uint)Address.LockKey}");
}
