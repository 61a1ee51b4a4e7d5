using System.Diagnostics;
using Npgsql;
using Xunit;

namespace VertFed.Testing;

/// <summary>
/// A PostgreSQL server of the tests' own: in a temporary folder, reached by a socket there and by nothing else, run by an unprivileged
/// user. A shell holds it and takes it away, folder and all, when its standard input ends; so it does not outlive the tests, however they end.
/// </summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    /// <summary>With the value 1 a test that finds no PostgreSQL fails instead of being skipped.</summary>
    public const string RequireVariable = "VERTFED_REQUIRE_POSTGRES";

    /// <summary>A user who needs <see cref="GuardedPassword"/>; every other is trusted.</summary>
    public const string GuardedUser = "guarded";

    public const string GuardedPassword = "tr0ub4dor&3";

    private const string Owner = "vertfed";

    // Reads a command a line: stop, start, restart, kill. Its first answer is the folder. A server's processes are known by their working
    // folder. The files that name the first are removed with them: where nobody collects dead processes, it would seem to live.
    private const string Script = """
        set -eu
        bin=$1
        umask 077
        folder=$(mktemp -d /tmp/vfpg.XXXXXX)
        control() { "$bin/pg_ctl" -D "$folder/data" -w -t 60 -l "$folder/log" -o "-c listen_addresses='' -c unix_socket_directories=$folder -c max_connections=60 -c shared_buffers=32MB" "$@" >/dev/null; }
        processes() { for process in /proc/[0-9]*; do [ "$(readlink "$process/cwd" 2>/dev/null)" != "$folder/data" ] || echo "${process#/proc/}"; done; }
        trap 'control -m immediate stop 2>/dev/null || true; rm -rf "$folder"' EXIT
        trap 'exit 1' HUP INT TERM
        chmod 711 "$folder"
        "$bin/initdb" -D "$folder/data" -U vertfed --auth=trust --encoding=UTF8 --locale=C --no-sync >/dev/null
        printf 'local all guarded scram-sha-256\nlocal all all trust\n' > "$folder/data/pg_hba.conf"
        control start || { cat "$folder/log" >&2; exit 1; }
        echo "$folder"
        while read -r command; do
          case $command in
            stop) control -m immediate stop ;;
            start) control start ;;
            restart) control -m fast restart ;;
            kill)
              while pids=$(processes); [ -n "$pids" ]; do kill -9 $pids 2>/dev/null || true; done
              rm -f "$folder/data/postmaster.pid" "$folder"/.s.PGSQL.*
              control start ;;
          esac
          echo "$command"
        done
        """;

    private static readonly Lazy<string?> Binaries = new(FindBinaries);
    private static readonly Lazy<Task<PostgresServer>> Shared = new(StartSharedAsync);
    private static int _schemas;
    private readonly Process _shell;

    private PostgresServer(Process shell, string folder) => (_shell, Folder) = (shell, folder);

    /// <summary>Where the socket is.</summary>
    public string Folder { get; }

    /// <summary>Whether there is a PostgreSQL to test with.</summary>
    public static bool IsThere => Binaries.Value is not null;

    /// <summary>The server that tests share, each in a schema of its own; skips the test where there is no PostgreSQL.</summary>
    public static Task<PostgresServer> GetAsync()
    {
        SkipWithout();
        return Shared.Value;
    }

    /// <summary>A server for one test, which stops it; skips the test where there is no PostgreSQL.</summary>
    public static async Task<PostgresServer> StartAsync()
    {
        SkipWithout();
        ProcessStartInfo info = new() { WorkingDirectory = "/", UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        string[] shell = ["sh", "-c", Script, "sh", Binaries.Value!];
        // initdb refuses root.
        string[] command = Environment.IsPrivilegedProcess ? ["runuser", "-u", await UnprivilegedAsync(), "--", .. shell] : shell;
        info.FileName = command[0];
        foreach (string argument in command[1..])
            info.ArgumentList.Add(argument);
        Process process = Process.Start(info)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string? folder = await process.StandardOutput.ReadLineAsync();
        if (folder is null)
            throw new InvalidOperationException($"PostgreSQL did not start: {await errors}");
        PostgresServer server = new(process, folder);
        await server.ExecuteAsync("CREATE DATABASE vertfed", "postgres");
        await server.ExecuteAsync($"CREATE ROLE {GuardedUser} LOGIN PASSWORD '{GuardedPassword}'");
        return server;
    }

    /// <summary>A connection string without a password.</summary>
    /// <param name="schema">The search path; null: the user's own.</param>
    public string ConnectionString(string? schema = null, string database = Owner, string user = Owner) =>
        new NpgsqlConnectionStringBuilder { Host = Folder, Username = user, Database = database, SearchPath = schema, Pooling = false }.ToString();

    /// <summary>The name of a schema that no other test uses; it does not exist yet.</summary>
    public static string NewSchema() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"test_{Environment.ProcessId}_{Interlocked.Increment(ref _schemas)}");

    public async Task ExecuteAsync(string sql, string database = Owner)
    {
        await using NpgsqlConnection connection = new(ConnectionString(database: database));
        await connection.OpenAsync();
        await using NpgsqlCommand command = new(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>The first column of the first row.</summary>
    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using NpgsqlConnection connection = new(ConnectionString());
        await connection.OpenAsync();
        await using NpgsqlCommand command = new(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Ends the server at once, as a crash would; completes when it is down.</summary>
    public Task StopAsync() => TellAsync("stop");

    public Task StartAgainAsync() => TellAsync("start");

    /// <summary>kill -9 of all its processes, and a start on what that left; only where there is /proc.</summary>
    public Task KillAndStartAgainAsync() => TellAsync("kill");

    public Task RestartAsync() => TellAsync("restart");

    public async ValueTask DisposeAsync()
    {
        _shell.StandardInput.Close();
        await _shell.WaitForExitAsync();
        _shell.Dispose();
    }

    private static void SkipWithout()
    {
        if (IsThere)
            return;
        const string Reason = "PostgreSQL's initdb and pg_ctl are neither on the PATH nor in /usr/lib/postgresql";
        if (string.Equals(Environment.GetEnvironmentVariable(RequireVariable), "1", StringComparison.Ordinal))
            throw new InvalidOperationException($"{Reason}, and {RequireVariable} is 1");
        Skip.If(true, Reason);
    }

    private static async Task<PostgresServer> StartSharedAsync()
    {
        PostgresServer server = await StartAsync();
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            server._shell.StandardInput.Close();
            server._shell.WaitForExit(TimeSpan.FromSeconds(20));
        };
        return server;
    }

    private static string? FindBinaries()
    {
        if (OperatingSystem.IsWindows())
            return null;
        const string Debian = "/usr/lib/postgresql";
        IEnumerable<string> folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        if (Directory.Exists(Debian))
            folders = folders.Concat(Directory.GetDirectories(Debian).OrderDescending(StringComparer.Ordinal).Select(version => Path.Combine(version, "bin")));
        return folders.FirstOrDefault(folder => IsThere(Path.Combine(folder, "initdb")) && IsThere(Path.Combine(folder, "pg_ctl")));

        // A link may point to what is gone.
        static bool IsThere(string path) => File.Exists(path) && File.ResolveLinkTarget(path, returnFinalTarget: true) is null or { Exists: true };
    }

    private static async Task<string> UnprivilegedAsync()
    {
        string[] users = await File.ReadAllLinesAsync("/etc/passwd");
        return Array.Exists(users, line => line.StartsWith("postgres:", StringComparison.Ordinal)) ? "postgres" : "nobody";
    }

    private async Task TellAsync(string command)
    {
        await _shell.StandardInput.WriteLineAsync(command);
        await _shell.StandardInput.FlushAsync();
        string? answer = await _shell.StandardOutput.ReadLineAsync();
        if (!string.Equals(answer, command, StringComparison.Ordinal))
            throw new InvalidOperationException($"PostgreSQL did not {command}");
    }
}
