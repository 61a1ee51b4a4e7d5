using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;

namespace VertFed.Storage.Postgres;

/// <summary>
/// A <c>postgres://user@host:port/database?sslmode=verify-full</c> address in Npgsql's words
/// (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS). Parts may be percent-encoded; a socket's folder is the
/// parameter host.
/// </summary>
internal static partial class PostgresUri
{
    // The parameters of libpq that a store has a use for, by Npgsql's keyword.
    private static readonly Dictionary<string, string> Keywords = new(StringComparer.Ordinal)
    {
        ["host"] = "Host", ["port"] = "Port", ["dbname"] = "Database", ["user"] = "Username", ["password"] = "Password", ["passfile"] = "Passfile",
        ["sslmode"] = "SSL Mode", ["sslrootcert"] = "Root Certificate", ["sslcert"] = "SSL Certificate", ["sslkey"] = "SSL Key",
        ["application_name"] = "Application Name", ["connect_timeout"] = "Timeout", ["search_path"] = "Search Path",
    };

    public static bool IsUri(string text) =>
        text.StartsWith("postgres://", StringComparison.Ordinal) || text.StartsWith("postgresql://", StringComparison.Ordinal);

    /// <summary>The connection string, or null and what is wrong, in words that hold no value of the address.</summary>
    public static string? ToConnectionString(string uri, out string? fault)
    {
        Match match = Shape().Match(uri);
        fault = match.Success ? null : "is not of the form postgres://user@host:port/database?parameter=value";
        if (!match.Success)
            return null;
        var builder = new NpgsqlConnectionStringBuilder();
        (string Keyword, string Part)[] parts = [("Username", "user"), ("Password", "password"), ("Host", "host"), ("Port", "port"), ("Database", "database")];
        foreach ((string keyword, string part) in parts)
        {
            if (match.Groups[part].Length > 0 && !TrySet(builder, keyword, Uri.UnescapeDataString(match.Groups[part].Value)))
            {
                fault = $"has a {part} that is not one";
                return null;
            }
        }

        foreach (string parameter in match.Groups["query"].Value.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] pair = parameter.Split('=', 2);
            if (pair.Length != 2 || !Keywords.TryGetValue(pair[0], out string? keyword))
            {
                fault = string.Create(CultureInfo.InvariantCulture, $"has a parameter that is none of {string.Join(", ", Keywords.Keys)}");
                return null;
            }

            string value = Uri.UnescapeDataString(pair[1]);
            if (!TrySet(builder, keyword, keyword == "SSL Mode" ? value.Replace("-", "", StringComparison.Ordinal) : value))
            {
                fault = $"has a value of {pair[0]} that is not one of its values";
                return null;
            }
        }

        return builder.ConnectionString;
    }

    private static bool TrySet(NpgsqlConnectionStringBuilder builder, string keyword, string value)
    {
        try
        {
            builder[keyword] = value;
            return true;
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or OverflowException or InvalidCastException)
        {
            // The exception may quote the value.
            return false;
        }
    }

    [GeneratedRegex("""
        ^postgres(ql)?://((?<user>[^:@/?]*)(:(?<password>[^@/?]*))?@)?(\[(?<host>[0-9a-fA-F:.]+)\]|(?<host>[^:/?@\[\]]*))(:(?<port>[0-9]{1,5}))?(/(?<database>[^?/]*))?(\?(?<query>.*))?$
        """, RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Shape();
}
