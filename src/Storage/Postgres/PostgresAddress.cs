using System.Data.Common;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace VertFed.Storage.Postgres;

/// <summary>
/// Where a store is on a PostgreSQL server: the server, the database, and the schema that is the store's own. Its text names them and never
/// holds a password.
/// </summary>
internal sealed class PostgresAddress
{
    private const int MaxIdentifier = 63;
    private readonly NpgsqlConnectionStringBuilder _builder;

    private PostgresAddress(NpgsqlConnectionStringBuilder builder, string schema)
    {
        _builder = builder;
        Schema = schema;
    }

    public string Schema { get; }

    /// <summary>For SQL: in quotes.</summary>
    public string QuotedSchema => $"\"{Schema.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>The key of the advisory lock that the schema's owner holds, within its database.</summary>
    public long LockKey => BitConverter.ToInt64(SHA256.HashData(Encoding.UTF8.GetBytes($"vertfed/v1/store/{Schema}")));

    /// <summary>Reads an Npgsql connection string (<c>Host=…;Username=…;Database=…</c>).</summary>
    /// <param name="schema">The store's schema where the string names none.</param>
    /// <param name="fault">What is wrong, in words that hold nothing of the text; null if it is an address.</param>
    public static PostgresAddress? Parse(string text, string schema, out string? fault)
    {
        NpgsqlConnectionStringBuilder builder;
        bool statesTls;
        try
        {
            builder = new NpgsqlConnectionStringBuilder(text);
            var given = new DbConnectionStringBuilder { ConnectionString = text };
            statesTls = given.ContainsKey("SSL Mode") || given.ContainsKey("SslMode");
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException)
        {
            // The exception may quote a piece of a password.
            fault = "is not a connection string that Npgsql reads (Host=…;Username=…;Database=…)";
            return null;
        }

        fault = FaultOf(builder);
        if (fault is not null)
            return null;
        if (!statesTls && !IsLocal(builder.Host!))
            builder.SslMode = SslMode.VerifyFull;
        string own = builder.SearchPath is { Length: > 0 } path ? path.Trim('"') : schema;
        builder.SearchPath = $"\"{own}\"";
        builder.ApplicationName ??= "vertfed";
        builder.Enlist = false;
        builder.IncludeErrorDetail = false;
        builder.LogParameters = false;
        builder.PersistSecurityInfo = false;
        builder.MaxAutoPrepare = 64;
        builder.AutoPrepareMinUsages = 2;
        if (builder.KeepAlive == 0)
            builder.KeepAlive = 30;
        return new PostgresAddress(builder, own);
    }

    /// <summary>The schema that a component takes where nothing else is said: its name, shortened to what PostgreSQL takes.</summary>
    public static string SchemaOf(string component)
    {
        string name = $"vertfed_{component}";
        return name.Length <= MaxIdentifier
            ? name
            : string.Concat(name.AsSpan(0, MaxIdentifier - 17), "_", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 8)));
    }

    /// <summary>A connection of its own, unopened.</summary>
    public NpgsqlConnection Connect() => new(new NpgsqlConnectionStringBuilder(_builder.ConnectionString) { Pooling = false }.ConnectionString);

    /// <summary>A pool of at most this many connections.</summary>
    public NpgsqlDataSource Pool(int connections) => NpgsqlDataSource.Create(
        new NpgsqlConnectionStringBuilder(_builder.ConnectionString) { Pooling = true, MinPoolSize = 0, MaxPoolSize = connections });

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{_builder.Username}@{_builder.Host}:{_builder.Port}/{_builder.Database} (schema {Schema})");

    private static string? FaultOf(NpgsqlConnectionStringBuilder builder)
    {
        if (string.IsNullOrEmpty(builder.Host) || builder.Host.Contains(',', StringComparison.Ordinal))
            return "must name one host (a name, an address, or the folder of a socket)";
        if (string.IsNullOrEmpty(builder.Database))
            return "must name a database";
        if (string.IsNullOrEmpty(builder.Username))
            return "must name a user";
        if (builder.SearchPath is { } path && (path.Contains(',', StringComparison.Ordinal) || path.Trim('"').Length is 0 or > MaxIdentifier || path.Any(char.IsControl)))
            return "must name one schema of at most 63 characters as its search path";
        if (builder.Passfile is { } passfile && !File.Exists(passfile))
            return $"names a password file that is not there ({passfile})";
        return PassfileFault(builder.Passfile ?? Environment.GetEnvironmentVariable("PGPASSFILE"));
    }

    private static string? PassfileFault(string? path)
    {
        const UnixFileMode Others =
            UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        return !OperatingSystem.IsWindows() && File.Exists(path) && (File.GetUnixFileMode(path) & Others) != UnixFileMode.None
            ? $"names a password file that others than its owner may read ({path})"
            : null;
    }

    private static bool IsLocal(string host) =>
        host[0] is '/' or '@' || string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address));
}
