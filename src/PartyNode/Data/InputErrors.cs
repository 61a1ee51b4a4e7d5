using System.Globalization;
using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>Every way in which a source's rows are refused. Messages name source, position and column, never the content of a cell.</summary>
/// <param name="source">A file is named without its folder, a query without its text: messages travel to the submitter.</param>
/// <param name="unit">What positions count: lines of a file (the header is line 1) or rows of a query.</param>
internal sealed class InputErrors(string source, string unit = InputErrors.Line)
{
    public const string Line = "line";
    public const string Row = "row";

    public string Source { get; } = source;

    public VertFedException Missing() => Make("no such file");

    public VertFedException Unreadable(string why, Exception? inner = null) =>
        new(ErrorCode.BadInput, $"{Source}: cannot be read ({why})", inner);

    public VertFedException Empty() => Make("the file is empty; a header row and data rows are expected");

    public VertFedException NoRows() => Make(unit == Line ? "holds a header row but no data rows" : "gives no rows");

    public VertFedException AmbiguousDelimiter() =>
        Header("several delimiters stand in it equally often; declare delimiter");

    public VertFedException DecimalCommaNeedsDelimiter() => Header("is comma-separated, and decimal_comma needs another delimiter than ','");

    public VertFedException AmbiguousDecimals(string column) =>
        Make($"column '{column}': its commas may mark decimals or thousands; declare decimal_comma");

    public VertFedException AmbiguousPoints(string column) =>
        Make($"column '{column}': its points may mark decimals or thousands; declare decimal_comma (false: they mark decimals)");

    public VertFedException TwoDecimalMarks(string first, string second) =>
        Make($"decimal commas stand in column '{first}' and decimal points in column '{second}'; declare decimal_comma");

    public VertFedException TooManyBytes(long limit) => Make($"more than {Number(limit)} bytes after decompression (data.max_bytes)");

    public VertFedException BadCompression(Exception? inner = null) =>
        new(ErrorCode.BadInput, $"{Source}: the gzip data is damaged, cut short or of several parts; compress the file again", inner);

    public VertFedException TooManyEmptyLines(int limit) => Make($"more than {Number(limit)} empty lines at its end");

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

    public VertFedException RecordTooLong(long line, int limit) => Place(line, $"longer than {Number(limit)} bytes");

    public VertFedException TooManyFields(long line, int limit) => Place(line, $"more than {Number(limit)} columns");

    public VertFedException EmptyLine(long line) => Place(line, "an empty line between data rows");

    public VertFedException Ragged(long line, int found, int expected, string hint) =>
        Place(line, $"{Number(found)} cells where the header has {Number(expected)}{hint}");

    public VertFedException TooManyRows(long limit) => Make($"more than {Number(limit)} rows");

    public VertFedException EmptyColumnName(int position) => Header($"column {Number(position)} has no name");

    public VertFedException BadColumnName(int position, string why) => Header($"the name of column {Number(position)} {why}");

    public VertFedException DuplicateColumn(string name) => Header($"column '{name}' appears twice");

    public VertFedException MissingColumn(string name, string purpose) => Header($"{purpose} '{name}' is missing");

    public VertFedException DeclaredButNoFeature(string name) =>
        Header($"column '{name}' is declared under 'columns' and is an id, the label or not among 'features'");

    public VertFedException WrongDelimiter(string looksLike, string declare) =>
        Header($"looks {looksLike}-separated; declare delimiter: {declare}");

    public VertFedException NoFeatures() => Header("no feature columns besides id and label");

    public VertFedException TooManyColumns(int found, int limit) =>
        Header($"{Number(found)} feature columns; at most {Number(limit)} are accepted (choose with data.features)");

    public VertFedException EmptyCell(long line, string column) => At(line, column, "empty cell");

    public VertFedException MissingValue(long line, string column) => At(line, column, "a missing value (missing_values)");

    public VertFedException TextWhereNumber(long line, string column) =>
        At(line, column, "text where a number is expected; cast it in the query, or declare the column categorical");

    public VertFedException BinaryCell(long line, string column) => At(line, column, "a value that is neither text nor a number; cast it in the query");

    public VertFedException UnknownType(string column) =>
        Make($"column '{column}' is neither text nor a number nor a date nor a truth value; cast it in the query");

    public VertFedException BadDate(long row, string column) =>
        At(row, column, "a date that is infinite or not of the years 1 to 9999; cast it to text in the query");

    public VertFedException DecimalTooLong(long row, string column, Exception inner) =>
        new(ErrorCode.BadInput, At(row, column, "a number with too many digits or none; cast it to double precision in the query").Message, inner);

    public VertFedException NoPassword(string variable) => Make($"the environment variable {variable} (password_env) is not set");

    public VertFedException QueryFailed(string why, Exception? inner = null) => new(ErrorCode.BadInput, $"{Source}: the query failed ({why})", inner);

    public VertFedException QueryWrites(Exception? inner = null) =>
        new(ErrorCode.BadInput, $"{Source}: the query would write, or gives no columns; one SELECT statement is expected", inner);

    public VertFedException NoQuery() => Make("the query is empty");

    public VertFedException SeveralStatements() => Make("the query is more than one statement");

    public VertFedException QueryTooSlow(TimeSpan limit) =>
        Make($"the query took longer than {limit.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture)} s (statement_timeout_seconds)");

    public VertFedException CellTooLong(long line, string column, int limit) => At(line, column, $"longer than {Number(limit)} bytes");

    public VertFedException BadLevel(long line, string column, string why) => At(line, column, $"a level that {why}");

    public VertFedException TooManyLevels(long line, string column, int limit) => At(
        line, column, $"more than {Number(limit)} different levels; name those to keep (levels) or a least number of rows (minimum_rows)");

    public VertFedException TooManyUsedLevels(string column, int limit) => Make(
        $"column '{column}' has more than {Number(limit)} levels in the aligned training rows; name those to keep (levels) or a least number of rows (minimum_rows)");

    public VertFedException NoTrainingValue(string column) => Make($"column '{column}' has no value in the aligned training rows");

    public VertFedException SumNotFinite(string column) => Make($"column '{column}' holds numbers too large to take a mean of");

    public VertFedException NoReferenceRows(string column) =>
        Make($"no aligned training row has the reference level that is declared for column '{column}'");

    public VertFedException NameTaken(string column) =>
        Make($"a column that column '{column}' is encoded into has the name of another column; rename one of them");

    public VertFedException NothingToLearnFrom() => Make("no feature varies in the aligned training rows");

    public VertFedException OtherKind(string column) => Make($"column '{column}' is declared as another kind than the model's");

    public VertFedException NotInModel(string column) => Make($"column '{column}', which the model uses, is missing");

    public VertFedException MissingInModel(string column) => Make($"column '{column}' has missing values, and the model was trained to refuse them");

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
        new(ErrorCode.BadInput, $"{Source}, {unit} {Number(line)}, column '{column}': {what}");

    private VertFedException Place(long line, string what) => new(ErrorCode.BadInput, $"{Source}, {unit} {Number(line)}: {what}");

    private VertFedException Header(string what) => unit == Line ? Place(1, what) : Make(what);

    private VertFedException Make(string what) => new(ErrorCode.BadInput, $"{Source}: {what}");

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
