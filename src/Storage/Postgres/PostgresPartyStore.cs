using VertFed.Protocol;
using VertFed.Storage.Sql;

namespace VertFed.Storage.Postgres;

/// <summary><see cref="IPartyStore"/> in a schema of a PostgreSQL database.</summary>
public sealed class PostgresPartyStore : PartyStore
{
    private PostgresPartyStore(PostgresDatabase database, SecretsKey secrets) : base(database, secrets)
    {
    }

    /// <summary>Opens or creates the store; the process that has it open is the only one.</summary>
    /// <param name="secrets">Seals the root seeds. The store disposes of it, also when it cannot be opened.</param>
    /// <exception cref="VertFedException">Storage: in use, unreachable, of another component, of a newer schema, or sealed under another key.</exception>
    internal static PostgresPartyStore Open(PostgresAddress address, SecretsKey secrets, PostgresOptions? options = null, TimeProvider? time = null) =>
        Open(secrets, requireKey => new PostgresPartyStore(
            PostgresDatabase.Open(address, PartySchema.Migrations, options ?? new PostgresOptions(), time ?? TimeProvider.System, requireKey), secrets));

    /// <summary>Opens an existing store to read it, also while a node has it open; every write fails.</summary>
    internal static PostgresPartyStore OpenReadOnly(PostgresAddress address, SecretsKey secrets) =>
        Open(secrets, requireKey => new PostgresPartyStore(
            PostgresDatabase.OpenReadOnly(address, PartySchema.Migrations, new PostgresOptions(), requireKey), secrets));
}
