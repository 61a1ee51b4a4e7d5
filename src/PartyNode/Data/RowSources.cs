namespace VertFed.PartyNode.Data;

/// <summary>Opens what a dataset's options name.</summary>
internal static class RowSources
{
    public static InputErrors Errors(SourceOptions options) => options switch
    {
        CsvSource csv => new InputErrors(Path.GetFileName(csv.Path)),
        _ => throw new ArgumentException("Unknown kind of source.", nameof(options)),
    };

    public static IRowSource Open(SourceOptions options, InputErrors errors, CancellationToken cancellationToken) => options switch
    {
        CsvSource csv => OpenFile(csv, errors),
        _ => throw new ArgumentException("Unknown kind of source.", nameof(options)),
    };

    public static void RequireReadable(SourceOptions options)
    {
        if (options is CsvSource csv)
        {
            using FileStream stream = CsvRowSource.Open(csv.Path, Errors(options));
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
