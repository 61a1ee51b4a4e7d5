using Microsoft.Data.Sqlite;
using SQLitePCL;
using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>The rows of a query to a SQLite file, which is opened for reading only. The statement is stepped row by row.</summary>
internal sealed class SqliteRowSource : QueryRowSource
{
    private const int LimitLength = 0;
    private const int MaxValueBytes = 16 * 1024 * 1024;

    /// <summary>Instructions of the database's machine between two looks at the time: some microseconds.</summary>
    private const int InstructionsBetweenLooks = 1000;
    private readonly SqliteConnection _connection;
    private readonly CancellationTokenSource _late;
    private readonly TimeSpan _timeout;
    private readonly sqlite3_stmt _statement;
    private readonly int _columns;
    private readonly bool _isUtf16;

    public SqliteRowSource(SqliteSource options, InputErrors errors, CancellationToken cancellationToken)
        : base(errors)
    {
        _timeout = options.StatementTimeout;
        if (!File.Exists(options.Path))
        {
            throw errors.Missing();
        }

        string text = new SqliteConnectionStringBuilder { DataSource = options.Path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString();
        _connection = new SqliteConnection(text);
        _late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            _connection.Open();
            sqlite3 database = _connection.Handle!;
            raw.sqlite3_limit(database, LimitLength, MaxValueBytes);
            // Asked by the running statement: an interruption from outside is lost on a statement that has not begun.
            raw.sqlite3_progress_handler(database, InstructionsBetweenLooks, _ => _late.IsCancellationRequested ? 1 : 0, null);
            _late.CancelAfter(_timeout);
            _statement = Prepare(database, options.Query);
            _isUtf16 = IsUtf16();
            _columns = raw.sqlite3_column_count(_statement);
            if (_columns == 0 || raw.sqlite3_stmt_readonly(_statement) == 0)
            {
                throw errors.QueryWrites();
            }

            UseNames([.. Enumerable.Range(0, _columns).Select(i => raw.sqlite3_column_name(_statement, i).utf8_to_string())]);
        }
        catch (SqliteException error)
        {
            Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            throw error.SqliteErrorCode == raw.SQLITE_INTERRUPT ? errors.QueryTooSlow(_timeout) : errors.Unreadable($"SQLite error {error.SqliteErrorCode}", error);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override string Format => "SQLite query, read-only";

    protected override bool Next(CancellationToken cancellationToken)
    {
        switch (raw.sqlite3_step(_statement))
        {
            case raw.SQLITE_DONE:
                return false;
            case raw.SQLITE_ROW:
                for (int i = 0; i < _columns; i++)
                {
                    AddCell(i);
                }

                return true;
            case raw.SQLITE_INTERRUPT:
                cancellationToken.ThrowIfCancellationRequested();
                throw Errors.QueryTooSlow(_timeout);
            default:
                throw Failed();
        }
    }

    protected override void Dispose(bool disposing)
    {
        _late.Dispose();
        _statement?.Dispose();
        _connection.Dispose();
        base.Dispose(disposing);
    }

    private void AddCell(int column)
    {
        switch (raw.sqlite3_column_type(_statement, column))
        {
            case raw.SQLITE_INTEGER:
                Add(raw.sqlite3_column_int64(_statement, column));
                break;
            case raw.SQLITE_FLOAT:
                Add(raw.sqlite3_column_double(_statement, column));
                break;
            case raw.SQLITE_TEXT:
                if (_isUtf16)
                {
                    // Asked for as text, the value is kept as UTF-8 from then on.
                    raw.sqlite3_column_text(_statement, column);
                }

                // For a text these are its bytes in UTF-8, a NUL in it included.
                Add(raw.sqlite3_column_blob(_statement, column));
                break;
            case raw.SQLITE_NULL:
                AddNull();
                break;
            default:
                throw Errors.BinaryCell(Position, Column);
        }
    }

    private bool IsUtf16()
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = "PRAGMA encoding";
        return command.ExecuteScalar() is string name && name.StartsWith("UTF-16", StringComparison.Ordinal);
    }

    /// <summary>One statement; comments may follow it.</summary>
    private sqlite3_stmt Prepare(sqlite3 database, string query)
    {
        Require(raw.sqlite3_prepare_v2(database, query, out sqlite3_stmt statement, out string tail));
        if (statement.IsInvalid)
        {
            throw Errors.NoQuery();
        }

        if (tail.Length > 0)
        {
            int result = raw.sqlite3_prepare_v2(database, tail, out sqlite3_stmt second);
            bool isAnother = result != raw.SQLITE_OK || !second.IsInvalid;
            second.Dispose();
            if (isAnother)
            {
                statement.Dispose();
                throw Errors.SeveralStatements();
            }
        }

        return statement;
    }

    private void Require(int result)
    {
        if (result != raw.SQLITE_OK)
        {
            throw Failed();
        }
    }

    /// <summary>The engine's own message may quote data: it goes no further than the inner exception.</summary>
    private VertFedException Failed()
    {
        int code = raw.sqlite3_errcode(_connection.Handle!);
        string message = raw.sqlite3_errmsg(_connection.Handle!).utf8_to_string();
        return Errors.QueryFailed($"SQLite error {code}", new SqliteException(message, code));
    }
}
