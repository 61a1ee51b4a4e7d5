using System.Globalization;
using System.Text;
using Microsoft.Data.Sqlite;
using VertFed.PartyNode.Data;
using VertFed.Protocol;
using VertFed.Testing;
using Xunit;

namespace VertFed.UnitTests.PartyNode;

/// <summary>What holds for a query whichever database answers it.</summary>
public abstract class QuerySourceContract
{
    /// <summary>Rows of the table "rows", of columns id, y, x, c.</summary>
    private const string Three = "('a',1,1.5,'north'),('b',0,-2,NULL),('c',1,NULL,' south ')";

    private static readonly DatasetOptions Options = new()
    {
        Source = new CsvSource { Path = "unused" },
        Label = "y",
        Columns = new Dictionary<string, ColumnDeclaration>(StringComparer.Ordinal)
        {
            ["x"] = new() { Kind = ColumnKind.Numeric, Missing = MissingRule.Mean },
            ["c"] = new() { Kind = ColumnKind.Categorical, Missing = MissingRule.Level },
        },
    };

    /// <summary>A source of a database with a table "rows" (id text, y integer, x double, c text) of these rows.</summary>
    protected abstract Task<QuerySource> CreateAsync(string values, string query);

    protected abstract string Source { get; }

    [SkippableFact]
    public async Task Typed_cells_NULLs_and_levels_are_read_in_the_order_of_the_query()
    {
        RawTable table = await LoadAsync(Three, "SELECT id, y, x, c FROM rows ORDER BY id DESC");

        Assert.Equal(["c", "b", "a"], table.Ids[0]);
        Assert.Equal([1.0, 0.0, 1.0], table.Labels!);
        Assert.Equal([double.NaN, -2.0, 1.5], table.Numbers(0));
        Assert.Equal(["south", "north"], table.Words(1).Levels);
        Assert.Equal([0, -1, 1], table.Words(1).Codes);
        Assert.Equal([1, 2, 3], table.Positions);
        Assert.Contains("read-only", table.Format, StringComparison.Ordinal);
    }

    [SkippableFact]
    public async Task The_digest_changes_with_any_cell_and_with_the_order_and_with_nothing_else()
    {
        string same = await DigestAsync(Three, "SELECT id, y, x, c FROM rows ORDER BY id");
        Assert.Equal(same, await DigestAsync(Three, "SELECT id, y, x, c FROM rows ORDER BY id  "));
        string[] others =
        [
            await DigestAsync(Three, "SELECT id, y, x, c FROM rows ORDER BY id DESC"),
            await DigestAsync(Three.Replace("1.5", "1.25", StringComparison.Ordinal), "SELECT id, y, x, c FROM rows ORDER BY id"),
            await DigestAsync(Three, "SELECT id, y, x, COALESCE(c, '') AS c FROM rows ORDER BY id"),
        ];
        Assert.DoesNotContain(same, others);
        Assert.Equal(others.Length, others.Distinct(StringComparer.Ordinal).Count());
    }

    [SkippableFact]
    public async Task Many_batches_come_whole()
    {
        const int Count = 12_001;
        string values = string.Join(',', Enumerable.Range(0, Count).Select(i => string.Create(CultureInfo.InvariantCulture, $"('k{i}',{i % 2},{i}.25,'l{i % 7}')")));
        RawTable table = await LoadAsync(values, "SELECT id, y, x, c FROM rows ORDER BY x");

        Assert.Equal(Count, table.Rows);
        Assert.Equal(Enumerable.Range(0, Count).Select(i => i + 0.25), table.Numbers(0));
        Assert.Equal(Enumerable.Range(0, Count).Select(i => $"k{i}"), table.Ids[0]);
    }

    [SkippableFact]
    public async Task Text_in_a_numeric_column_is_refused_by_row_and_column() =>
        await RefusedAsync(
            "SELECT id, y, CASE WHEN id = 'b' THEN 'PLANTED' ELSE '1' END AS x, c FROM rows ORDER BY id",
            "row 1, column 'x': text where a number is expected; cast it in the query, or declare the column categorical");

    [SkippableFact]
    public async Task A_missing_value_where_it_is_refused_is_told_by_row_and_column() =>
        await RefusedAsync("SELECT id, NULL AS y, x, c FROM rows ORDER BY id", "row 1, column 'y': empty cell");

    [SkippableFact]
    public async Task A_query_without_rows_is_refused() =>
        Assert.Equal($"{Source}: gives no rows", await MessageAsync("SELECT id, y, x, c FROM rows WHERE y = 7"));

