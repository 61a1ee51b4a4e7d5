using System.Security.Cryptography;
using System.Text;

namespace VertFed.PartyNode.Data;

/// <summary>The rows of a CSV file, plain or compressed with gzip.</summary>
internal sealed class CsvRowSource : IRowSource
{
    // Header, an empty block, checksum and length.
    private const int LeastGzipBytes = 20;
    private readonly CsvSource _options;
    private readonly InputErrors _errors;
    private readonly HeadStream _stream;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly CsvTokeniser _record;
    private readonly string[] _names;
    private readonly byte _delimiter;
    private readonly bool _compressed;
    private readonly bool _marked;
    private readonly Func<bool> _readRecord;
    private byte[] _head;
    private bool _decimalComma;

    /// <param name="file">Stays the caller's to dispose.</param>
    public CsvRowSource(Stream file, CsvSource options, InputErrors errors)
    {
        (_options, _errors) = (options, errors);
        HeadStream packed = new(file, long.MaxValue, () => errors.TooManyBytes(long.MaxValue));
        byte[] start = packed.Peek(LeastGzipBytes);
        _compressed = start is [0x1F, 0x8B, ..];
        if (_compressed && start.Length < LeastGzipBytes)
        {
            // The decompressor takes a header that is cut short for an empty file.
            throw errors.BadCompression();
        }

        _stream = new HeadStream(
            _compressed ? new GzipInput(packed, () => errors.BadCompression()) : packed, options.MaxBytes, () => errors.TooManyBytes(options.MaxBytes));
        _head = Guard(() => _stream.Peek(CsvFormat.HeadBytes));
        _marked = _head is [0xEF, 0xBB, 0xBF, ..];
        _delimiter = options.Delimiter is { } declared ? checked((byte)declared) : CsvFormat.Delimiter(_head, errors);
        if (_delimiter == (byte)',' && options.DecimalComma == true)
        {
            throw errors.DecimalCommaNeedsDelimiter();
        }

        _record = new CsvTokeniser(_stream, _delimiter, errors, _hash);
        _readRecord = _record.ReadRecord;
        if (!Guard(_readRecord))
        {
            throw errors.Empty();
        }

        if (options.Delimiter is not null)
        {
            CsvFormat.RefuseOtherDelimiter(_record, _delimiter, errors);
        }

        _names = new string[_record.FieldCount];
        for (int i = 0; i < _names.Length; i++)
        {
            _names[i] = Encoding.UTF8.GetString(_record.Field(i)).Trim();
        }

        _record.UseNames(_names);
        _decimalComma = options.DecimalComma ?? false;
    }

    public IReadOnlyList<string> Names => _names;

    public string Format =>
        CsvFormat.Describe(_delimiter, _options.Delimiter is null, _decimalComma, _options.DecimalComma is null, _compressed, _marked);

    public string Reading => CsvFormat.Reading(_delimiter, _decimalComma);

    public long Position => _record.Line;

    public byte? DecimalPoint => _decimalComma ? (byte)',' : (byte)'.';

    /// <summary>Opens a file; the source ends with it.</summary>
    public static FileStream Open(string path, InputErrors errors)
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

    public void ExpectNumbers(IReadOnlyList<int> columns)
    {
        _decimalComma = _options.DecimalComma ?? CsvFormat.DecimalComma(_head, _delimiter, columns, _names, _errors);
        _head = [];
    }

    public bool Read(CancellationToken cancellationToken)
    {
        if (!Guard(_readRecord))
        {
            return false;
        }

        return _record.FieldCount == _names.Length
            ? true
            : throw _errors.Ragged(_record.Line, _record.FieldCount, _names.Length, RaggedHint());
    }

    public CellKind Kind(int column) => CellKind.Text;

    public ReadOnlySpan<byte> Text(int column) => _record.Field(column);

    public double Number(int column) => throw new InvalidOperationException("A file's cells are text.");

    public byte[] Digest() => _hash.GetHashAndReset();

    public void Dispose()
    {
        _hash.Dispose();
        _stream.Dispose();
    }

    private T Guard<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException error)
        {
            throw _errors.BadCompression(error);
        }
        catch (IOException error)
        {
            throw _errors.Unreadable(error.GetType().Name, error);
        }
    }

    private string RaggedHint() => _delimiter == (byte)',' && _record.FieldCount > _names.Length
        ? "; an unquoted comma in a cell or a decimal comma does this (decimal commas need another delimiter: "
            + "declare delimiter: ';' and decimal_comma: true)"
        : "";
}
