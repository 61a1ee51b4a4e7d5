using VertFed.Protocol;
using VertFed.Storage.Sql;

namespace VertFed.Storage.Sqlite;

/// <summary><see cref="ICoordinatorStore"/> in one SQLite file.</summary>
public sealed class SqliteCoordinatorStore : CoordinatorStore
{
    private SqliteCoordinatorStore(SqliteDatabase database) : base(database)
    {
    }

    /// <summary>Opens or creates the store; the process that has it open is the only one.</summary>
    /// <exception cref="VertFedException">Storage: in use, unreadable, damaged, of another component, or of a newer schema.</exception>
    public static SqliteCoordinatorStore Open(string path, SqliteOptions? options = null, TimeProvider? time = null) =>
        new(SqliteDatabase.Open(path, CoordinatorSchema.Migrations, options ?? new SqliteOptions(), time ?? TimeProvider.System));

    /// <summary>Opens an existing store to read it, also while a coordinator has it open; every write fails.</summary>
    /// <exception cref="VertFedException">Storage: missing, unreadable, of another component, or of another schema.</exception>
    public static SqliteCoordinatorStore OpenReadOnly(string path) =>
        new(SqliteDatabase.OpenReadOnly(path, CoordinatorSchema.Migrations, new SqliteOptions(), (_, _) => { }));
}
