using VertFed.Protocol;
using VertFed.Storage;
using VertFed.Storage.Postgres;
using Xunit;

namespace VertFed.UnitTests.Storage;

public sealed class StoreLocationTests
{
    [Theory]
    [InlineData(null, "/data/coordinator.db")]
    [InlineData("sqlite:other.db", "/data/other.db")]
    [InlineData("sqlite:/elsewhere/c.db", "/elsewhere/c.db")]
    [InlineData("postgres://vf@db.example/vertfed", "vf@db.example:5432/vertfed (schema vertfed_coordinator)")]
    [InlineData("postgresql://vf:s3cr%40t@[::1]:5433/vert%20fed?search_path=mine", "vf@::1:5433/vert fed (schema mine)")]
    [InlineData("postgres://vf@/vertfed?host=%2Frun%2Fpostgresql", "vf@/run/postgresql:5432/vertfed (schema vertfed_coordinator)")]
    [InlineData("Host=db.example;Username=vf;Password=s3cr@t;Database=vertfed;Search Path=mine", "vf@db.example:5432/vertfed (schema mine)")]
    public void A_place_is_read_and_named_without_its_password(string? text, string expected)
    {
        if (OperatingSystem.IsWindows() && expected.StartsWith('/'))
            return;
        StoreLocation location = StoreLocation.OfCoordinator(text, "/data", Wrong);
        Assert.Equal(expected, location.ToString());
        Assert.Equal(expected.Contains('@', StringComparison.Ordinal), location.IsPostgres);
    }

    [Theory]
    [InlineData("s3cr@t", "none of sqlite:PATH")]
    [InlineData("sqlite:", "names no file")]
    [InlineData("Host=db;s3cr@t=1;Database=d", "not a connection string")]
    [InlineData("Host=db;Password=\"s3cr@t", "not a connection string")]
    [InlineData("Username=u;Password=s3cr@t;Database=d", "must name one host")]
    [InlineData("Host=a,b;Username=u;Password=s3cr@t;Database=d", "must name one host")]
    [InlineData("Host=db;Password=s3cr@t;Database=d", "must name a user")]
    [InlineData("Host=db;Username=u;Password=s3cr@t", "must name a database")]
    [InlineData("Host=db;Username=u;Database=d;Password=s3cr@t;Search Path=a,b", "one schema")]
    [InlineData("Host=db;Username=u;Database=d;Password=s3cr@t;Passfile=/nowhere/pgpass", "not there")]
    [InlineData("postgres://u:s3cr@t@db/d", "not of the form")]
    [InlineData("postgres://u@db/d?secret=s3cr@t", "none of host, port")]
    [InlineData("postgres://u@db/d?sslmode=s3cr@t", "a value of sslmode")]
    [InlineData("postgres://u@db/d?port=s3cr@t", "a value of port")]
    [InlineData("postgres://u:s3cr%40t@db:0/d", "a port that is not one")]
    public void A_text_that_is_no_place_is_refused_in_words_that_hold_nothing_of_it(string text, string expected)
    {
        VertFedException exception = Assert.Throws<VertFedException>(() => StoreLocation.OfCoordinator(text, "/data", Wrong));
        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cr", exception.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Host=db.example;Username=u;Database=d", "VerifyFull")]
    [InlineData("postgres://u@db.example/d?sslmode=require", "Require")]
    [InlineData("Host=/run/postgresql;Username=u;Database=d", "Prefer")]
    [InlineData("Host=localhost;Username=u;Database=d", "Prefer")]
    public void A_server_elsewhere_is_reached_over_verified_tls_unless_the_text_says_otherwise(string text, string mode)
    {
        string connection = PostgresUri.IsUri(text) ? PostgresUri.ToConnectionString(text, out _)! : text;
        using Npgsql.NpgsqlConnection made = PostgresPlace.Parse(connection).Connect();
        Assert.Equal(mode, new Npgsql.NpgsqlConnectionStringBuilder(made.ConnectionString).SslMode.ToString());
    }

    [Fact]
    public void Each_party_has_a_schema_and_long_names_do_not_meet()
    {
        string longName = "a" + new string('b', 62);
        Assert.Equal("vertfed_party_bank-2", PostgresAddress.SchemaOf("party_bank-2"));
        string[] schemas = [PostgresAddress.SchemaOf("party_" + longName), PostgresAddress.SchemaOf("party_" + longName + "c")];
        Assert.All(schemas, schema => Assert.Equal(63, schema.Length));
        Assert.Equal(2, schemas.Distinct().Count());
        Assert.Contains("(schema vertfed_party_bank)", StoreLocation.OfParty("postgres://u@db/d", "bank", "/data", Wrong).ToString(), StringComparison.Ordinal);
    }

    private static VertFedException Wrong(string fault) => new(ErrorCode.Usage, fault);
}
