using System.Globalization;
using Microsoft.Data.Sqlite;
using Npgsql;
using VertFed.Protocol;
using VertFed.Storage.Postgres;

namespace VertFed.Storage;

/// <summary>The exceptions that stores throw, in one place. All are <see cref="VertFedException"/> with a code for callers.</summary>
internal static class StorageError
{
    // Primary result codes of SQLite (https://www.sqlite.org/rescode.html).
    private const int Busy = 5;
    private const int Locked = 6;
    private const int ReadOnly = 8;
    private const int InputOutput = 10;
    private const int Corrupt = 11;
    private const int Full = 13;
    private const int CannotOpen = 14;
    private const int NotADatabase = 26;

    public static VertFedException From(SqliteException exception, string file)
    {
        string what = exception.SqliteErrorCode switch
        {
            Full => "the disk or the store's quota is full; nothing of this change was kept",
            InputOutput => "the disk reports an input/output error; nothing of this change was kept",
            ReadOnly => "the file cannot be written (read-only or another owner)",
            CannotOpen => "the file cannot be opened (missing folder or permission)",
            Corrupt => "the file is damaged",
            NotADatabase => "the file is not a store",
            Busy or Locked => "another process holds the file",
            _ => string.Create(CultureInfo.InvariantCulture, $"unexpected result {exception.SqliteExtendedErrorCode}"),
        };
        return new VertFedException(ErrorCode.Storage, $"store {file}: {what}", exception);
    }

    public static VertFedException From(Exception exception, string file) => exception switch
    {
        VertFedException own => own,
        SqliteException sqlite => From(sqlite, file),
        NpgsqlException server => new VertFedException(ErrorCode.Storage, $"store {file}: {PostgresErrors.Describe(server)}", server),
        _ => new VertFedException(ErrorCode.Storage, $"store {file}: {exception.Message}", exception),
    };

    public static VertFedException InUse(string file, Exception inner) =>
        new(ErrorCode.Storage, $"store {file}: another process has it open", inner);

    public static VertFedException OldServer(string store, Version found, Version oldest) =>
        new(ErrorCode.Storage, $"store {store}: the server is PostgreSQL {found}; {oldest} or newer is needed");

    public static VertFedException NotDurable(string store) =>
        new(ErrorCode.Storage, $"store {store}: the server runs with fsync off, so that nothing it confirms is safe; turn it on");

    public static VertFedException Replaced(string store) =>
        new(ErrorCode.Storage, $"store {store}: another process has opened it while the connection was lost; this one writes no more");

    public static VertFedException Unknown(string store, Exception inner) =>
        new(ErrorCode.Storage, $"store {store}: the connection broke while the change was being committed; whether it was kept is unknown", inner);

    /// <summary>What nobody thought of, by its type alone: its message could quote what was written.</summary>
    public static VertFedException Unexpected(string store, Exception inner) =>
        new(ErrorCode.Storage, $"store {store}: unexpected {inner.GetType().Name}; whether the change was kept is unknown", inner);

    public static VertFedException Newer(string file, long found, int known) =>
        new(ErrorCode.Storage, string.Create(CultureInfo.InvariantCulture,
            $"store {file}: schema version {found} is newer than this software knows ({known}); start the newer software or use another data folder"));

    public static VertFedException Older(string file, long found, int known) =>
        new(ErrorCode.Storage, $"{file}: its schema has version {found}, this software needs {known}; start the component once to bring it up to date");

    public static VertFedException Missing(string file) => new(ErrorCode.Storage, $"{file}: there is no such store");

    public static VertFedException OtherComponent(string file, string found, string wanted) =>
        new(ErrorCode.Storage, $"store {file}: this is the store of a {found}, not of a {wanted}");

    public static VertFedException CannotCreate(string file, Exception inner) =>
        new(ErrorCode.Storage, $"store {file}: the folder or file cannot be created: {inner.Message}", inner);

    public static VertFedException Closed(string file) =>
        new(ErrorCode.Storage, $"store {file}: closed");

    public static VertFedException UnknownAttempt(string job, uint attempt) =>
        new(ErrorCode.Internal, string.Create(CultureInfo.InvariantCulture, $"job {job} has no attempt {attempt} in the journal"));

    public static VertFedException AttemptExists(string job, uint attempt) =>
        new(ErrorCode.Diverges, string.Create(CultureInfo.InvariantCulture, $"job {job}: attempt {attempt} is in the journal already"));

    public static VertFedException NoPrivacyPlan(string job) => new(ErrorCode.Storage, $"job {job}: nothing was planned in the privacy account, so nothing can be spent");

    public static VertFedException OtherPrivacyOrders(string job) => new(ErrorCode.Storage, $"job {job}: the privacy account was begun with other orders than this software has");

    public static VertFedException Rewritten(string job, uint attempt, ulong sequence) =>
        new(ErrorCode.Diverges, string.Create(CultureInfo.InvariantCulture, $"job {job}, attempt {attempt}: envelope {sequence} differs from the one in the journal"));

    public static VertFedException JournalGap(string job, uint attempt, ulong sequence, long next) =>
        new(ErrorCode.Internal, string.Create(CultureInfo.InvariantCulture, $"job {job}, attempt {attempt}: envelope {sequence} does not follow; the journal's next is {next}"));

    public static VertFedException WrongSecretsKey(string file) =>
        new(ErrorCode.Storage, $"store {file}: the secrets key is not the one that sealed this store's seeds (secrets_key, {SecretsKey.Variable})");

    public static VertFedException SeedDamaged(string job, uint attempt) =>
        new(ErrorCode.Storage, string.Create(CultureInfo.InvariantCulture, $"job {job}, attempt {attempt}: the sealed seed does not open; it was altered or belongs to another attempt"));

    public static VertFedException OtherTranscript(string job) =>
        new(ErrorCode.Diverges, $"job {job}: its model is bound to another transcript");

    public static VertFedException OtherCheckpoint(CoSignedCheckpoint checkpoint) =>
        new(ErrorCode.Diverges, string.Create(CultureInfo.InvariantCulture, $"job {checkpoint.Job}, attempt {checkpoint.Attempt}: another checkpoint was co-signed at the end of phase {checkpoint.Phase}"));
}
