namespace VertFed.PartyNode.Data;

/// <summary>Opens what a dataset's options name.</summary>
internal static class RowSources
{
    public static InputErrors Errors(SourceOptions options) => options switch
    {
        CsvSource csv => new InputErrors(Path.GetFileName(csv.Path)),
        SqliteSource sqlite => new InputErrors(Path.GetFileName(sqlite.Path), InputErrors.Row),
        PostgresSource => new InputErrors("PostgreSQL query", InputErrors.Row),
        _ => throw new ArgumentException("Unknown kind of source.", nameof(options)),
    };

    public static IRowSource Open(SourceOptions options, InputErrors errors, CancellationToken cancellationToken) => options switch
    {
        CsvSource csv => OpenFile(csv, errors),
        SqliteSource sqlite => new SqliteRowSource(sqlite, errors, cancellationToken),
        PostgresSource postgres => new PostgresRowSource(postgres, errors, cancellationToken),
        _ => throw new ArgumentException("Unknown kind of source.", nameof(options)),
    };

    public static void RequireReadable(SourceOptions options)
    {
        if (((options as CsvSource)?.Path ?? (options as SqliteSource)?.Path) is { } path)
        {
            using FileStream stream = CsvRowSource.Open(path, Errors(options));
        }
    }

    private static CsvRowSource OpenFile(CsvSource csv, InputErrors errors)
    {
        FileStream file = CsvRowSource.Open(csv.Path, errors);
        try
        {
            return new CsvRowSource(file, csv, errors);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
