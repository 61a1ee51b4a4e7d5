using VertFed.Protocol;
using VertFed.Storage.Sql;

namespace VertFed.Storage.Sqlite;

/// <summary><see cref="IPartyStore"/> in one SQLite file.</summary>
public sealed class SqlitePartyStore : PartyStore
{
    private SqlitePartyStore(SqliteDatabase database, SecretsKey secrets) : base(database, secrets)
    {
    }

    /// <summary>Opens or creates the store; the process that has it open is the only one.</summary>
    /// <param name="secrets">Seals the root seeds. The store disposes of it, also when it cannot be opened.</param>
    /// <exception cref="VertFedException">Storage: in use, unreadable, damaged, of another component, of a newer schema, or sealed
    /// under another key.</exception>
    public static SqlitePartyStore Open(string path, SecretsKey secrets, SqliteOptions? options = null, TimeProvider? time = null) =>
        Open(secrets, requireKey => new SqlitePartyStore(
            SqliteDatabase.Open(path, PartySchema.Migrations, options ?? new SqliteOptions(), time ?? TimeProvider.System, requireKey), secrets));

    /// <summary>Opens an existing store to read it, also while a node has it open; every write fails.</summary>
    /// <param name="secrets">As for <see cref="Open(string, SecretsKey, SqliteOptions?, TimeProvider?)"/>.</param>
    /// <exception cref="VertFedException">Storage: there is none, or as for <see cref="Open(string, SecretsKey, SqliteOptions?, TimeProvider?)"/>.</exception>
    public static SqlitePartyStore OpenReadOnly(string path, SecretsKey secrets) =>
        Open(secrets, requireKey => new SqlitePartyStore(
            SqliteDatabase.OpenReadOnly(path, PartySchema.Migrations, new SqliteOptions(), requireKey), secrets));
}
