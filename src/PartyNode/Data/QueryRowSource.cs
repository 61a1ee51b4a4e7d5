using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Unicode;

namespace VertFed.PartyNode.Data;

/// <summary>
/// Rows of a query, one at a time. Every cell of the current row lies in one buffer as kind (1 byte), length (4 bytes big-endian) and text
/// (UTF-8); these bytes, row after row, after the column names in the same form, are what the digest is over.
/// </summary>
internal abstract class QueryRowSource(InputErrors errors) : IRowSource
{
    private const int HeaderBytes = 5;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private byte[] _row = new byte[4096];
    private int _used;
    private string[] _names = [];
    private int[] _ends = [];
    private CellKind[] _kinds = [];
    private double[] _numbers = [];
    private int _column;

    public IReadOnlyList<string> Names => _names;

    public abstract string Format { get; }

    public string Reading => "query";

    public long Position { get; private set; }

    public byte? DecimalPoint => null;

    protected InputErrors Errors => errors;

    /// <summary>Name of the column that the next cell goes to, for errors.</summary>
    protected string Column => _column < _names.Length ? _names[_column] : $"#{_column + 1}";

    public void ExpectNumbers(IReadOnlyList<int> columns)
    {
    }

    public bool Read(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        (_used, _column) = (0, 0);
        Position++;
        if (!Next(cancellationToken))
        {
            return false;
        }

        _hash.AppendData(_row, 0, _used);
        return true;
    }

    public CellKind Kind(int column) => _kinds[column];

    public ReadOnlySpan<byte> Text(int column)
    {
        int start = (column == 0 ? 0 : _ends[column - 1]) + HeaderBytes;
        return _row.AsSpan(start, _ends[column] - start);
    }

    public double Number(int column) => _numbers[column];

    public byte[] Digest() => _hash.GetHashAndReset();

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing) => _hash.Dispose();

    /// <summary>Goes to the next row and gives its cells in order; false after the last.</summary>
    protected abstract bool Next(CancellationToken cancellationToken);

    /// <summary>Takes the column names, once, before the first row.</summary>
    protected void UseNames(string[] names)
    {
        _names = names;
        (_ends, _kinds, _numbers) = (new int[names.Length], new CellKind[names.Length], new double[names.Length]);
        Span<byte> header = stackalloc byte[HeaderBytes];
        foreach (string name in names)
        {
            byte[] text = Encoding.UTF8.GetBytes(name);
            WriteHeader(header, CellKind.Text, text.Length);
            _hash.AppendData(header);
            _hash.AppendData(text);
        }
    }

    protected void AddNull() => Commit(CellKind.Null, 0, 0);

    protected void Add(long value)
    {
        Span<byte> text = Room(32);
        Utf8Formatter.TryFormat(value, text, out int length);
        Commit(CellKind.Number, length, value);
    }

    protected void Add(double value)
    {
        Span<byte> text = Room(32);
        value.TryFormat(text, out int length, "R", CultureInfo.InvariantCulture);
        Commit(CellKind.Number, length, value);
    }

    /// <summary>A decimal as the double nearest to its text, as a file would have it.</summary>
    protected void Add(decimal value)
    {
        Span<byte> text = Room(64);
        value.TryFormat(text, out int length, provider: CultureInfo.InvariantCulture);
        _ = DecimalParser.TryParse(text[..length], (byte)'.', out double number);
        Commit(CellKind.Number, length, number);
    }

    protected void Add(ReadOnlySpan<byte> utf8)
    {
        RequireLength(utf8.Length);
        if (utf8.Contains((byte)0) || !Utf8.IsValid(utf8))
        {
            throw errors.BinaryCell(Position, Column);
        }

        utf8.CopyTo(Room(utf8.Length));
        Commit(CellKind.Text, utf8.Length, 0);
    }

    /// <summary>Refuses a cell that the row has no room for: a row is as long as a line of a file at most.</summary>
    protected void RequireLength(long length)
    {
        if (length > CsvTokeniser.MaxRecordBytes - Math.Min(_used, CsvTokeniser.MaxRecordBytes))
        {
            throw errors.CellTooLong(Position, Column, CsvTokeniser.MaxRecordBytes);
        }
    }

    private Span<byte> Room(int bytes)
    {
        int needed = _used + HeaderBytes + bytes;
        if (needed > _row.Length)
        {
            Array.Resize(ref _row, Math.Max(needed, _row.Length * 2));
        }

        return _row.AsSpan(_used + HeaderBytes, bytes);
    }

    private void Commit(CellKind kind, int length, double number)
    {
        Room(length);
        WriteHeader(_row.AsSpan(_used), kind, length);
        _used += HeaderBytes + length;
        (_kinds[_column], _numbers[_column], _ends[_column]) = (kind, number, _used);
        _column++;
    }

    private static void WriteHeader(Span<byte> header, CellKind kind, int length)
    {
        header[0] = (byte)kind;
        BinaryPrimitives.WriteInt32BigEndian(header[1..], length);
    }
}