    [SkippableTheory]
    [InlineData("DELETE FROM rows")]
    [InlineData("INSERT INTO rows (id) VALUES ('z')")]
    [InlineData("UPDATE rows SET y = 0 RETURNING id, y, x, c")]
    [InlineData("SELECT id, y, x, c FROM rows; DELETE FROM rows")]
    [InlineData("SELECT id, y, x, c FROM rows; COMMIT; DELETE FROM rows")]
    [InlineData("CREATE TABLE more (n INTEGER)")]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("SELECT id, y, x, c FROM nowhere")]
    public async Task A_query_that_writes_or_is_none_is_refused_and_changes_nothing(string query)
    {
        QuerySource source = await CreateAsync(Three, query);
        VertFedException error = Assert.Throws<VertFedException>(() => TableLoader.Load(Options with { Source = source }, LabelKind.Number));
        Assert.Equal(ErrorCode.BadInput, error.Code);
        Assert.StartsWith(Source + ": the query ", error.Message, StringComparison.Ordinal);
        Assert.Equal(3, TableLoader.Load(Options with { Source = source with { Query = "SELECT id, y, x, c FROM rows" } }, LabelKind.Number).Rows);
    }

    [SkippableFact]
    public async Task A_cell_as_long_as_a_file_is_refused()
    {
        string values = $"('a',1,1.5,'{new string('w', 1_200_000)}')";
        Assert.Equal($"{Source}, row 1, column 'c': longer than 1,048,576 bytes", await MessageAsync("SELECT id, y, x, c FROM rows", values));
    }

    [SkippableFact]
    public async Task What_is_neither_text_nor_number_is_refused() =>
        Assert.Contains("cast it in the query", await MessageAsync("SELECT id, y, x, " + Binary + " AS c FROM rows"), StringComparison.Ordinal);

    [SkippableFact]
    public async Task A_query_that_does_not_end_is_ended()
    {
        const string Endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'a' AS id, 1 AS y, sum(i) AS x, 'c' AS c FROM n";
        QuerySource source = await CreateAsync(Three, Endless);
        VertFedException error = Assert.Throws<VertFedException>(() => TableLoader.Load(
            Options with { Source = source with { StatementTimeout = TimeSpan.FromMilliseconds(300) } }, LabelKind.Number));
        Assert.Equal($"{Source}: the query took longer than 0.3 s (statement_timeout_seconds)", error.Message);

        using CancellationTokenSource stop = new(TimeSpan.FromMilliseconds(300));
        Assert.ThrowsAny<OperationCanceledException>(() => TableLoader.Load(Options with { Source = source }, LabelKind.Number, stop.Token));
    }

    protected abstract string Binary { get; }

    protected async Task<RawTable> LoadAsync(string values, string query) =>
        TableLoader.Load(Options with { Source = await CreateAsync(values, query) }, LabelKind.Number);

    protected async Task<string> MessageAsync(string query, string values = Three) =>
        (await Assert.ThrowsAsync<VertFedException>(() => LoadAsync(values, query))).Message;

    private async Task<string> DigestAsync(string values, string query) => Convert.ToHexString((await LoadAsync(values, query)).Sha256);

    private async Task RefusedAsync(string query, string message)
    {
        string found = await MessageAsync(query);
        Assert.Equal($"{Source}, {message}", found);
        Assert.DoesNotContain("PLANTED", found, StringComparison.Ordinal);
    }
}

public sealed class SqliteSourceTests : QuerySourceContract, IDisposable
{
    private readonly TemporaryPlace _place = new();
    private string _encoding = "UTF-8";

    protected override string Source => "rows.db";

    protected override string Binary => "x'00ff'";

    public void Dispose() => _place.Dispose();

    [Fact]
    public async Task A_file_that_is_none_or_no_database_is_refused()
    {
        QuerySource source = await CreateAsync("('a',1,1.5,'n')", "SELECT id, y, x, c FROM rows");
        string path = ((SqliteSource)source).Path;
        await File.WriteAllTextAsync(path, string.Concat(Enumerable.Repeat("no database ", 1000)));
        Assert.Equal("rows.db: the query failed (SQLite error 26)", Message());
        File.Delete(path);
        Assert.Equal("rows.db: no such file", Message());
        Assert.False(File.Exists(path));

        string Message() => Assert.Throws<VertFedException>(() => TableLoader.Load(new DatasetOptions { Source = source }, LabelKind.None)).Message;
    }

    [Fact]
    public async Task A_database_in_UTF_16_is_read_as_the_same_text()
    {
        SqliteSource utf8 = (SqliteSource)await CreateAsync("('Zoë',1,1.5,'Übersee')", "SELECT id, y, x, c FROM rows");
        byte[] same = TableLoader.Load(Columns(utf8), LabelKind.None).Sha256;
        foreach (string encoding in (string[])["UTF-16le", "UTF-16be"])
        {
            _encoding = encoding;
            RawTable table = TableLoader.Load(Columns(await CreateAsync("('Zoë',1,1.5,'Übersee')", utf8.Query)), LabelKind.None);
            Assert.Equal("Zoë", table.Ids[0][0]);
            Assert.Equal(["Übersee"], table.Words(2).Levels);
            Assert.Equal(same, table.Sha256);
        }

        static DatasetOptions Columns(QuerySource source) => new()
        {
            Source = source,
            Columns = new Dictionary<string, ColumnDeclaration>(StringComparer.Ordinal) { ["c"] = new() { Kind = ColumnKind.Categorical } },
        };
    }

