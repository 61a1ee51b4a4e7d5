using System.Security.Cryptography;
using System.Text;
using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>
/// Loads a party's CSV file into columns: header row, id columns as text, label and features as doubles. Whatever is not as
/// expected is refused with file, line and column; nothing is guessed, filled in or skipped.
/// </summary>
public static class CsvLoader
{
    /// <summary>Loads the whole file. Memory: 8 bytes a cell, the ids as strings, and a buffer.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>, naming file, line and column.</exception>
    public static CsvTable Load(CsvOptions options, LabelKind labels, CancellationToken cancellationToken = default)
    {
        CsvErrors errors = new(Path.GetFileName(options.Path));
        using FileStream stream = Open(options.Path, errors);
        try
        {
            return Load(stream, options, labels, errors, cancellationToken);
        }
        catch (IOException error)
        {
            throw errors.Unreadable(error.GetType().Name, error);
        }
    }

    /// <summary>Refuses a file that does not exist or cannot be opened, without reading it.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.BadInput"/>.</exception>
    public static void RequireReadable(CsvOptions options)
    {
        using FileStream stream = Open(options.Path, new CsvErrors(Path.GetFileName(options.Path)));
    }

    /// <summary>Loads from a stream; <paramref name="errors"/> names the file.</summary>
    internal static CsvTable Load(
        Stream stream, CsvOptions options, LabelKind labels, CsvErrors errors, CancellationToken cancellationToken)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        CsvTokeniser record = new(stream, checked((byte)options.Delimiter), errors, hash);
        if (!record.ReadRecord())
        {
            throw errors.Empty();
        }

        CsvHeader header = CsvHeader.Read(record, options, errors);
        record.UseNames(header.Names);
        PagedColumn<string>[] ids = Make<string>(header.Ids.Length);
        PagedColumn<double>[] features = Make<double>(header.Features.Length);
        PagedColumn<double> label = new();
        PagedColumn<int> lines = new();
        CellReader cells = new(record, header, options, errors);
        while (record.ReadRecord())
        {
            if (record.FieldCount != header.Names.Length)
            {
                throw errors.Ragged(record.Line, record.FieldCount, header.Names.Length, RaggedHint(record, header, options));
            }

            for (int i = 0; i < ids.Length; i++)
            {
                ids[i].Add(Encoding.UTF8.GetString(record.Field(header.Ids[i])));
            }

            for (int i = 0; i < features.Length; i++)
            {
                features[i].Add(cells.Number(header.Features[i]));
            }

            if (header.Label >= 0)
            {
                label.Add(cells.Label(header.Label, labels));
            }

            lines.Add(checked((int)record.Line));
            if (lines.Count > Limits.MaxRows)
            {
                throw errors.TooManyRows(Limits.MaxRows);
            }

            if ((lines.Count & 0xFFFF) == 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }
        }

        return lines.Count == 0
            ? throw errors.HeaderOnly()
            : new CsvTable(errors.File)
            {
                Rows = lines.Count,
                Ids = Array.ConvertAll(ids, column => column.ToArray()),
                Names = Array.ConvertAll(header.Features, i => header.Names[i]),
                Columns = Array.ConvertAll(features, column => column.ToArray()),
                Labels = header.Label >= 0 ? label.ToArray() : null,
                LabelName = options.Label,
                Lines = lines.ToArray(),
                Sha256 = hash.GetHashAndReset(),
            };
    }

    private static FileStream Open(string path, CsvErrors errors)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw errors.Missing();
        }
        catch (UnauthorizedAccessException error)
        {
            throw errors.Unreadable(Directory.Exists(path) ? "it is a folder" : "permission denied", error);
        }
        catch (IOException error)
        {
            throw errors.Unreadable(error.GetType().Name, error);
        }
    }

    private static string RaggedHint(CsvTokeniser record, CsvHeader header, CsvOptions options) =>
        options.Delimiter == ',' && record.FieldCount > header.Names.Length
            ? "; an unquoted comma in a cell or a decimal comma does this (decimal commas need another delimiter: "
                + "declare delimiter: ';' and decimal_comma: true)"
            : "";

    private static PagedColumn<T>[] Make<T>(int count)
    {
        PagedColumn<T>[] columns = new PagedColumn<T>[count];
        for (int i = 0; i < count; i++)
        {
            columns[i] = new PagedColumn<T>();
        }

        return columns;
    }
}

/// <summary>Numeric cells of the current record.</summary>
internal sealed class CellReader(CsvTokeniser record, CsvHeader header, CsvOptions options, CsvErrors errors)
{
    private readonly byte _point = options.DecimalComma ? (byte)',' : (byte)'.';

    public double Number(int column)
    {
        ReadOnlySpan<byte> cell = record.Field(column);
        if (DecimalParser.TryParse(cell, _point, out double value) && double.IsFinite(value))
        {
            return value;
        }

        string name = header.Names[column];
        if (DecimalParser.Trim(cell).IsEmpty)
        {
            throw errors.EmptyCell(record.Line, name);
        }

        if (DecimalParser.TryParse(cell, _point, out _) || IsNotFiniteWord(cell))
        {
            throw errors.NotFinite(record.Line, name);
        }

        throw errors.NotANumber(record.Line, name, Hint(cell));
    }

    public double Label(int column, LabelKind kind)
    {
        double value = Number(column);
        return kind switch
        {
            LabelKind.Binary when value is not (0 or 1) => throw errors.LabelNotBinary(record.Line, header.Names[column]),
            LabelKind.Count when value < 0 || value != Math.Floor(value) =>
                throw errors.LabelNotCount(record.Line, header.Names[column]),
            _ => value,
        };
    }

    private string Hint(ReadOnlySpan<byte> cell)
    {
        byte other = options.DecimalComma ? (byte)'.' : (byte)',';
        if (cell.Count(other) != 1 || !DecimalParser.TryParse(cell, other, out _))
        {
            return "";
        }

        return options.DecimalComma
            ? "; it has a decimal point where decimal_comma: true is declared"
            : "; it looks like a decimal comma: declare decimal_comma: true";
    }

    private static bool IsNotFiniteWord(ReadOnlySpan<byte> cell)
    {
        ReadOnlySpan<byte> word = DecimalParser.Trim(cell).TrimStart("+-"u8);
        return Ascii.EqualsIgnoreCase(word, "nan"u8) || Ascii.EqualsIgnoreCase(word, "inf"u8)
            || Ascii.EqualsIgnoreCase(word, "infinity"u8);
    }
}
