using VertFed.Protocol;
using VertFed.Storage.Sql;

namespace VertFed.Storage.Postgres;

/// <summary><see cref="ICoordinatorStore"/> in a schema of a PostgreSQL database.</summary>
public sealed class PostgresCoordinatorStore : CoordinatorStore
{
    private PostgresCoordinatorStore(PostgresDatabase database) : base(database)
    {
    }

    /// <summary>Opens or creates the store; the process that has it open is the only one.</summary>
    /// <exception cref="VertFedException">Storage: in use, unreachable, of another component, or of a newer schema.</exception>
    internal static PostgresCoordinatorStore Open(PostgresAddress address, PostgresOptions? options = null, TimeProvider? time = null) =>
        new(PostgresDatabase.Open(address, CoordinatorSchema.Migrations, options ?? new PostgresOptions(), time ?? TimeProvider.System));

    /// <summary>Opens an existing store to read it, also while a coordinator has it open; every write fails.</summary>
    /// <exception cref="VertFedException">Storage: missing, unreadable, of another component, or of another schema.</exception>
    internal static PostgresCoordinatorStore OpenReadOnly(PostgresAddress address) =>
        new(PostgresDatabase.OpenReadOnly(address, CoordinatorSchema.Migrations, new PostgresOptions(), (_, _) => { }));
}