    [Fact]
    public async Task A_text_with_a_NUL_is_refused() =>
        Assert.Contains("row 1, column 'c'", await MessageAsync("SELECT id, y, x, CAST(x'610062' AS TEXT) AS c FROM rows"), StringComparison.Ordinal);

    protected override async Task<QuerySource> CreateAsync(string values, string query)
    {
        string path = _place.At("rows.db");
        File.Delete(path);
        await using SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        await connection.OpenAsync();
        await using SqliteCommand command = connection.CreateCommand();
        command.CommandText = $"PRAGMA encoding = '{_encoding}'; CREATE TABLE rows (id TEXT, y INTEGER, x REAL, c TEXT); INSERT INTO rows VALUES {values}";
        await command.ExecuteNonQueryAsync();
        return new SqliteSource { Path = path, Query = query };
    }
}

public sealed class PostgresSourceTests : QuerySourceContract
{
    protected override string Source => "PostgreSQL query";

    protected override string Binary => "'{}'::json";

    [SkippableFact]
    public async Task Every_type_of_the_document_is_read_as_the_same_text_or_number_as_a_file_would_have()
    {
        RawTable table = await LoadAsync(
            "('a',1,1,'n')",
            """
            SELECT 9007199254740993::bigint AS id, 1::smallint AS y, 0.1::numeric(10,4) AS x, DATE '2026-02-03' AS c,
              1.5::real AS f, true AS t FROM rows
            """);

        Assert.Equal("9007199254740993", table.Ids[0][0]);
        Assert.Equal([0.1], table.Numbers(0));
        Assert.Equal("2026-02-03", Assert.Single(table.Words(1).Levels));
        Assert.Equal([1.5], table.Numbers(2));
        Assert.Equal([1.0], table.Numbers(3));
    }

    [SkippableFact]
    public async Task A_number_that_no_decimal_holds_is_refused_by_row_and_column() =>
        Assert.StartsWith(
            "PostgreSQL query, row 1, column 'x': a number with too many digits",
            await MessageAsync("SELECT id, y, power(10::numeric, 40) + 0.5 AS x, c FROM rows"),
            StringComparison.Ordinal);

    [SkippableTheory]
    [InlineData("DATE '0044-03-15 BC'")]
    [InlineData("DATE 'infinity'")]
    [InlineData("DATE '-infinity'")]
    [InlineData("DATE '10000-01-01'")]
    public async Task A_date_that_has_no_text_of_four_digits_is_refused_by_row_and_column(string date) =>
        Assert.Equal(
            "PostgreSQL query, row 1, column 'c': a date that is infinite or not of the years 1 to 9999; cast it to text in the query",
            await MessageAsync($"SELECT id, y, x, {date} AS c FROM rows"));

    [SkippableFact]
    public async Task The_first_and_the_last_day_are_read() =>
        Assert.Equal(
            ["0001-01-01", "9999-12-31"],
            (await LoadAsync("('a',1,1,'n'),('b',1,2,'n')", "SELECT id, y, x, CASE WHEN id = 'a' THEN DATE '0001-01-01' ELSE DATE '9999-12-31' END AS c FROM rows ORDER BY id")).Words(1).Levels);

    [SkippableFact]
    public async Task Errors_show_neither_password_nor_address_nor_the_servers_own_words()
    {
        PostgresServer server = await PostgresServer.GetAsync();
        string variable = "VERTFED_TEST_PASSWORD_" + Guid.NewGuid().ToString("N");
        PostgresSource source = new()
        {
            ConnectionString = server.ConnectionString(user: PostgresServer.GuardedUser), Query = "SELECT 1", PasswordVariable = variable,
        };
        Assert.Equal($"PostgreSQL query: the environment variable {variable} (password_env) is not set", Message(source));
        Environment.SetEnvironmentVariable(variable, "PLANTED");
        try
        {
            Assert.Equal("PostgreSQL query: the query failed (the server refuses the user or the password)", Message(source));
            Assert.Equal(
                "PostgreSQL query: the query failed (the server cannot be reached, or the connection broke)",
                Message(source with { ConnectionString = "Host=/nowhere/PLANTED;Username=x" }));
            Assert.Equal(
                "PostgreSQL query: the query failed (SQLSTATE 22P02)",
                Message(source with { ConnectionString = server.ConnectionString(), PasswordVariable = null, Query = "SELECT 'PLANTED'::text::int FROM generate_series(1, 2)" }));
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    private static string Message(QuerySource source) =>
        Assert.Throws<VertFedException>(() => TableLoader.Load(new DatasetOptions { Source = source }, LabelKind.None)).Message;

    protected override async Task<QuerySource> CreateAsync(string values, string query)
    {
        PostgresServer server = await PostgresServer.GetAsync();
        string schema = PostgresServer.NewSchema();
        StringBuilder sql = new($"CREATE SCHEMA {schema}; CREATE TABLE {schema}.rows (id text, y integer, x double precision, c text);");
        sql.Append(CultureInfo.InvariantCulture, $"INSERT INTO {schema}.rows VALUES {values}");
        await server.ExecuteAsync(sql.ToString());
        return new PostgresSource { ConnectionString = server.ConnectionString(schema), Query = query };
    }
}
