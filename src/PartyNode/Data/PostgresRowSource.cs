using System.Globalization;
using System.Text;
using Npgsql;

namespace VertFed.PartyNode.Data;

/// <summary>
/// The rows of a query to a PostgreSQL server: a read-only transaction that sees one state of the database, a cursor on the server, a batch
/// of rows at a time. Cells are taken off the wire one after the other, so that memory is bounded by a row.
/// </summary>
internal sealed class PostgresRowSource : QueryRowSource
{
    private const string FetchBatch = "FETCH FORWARD 5000 FROM vertfed_rows";
    private const int ConnectSeconds = 15;
    private static readonly long Year2000 = new DateOnly(2000, 1, 1).DayNumber;

    // Beyond the server's own timeout, which ends the statement in an orderly way.
    private const int ClientGraceSeconds = 30;
    private readonly PostgresSource _options;
    private readonly NpgsqlConnection _connection;
    private NpgsqlCommand? _fetch;
    private NpgsqlDataReader? _reader;
    private Action<int>[] _cells = [];
    private byte[] _text = new byte[256];
    private bool _anyInBatch;

    public PostgresRowSource(PostgresSource options, InputErrors errors, CancellationToken cancellationToken)
        : base(errors)
    {
        _options = options;
        _connection = new NpgsqlConnection(ConnectionString(options, errors));
        try
        {
            Guard(() =>
            {
                _connection.Open();
                Execute("START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
                Execute(string.Create(CultureInfo.InvariantCulture, $"SET LOCAL statement_timeout = {(long)options.StatementTimeout.TotalMilliseconds}"));
                DeclareCursor(options.Query);
                _fetch = new NpgsqlCommand(FetchBatch, _connection);
                Fetch(cancellationToken);
                UseNames([.. Enumerable.Range(0, _reader!.FieldCount).Select(_reader.GetName)]);
                return true;
            }, cancellationToken);
            _cells = [.. Enumerable.Range(0, _reader!.FieldCount).Select(CellOf)];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override string Format => "PostgreSQL query, read-only transaction";

    protected override bool Next(CancellationToken cancellationToken) => Guard(() =>
    {
        while (!_reader!.Read())
        {
            if (!_anyInBatch)
            {
                return false;
            }

            Fetch(cancellationToken);
        }

        _anyInBatch = true;
        for (int i = 0; i < _cells.Length; i++)
        {
            if (_reader.IsDBNull(i))
            {
                AddNull();
            }
            else
            {
                _cells[i](i);
            }
        }

        return true;
    }, cancellationToken);

    protected override void Dispose(bool disposing)
    {
        try
        {
            _reader?.Dispose();
            _fetch?.Dispose();
            _connection.Dispose();
        }
        catch (NpgsqlException)
        {
            // The connection broke before, which the reading has told; nothing was to be committed.
        }

        base.Dispose(disposing);
    }

    /// <summary>The options' connection string with what this program insists on, and the password from the environment.</summary>
    private static string ConnectionString(PostgresSource options, InputErrors errors)
    {
        NpgsqlConnectionStringBuilder builder = new(options.ConnectionString)
        {
            Pooling = false,
            PersistSecurityInfo = false,
            IncludeErrorDetail = false,
            ApplicationName = "vertfed",
            Timeout = ConnectSeconds,
            CommandTimeout = (int)options.StatementTimeout.TotalSeconds + ClientGraceSeconds,
        };
        if (options.PasswordVariable is { } variable)
        {
            builder.Password = Environment.GetEnvironmentVariable(variable) is { Length: > 0 } password ? password : throw errors.NoPassword(variable);
        }

        return builder.ToString();
    }

    private void Execute(string sql)
    {
        using NpgsqlCommand command = new(sql, _connection);
        command.ExecuteNonQuery();
    }

    /// <summary>A batch command is sent as it is: the server itself refuses a second statement after a semicolon.</summary>
    private void DeclareCursor(string query)
    {
        using NpgsqlBatch batch = new(_connection)
        {
            BatchCommands = { new NpgsqlBatchCommand("DECLARE vertfed_rows NO SCROLL CURSOR FOR " + query.Trim().TrimEnd(';')) },
        };
        try
        {
            batch.ExecuteNonQuery();
        }
        catch (NotSupportedException error)
        {
            throw Errors.QueryFailed("it is not one statement", error);
        }
    }

    private void Fetch(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _reader?.Dispose();
        _anyInBatch = false;
        _reader = _fetch!.ExecuteReader(System.Data.CommandBehavior.SequentialAccess);
    }

    private Action<int> CellOf(int column)
    {
        NpgsqlDataReader reader = _reader!;
        return reader.GetDataTypeName(column) switch
        {
            "smallint" => i => Add(_reader!.GetInt16(i)),
            "integer" => i => Add(_reader!.GetInt32(i)),
            "bigint" => i => Add(_reader!.GetInt64(i)),
            "real" => i => Add(_reader!.GetFloat(i)),
            "double precision" => i => Add(_reader!.GetDouble(i)),
            "boolean" => i => Add(_reader!.GetBoolean(i) ? 1L : 0L),
            "uuid" => i => AddAscii(_reader!.GetGuid(i).ToString("D")),
            "date" => AddDate,
            string type when type.StartsWith("numeric", StringComparison.Ordinal) => AddDecimal,
            string type when type is "text" or "name" || type.StartsWith("character", StringComparison.Ordinal) => AddText,
            _ => throw Errors.UnknownType(reader.GetName(column)),
        };
    }

    private void AddDecimal(int column)
    {
        try
        {
            Add(_reader!.GetDecimal(column));
        }
        catch (Exception error) when (error is OverflowException or InvalidCastException)
        {
            throw Errors.DecimalTooLong(Position, Column, error);
        }
    }

    /// <summary>A date comes as days since 2000-01-01, and infinity as the largest or smallest of them: the driver's own conversion would
    /// take the last for an ordinary day, and fail at a day before the year 1.</summary>
    private void AddDate(int column)
    {
        long days = _reader!.GetFieldValue<int>(column) + Year2000;
        Add(days >= 0 && days <= DateOnly.MaxValue.DayNumber
            ? Encoding.ASCII.GetBytes(DateOnly.FromDayNumber((int)days).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture))
            : throw Errors.BadDate(Position, Column));
    }

    private void AddAscii(string text) => Add(Encoding.ASCII.GetBytes(text));

    /// <summary>Text comes as UTF-8 and is taken no further than a row may be long.</summary>
    private void AddText(int column)
    {
        using Stream stream = _reader!.GetStream(column);
        int filled = 0;
        while (true)
        {
            RequireLength(filled);
            if (filled == _text.Length)
            {
                Array.Resize(ref _text, _text.Length * 2);
            }

            int read = stream.Read(_text, filled, _text.Length - filled);
            if (read == 0)
            {
                Add(_text.AsSpan(0, filled));
                return;
            }

            filled += read;
        }
    }

    /// <summary>The server's own message may quote data, and the driver's the address: they go no further than the inner exception.</summary>
    private T Guard<T>(Func<T> action, CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration cancel = cancellationToken.Register(() => _fetch?.Cancel());
        try
        {
            return action();
        }
        catch (PostgresException error)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw error.SqlState switch
            {
                PostgresErrorCodes.QueryCanceled => Errors.QueryTooSlow(_options.StatementTimeout),
                PostgresErrorCodes.ReadOnlySqlTransaction => Errors.QueryWrites(error),
                PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification =>
                    Errors.QueryFailed("the server refuses the user or the password", error),
                PostgresErrorCodes.InsufficientPrivilege => Errors.QueryFailed("the user may not read what it asks for", error),
                PostgresErrorCodes.SyntaxError => Errors.QueryFailed("it is not one SELECT statement, or has a mistake", error),
                _ => Errors.QueryFailed($"SQLSTATE {error.SqlState}", error),
            };
        }
        catch (Exception error) when (error is InvalidCastException or ArgumentException or OverflowException or FormatException)
        {
            // The driver's word for a value, or a setting of the connection, that it has no way to take; its message may quote it.
            throw Errors.QueryFailed("a value, or the connection string, is not one that can be read", error);
        }
        catch (Exception error) when (error is NpgsqlException or IOException or InvalidOperationException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw Errors.QueryFailed(
                error.InnerException is TimeoutException ? "the server did not answer in time"
                : error.InnerException is null ? "the server did not take the connection; it may want a password"
                : "the server cannot be reached, or the connection broke",
                error);
        }
    }
}
