namespace VertFed.PartyNode.Data;

/// <summary>What a label may hold.</summary>
public enum LabelKind
{
    /// <summary>No label is read; a column of that name is neither needed nor a feature.</summary>
    None,

    /// <summary>0 or 1.</summary>
    Binary,

    /// <summary>Any finite number.</summary>
    Number,

    /// <summary>0, 1, 2 and so on.</summary>
    Count,
}

/// <summary>One of a party's data sources and how its columns are to be understood.</summary>
public sealed record DatasetOptions
{
    public required SourceOptions Source { get; init; }

    /// <summary>Id columns in the order in which they are joined; at least one.</summary>
    public IReadOnlyList<string> Id { get; init; } = ["id"];

    /// <summary>The label column, or null for a party without labels.</summary>
    public string? Label { get; init; }

    /// <summary>Feature columns in this order; null takes every column that is neither id nor label, in the source's order.</summary>
    public IReadOnlyList<string>? Features { get; init; }

    /// <summary>Declared columns by name; every other one is <see cref="ColumnDeclaration.Numeric"/>.</summary>
    public IReadOnlyDictionary<string, ColumnDeclaration> Columns { get; init; } =
        new Dictionary<string, ColumnDeclaration>(StringComparer.Ordinal);

    /// <summary>Texts that stand for a missing value, beside SQL's NULL; compared after spaces and tabs around a cell are cut off.</summary>
    public IReadOnlyList<string> MissingValues { get; init; } = [""];

    /// <summary>How a feature column was declared.</summary>
    public ColumnDeclaration Declared(string column) => Columns.TryGetValue(column, out ColumnDeclaration? declared) ? declared : ColumnDeclaration.Numeric;
}

/// <summary>Where rows come from.</summary>
public abstract record SourceOptions;

/// <summary>A CSV file, plain or compressed with gzip (known by its first bytes).</summary>
public sealed record CsvSource : SourceOptions
{
    /// <summary>What a file may come to after decompression, if nothing else is configured: 64 GiB.</summary>
    public const long DefaultMaxBytes = 64L << 30;

    /// <summary>The file's full path.</summary>
    public required string Path { get; init; }

    /// <summary>One of , ; | and tab; null finds out from the header row.</summary>
    public char? Delimiter { get; init; }

    /// <summary>Whether numbers are written 1,5 instead of 1.5; null finds out from the first rows.</summary>
    public bool? DecimalComma { get; init; }

    /// <summary>Most bytes that are read, after decompression.</summary>
    public long MaxBytes { get; init; } = DefaultMaxBytes;
}

/// <summary>A query to a database; its rows come in the order that the query states.</summary>
public abstract record QuerySource : SourceOptions
{
    /// <summary>One SELECT (or VALUES, or WITH … SELECT) statement.</summary>
    public required string Query { get; init; }

    /// <summary>How long one statement may take: with PostgreSQL each batch of rows, with SQLite the whole reading.</summary>
    public TimeSpan StatementTimeout { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>A query to a SQLite file, which is opened for reading only.</summary>
public sealed record SqliteSource : QuerySource
{
    /// <summary>The database file's full path.</summary>
    public required string Path { get; init; }
}

/// <summary>A query to a PostgreSQL server, in a read-only transaction.</summary>
public sealed record PostgresSource : QuerySource
{
    /// <summary>Npgsql's connection string, without a password.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>The environment variable that holds the password; null leaves it to PGPASSWORD or a passfile.</summary>
    public string? PasswordVariable { get; init; }
}
