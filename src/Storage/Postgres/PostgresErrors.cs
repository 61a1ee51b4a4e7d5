using Npgsql;

namespace VertFed.Storage.Postgres;

/// <summary>What errors of the server and of the connection mean (https://www.postgresql.org/docs/current/errcodes-appendix.html).</summary>
internal static class PostgresErrors
{
    /// <summary>Whether the connection is gone or the server away, so that another attempt may find it there again.</summary>
    public static bool IsLoss(Exception exception) => exception switch
    {
        // Too many connections; an administrator's stop; a crash of another of the server's processes; starting or stopping; class 08.
        PostgresException { SqlState: "53300" or "57P01" or "57P02" or "57P03" or "57P05" } => true,
        PostgresException server => server.SqlState.StartsWith("08", StringComparison.Ordinal),
        // What Npgsql itself found, on the way to the server or back.
        NpgsqlException => true,
        _ => false,
    };

    /// <summary>An error in words, without anything that the server quotes.</summary>
    public static string Describe(NpgsqlException exception) => exception is PostgresException server
        ? server.SqlState switch
        {
            "53100" => "the server's disk is full; nothing of this change was kept",
            "53200" => "the server is out of memory; nothing of this change was kept",
            "53300" => "the server has no connection left",
            "58030" => "the server's disk reports an input/output error; nothing of this change was kept",
            "28P01" or "28000" => "the server refuses the user or its password (PGPASSFILE, passfile)",
            "3D000" => "there is no such database",
            "42501" => "the user may not do this in the database (it needs to own the schema, or to create it)",
            "25006" => "the server takes no writes (it is a standby)",
            "57P01" or "57P02" or "57P03" => "the server is stopping or starting",
            "XX001" or "XX002" => "the server reports damaged data",
            _ => $"unexpected result {server.SqlState}",
        }
        : exception.InnerException is TimeoutException
            ? "the server does not answer in time"
            : "the server cannot be reached, or the connection broke";
}
