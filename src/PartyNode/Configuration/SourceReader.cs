using System.Text;
using Npgsql;
using VertFed.PartyNode.Data;

namespace VertFed.PartyNode.Configuration;

/// <summary>Where a dataset's rows come from.</summary>
internal static class SourceReader
{
    private const int MaxQueryBytes = 64 * 1024;
    private static readonly string[] Kinds = ["csv", "sqlite", "postgres"];

    public static SourceOptions Read(YamlMap map, string folder)
    {
        string[] given = [.. Kinds.Where(kind => map.OptionalText(kind) is not null)];
        if (given.Length > 1)
        {
            throw map.Bad(given[1], "one of csv, sqlite and postgres is expected, not several");
        }

        return given is ["sqlite"] ? ReadSqlite(map, folder) : given is ["postgres"] ? ReadPostgres(map) : ReadCsv(map, folder);
    }

    private static SqliteSource ReadSqlite(YamlMap map, string folder) => new()
    {
        Path = Path.GetFullPath(map.Text("sqlite"), folder),
        Query = ReadQuery(map),
        StatementTimeout = ReadTimeout(map),
    };

    private static PostgresSource ReadPostgres(YamlMap map)
    {
        string connection = map.Text("postgres");
        try
        {
            if (!string.IsNullOrEmpty(new NpgsqlConnectionStringBuilder(connection).Password))
            {
                throw map.Bad("postgres", "a password does not belong into a configuration file: use PGPASSWORD, a passfile or password_env");
            }
        }
        catch (Exception error) when (error is ArgumentException or FormatException or OverflowException)
        {
            // The inner message could quote what was meant as a password.
            throw map.Bad("postgres", "a connection string such as Host=db.example;Database=crm;Username=vertfed is expected");
        }

        return new PostgresSource
        {
            ConnectionString = connection,
            PasswordVariable = map.OptionalText("password_env"),
            Query = ReadQuery(map),
            StatementTimeout = ReadTimeout(map),
        };
    }

    private static string ReadQuery(YamlMap map)
    {
        string query = map.Text("query");
        return Encoding.UTF8.GetByteCount(query) <= MaxQueryBytes && !query.Contains('\0', StringComparison.Ordinal)
            ? query
            : throw map.Bad("query", $"at most {MaxQueryBytes} bytes of text are accepted");
    }

    private static TimeSpan ReadTimeout(YamlMap map) => TimeSpan.FromSeconds(map.Integer("statement_timeout_seconds", 600, 1, 86_400));

    private static CsvSource ReadCsv(YamlMap map, string folder)
    {
        string? delimiter = map.OptionalText("delimiter");
        if (delimiter is not (null or "," or ";" or "\t" or "|"))
        {
            throw map.Bad("delimiter", "one of ',' ';' '|' and \"\\t\" is expected");
        }

        bool? decimalComma = map.OptionalFlag("decimal_comma");
        if (decimalComma == true && delimiter == ",")
        {
            throw map.Bad("decimal_comma", "needs another delimiter than ','");
        }

        return new CsvSource
        {
            Path = Path.GetFullPath(map.Text("csv"), folder),
            Delimiter = delimiter?[0],
            DecimalComma = decimalComma,
            MaxBytes = map.Integer("max_bytes", CsvSource.DefaultMaxBytes, 1, long.MaxValue),
        };
    }
}
