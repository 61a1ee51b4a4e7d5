using VertFed.Protocol;
using VertFed.Storage.Postgres;
using VertFed.Storage.Sqlite;

namespace VertFed.Storage;

/// <summary>
/// Where a component's store is: a SQLite file (<c>sqlite:PATH</c>) or a schema of a PostgreSQL database (<c>postgres://user@host/database</c>, or
/// Npgsql's <c>Host=…;Username=…;Database=…</c>). The environment variable <see cref="Variable"/> comes before the configuration. Its text names the
/// place and never holds a password.
/// </summary>
public sealed class StoreLocation
{
    /// <summary>The environment variable that says where the store is.</summary>
    public const string Variable = "VERTFED_DATABASE";

    private const string SqliteScheme = "sqlite:";
    private readonly PostgresAddress? _postgres;

    private StoreLocation(string? file, PostgresAddress? postgres)
    {
        File = file;
        _postgres = postgres;
    }

    /// <summary>The SQLite file, absolute; null for PostgreSQL.</summary>
    public string? File { get; }

    public bool IsPostgres => _postgres is not null;

    /// <summary>Where a coordinator's store is.</summary>
    /// <param name="configured">What the configuration says; null: nothing.</param>
    /// <param name="dataFolder">Relative files are relative to it.</param>
    /// <param name="wrong">Makes the error of a configured text from what is wrong with it.</param>
    /// <exception cref="VertFedException">Usage: the variable's text is wrong; or what <paramref name="wrong"/> makes.</exception>
    public static StoreLocation OfCoordinator(string? configured, string dataFolder, Func<string, VertFedException> wrong) =>
        Choose(configured, Path.Combine(dataFolder, "coordinator.db"), dataFolder, "coordinator", wrong);

    /// <summary>Where a party's store is.</summary>
    /// <param name="party">The party's name, of which PostgreSQL's schema is made.</param>
    /// <inheritdoc cref="OfCoordinator"/>
    public static StoreLocation OfParty(string? configured, string party, string dataFolder, Func<string, VertFedException> wrong) =>
        Choose(configured, Path.Combine(dataFolder, "party.db"), dataFolder, $"party_{party}", wrong);

    /// <exception cref="VertFedException">Storage: in use, out of reach, damaged, of another component, or of a newer schema.</exception>
    public ICoordinatorStore OpenCoordinator(TimeProvider? time = null) => _postgres is null
        ? SqliteCoordinatorStore.Open(File!, options: null, time)
        : PostgresCoordinatorStore.Open(_postgres, options: null, time);

    /// <summary>Opens an existing store to read it, also while a coordinator has it open; every write fails.</summary>
    /// <inheritdoc cref="OpenCoordinator"/>
    public ICoordinatorStore OpenCoordinatorReadOnly() => _postgres is null
        ? SqliteCoordinatorStore.OpenReadOnly(File!)
        : PostgresCoordinatorStore.OpenReadOnly(_postgres);

    /// <param name="secrets">Seals the root seeds. The store disposes of it, also when it cannot be opened.</param>
    /// <exception cref="VertFedException">Storage: as for <see cref="OpenCoordinator"/>, or sealed under another key.</exception>
    public IPartyStore OpenParty(SecretsKey secrets) => _postgres is null
        ? SqlitePartyStore.Open(File!, secrets)
        : PostgresPartyStore.Open(_postgres, secrets);

    /// <summary>Opens an existing store to read it, also while a node has it open; every write fails.</summary>
    /// <inheritdoc cref="OpenParty"/>
    public IPartyStore OpenPartyReadOnly(SecretsKey secrets) => _postgres is null
        ? SqlitePartyStore.OpenReadOnly(File!, secrets)
        : PostgresPartyStore.OpenReadOnly(_postgres, secrets);

    public override string ToString() => File ?? _postgres!.ToString();

    private static StoreLocation Choose(string? configured, string otherwise, string dataFolder, string component, Func<string, VertFedException> wrong)
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } text)
            return Parse(text, dataFolder, component, out string? fault) ?? throw new VertFedException(ErrorCode.Usage, $"{Variable} {fault}");
        return configured is null
            ? new StoreLocation(otherwise, null)
            : Parse(configured, dataFolder, component, out string? wrongly) ?? throw wrong(wrongly!);
    }

    private static StoreLocation? Parse(string text, string dataFolder, string component, out string? fault)
    {
        fault = null;
        if (text.StartsWith(SqliteScheme, StringComparison.Ordinal))
        {
            string path = text[SqliteScheme.Length..];
            fault = path.Length == 0 || path.Any(char.IsControl) ? "names no file after sqlite:" : null;
            return fault is null ? new StoreLocation(Path.GetFullPath(path, dataFolder), null) : null;
        }

        string? connection = text;
        if (PostgresUri.IsUri(text))
            connection = PostgresUri.ToConnectionString(text, out fault);
        else if (!text.Contains('=', StringComparison.Ordinal))
            fault = "is none of sqlite:PATH, postgres://user@host/database and Host=…;Username=…;Database=…";
        PostgresAddress? address = fault is null ? PostgresAddress.Parse(connection!, PostgresAddress.SchemaOf(component), out fault) : null;
        return address is null ? null : new StoreLocation(null, address);
    }
}
