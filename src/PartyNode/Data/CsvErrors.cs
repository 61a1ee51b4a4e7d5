using System.Globalization;
using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>Every way in which a data file is refused. Messages name file, line and column, never the content of a cell.</summary>
internal sealed class CsvErrors(string file)
{
    /// <summary>A file is named without its folder: messages travel to the submitter.</summary>
    public string File { get; } = file;

    public VertFedException Missing() => Make("no such file");

    public VertFedException Unreadable(string why, Exception? inner = null) =>
        new(ErrorCode.BadInput, $"{File}: cannot be read ({why})", inner);

    public VertFedException Empty() => Make("the file is empty; a header row and data rows are expected");

    public VertFedException HeaderOnly() => Make("holds a header row but no data rows");

    public VertFedException Utf16() => Make("is UTF-16 or UTF-32; save it as UTF-8");

    public VertFedException InvalidUtf8(long line, string column) => At(line, column, "not valid UTF-8; save the file as UTF-8");

    public VertFedException Nul(long line, string column) =>
        At(line, column, "a NUL byte; the file is binary or UTF-16, save it as UTF-8 text");

    public VertFedException BareCarriageReturn(long line, string column) =>
        At(line, column, "a carriage return without line feed; end lines with LF or CRLF");

    public VertFedException UnclosedQuote(long line, string column) => At(line, column, "a quote is opened and never closed");

    public VertFedException StrayQuote(long line, string column) =>
        At(line, column, "a quote inside an unquoted cell; put the whole cell in quotes and double the quotes in it");

    public VertFedException TextAfterQuote(long line, string column) => At(line, column, "text after the closing quote");

    public VertFedException RecordTooLong(long line, int limit) => Line(line, $"longer than {Number(limit)} bytes");

    public VertFedException TooManyFields(long line, int limit) => Line(line, $"more than {Number(limit)} columns");

    public VertFedException EmptyLine(long line) => Line(line, "an empty line between data rows");

    public VertFedException Ragged(long line, int found, int expected, string hint) =>
        Line(line, $"{Number(found)} cells where the header has {Number(expected)}{hint}");

    public VertFedException TooManyRows(long limit) => Make($"more than {Number(limit)} rows");

    public VertFedException EmptyColumnName(int position) => Line(1, $"column {Number(position)} has no name");

    public VertFedException BadColumnName(int position, string why) => Line(1, $"the name of column {Number(position)} {why}");

    public VertFedException DuplicateColumn(string name) => Line(1, $"column '{name}' appears twice");

    public VertFedException MissingColumn(string name, string purpose) => Line(1, $"{purpose} '{name}' is missing");

    public VertFedException WrongDelimiter(string looksLike, string declare) =>
        Line(1, $"looks {looksLike}-separated; declare delimiter: {declare}");

    public VertFedException NoFeatures() => Line(1, "no feature columns besides id and label");

    public VertFedException TooManyColumns(int found, int limit) =>
        Line(1, $"{Number(found)} feature columns; at most {Number(limit)} are accepted (choose with data.features)");

    public VertFedException EmptyCell(long line, string column) => At(line, column, "empty cell");

    public VertFedException NotANumber(long line, string column, string hint) => At(line, column, "not a number" + hint);

    public VertFedException NotFinite(long line, string column) => At(line, column, "not a finite number");

    public VertFedException LabelNotBinary(long line, string column) => At(line, column, "the label is neither 0 nor 1");

    public VertFedException LabelNotCount(long line, string column) =>
        At(line, column, "the label is not a count (0, 1, 2, ...)");

    public VertFedException ZeroVariance(string column) =>
        Make($"column '{column}' has zero variance in the aligned training rows; leave it out (data.features)");

    public VertFedException OneClass(string column) =>
        Make($"label column '{column}' holds one class only in the aligned training rows");

    private VertFedException At(long line, string column, string what) =>
        new(ErrorCode.BadInput, $"{File}, line {Number(line)}, column '{column}': {what}");

    private VertFedException Line(long line, string what) => new(ErrorCode.BadInput, $"{File}, line {Number(line)}: {what}");

    private VertFedException Make(string what) => new(ErrorCode.BadInput, $"{File}: {what}");

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
