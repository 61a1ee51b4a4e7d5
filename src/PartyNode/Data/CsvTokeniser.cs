using System.Buffers;
using System.Security.Cryptography;
using System.Text.Unicode;
using VertFed.Protocol;

namespace VertFed.PartyNode.Data;

/// <summary>
/// Splits a UTF-8 stream into records and cells as RFC 4180 says: cells may stand in quotes, a quote in them is doubled, and
/// a quoted cell may hold delimiters and line breaks. Lines end with LF or CRLF.
/// </summary>
/// <remarks>
/// Works on bytes in one buffer that holds a record at a time, so memory is bounded by the longest record. The bytes are
/// hashed as they are read. What is malformed is refused with line and column rather than guessed at.
/// </remarks>
internal sealed class CsvTokeniser(Stream stream, byte delimiter, InputErrors errors, IncrementalHash? hash = null)
{
    /// <summary>Longest record in bytes, quoted line breaks included.</summary>
    public const int MaxRecordBytes = 1024 * 1024;

    /// <summary>Most cells in a record.</summary>
    public const int MaxFields = 65_536;

    /// <summary>Most empty lines at the end: without a limit a small compressed file could keep the reader busy for hours.</summary>
    public const int MaxEmptyLines = 1024;

    private const int InitialBufferBytes = 256 * 1024;
    private static readonly SearchValues<byte> Special = SearchValues.Create("\n\r\"\0"u8);

    private byte[] _buffer = new byte[InitialBufferBytes];
    private int _start;
    private int _filled;
    private bool _atEnd;
    private bool _begun;
    private long _nextLine = 1;
    private int[] _from = new int[64];
    private int[] _to = new int[64];
    private IReadOnlyList<string> _names = [];

    /// <summary>Line of the current record's first byte, from 1.</summary>
    public long Line { get; private set; }

    /// <summary>Cells in the current record.</summary>
    public int FieldCount { get; private set; }

    /// <summary>A cell of the current record, unquoted. Valid until the next call of <see cref="ReadRecord"/>.</summary>
    public ReadOnlySpan<byte> Field(int index) => _buffer.AsSpan(_from[index], _to[index] - _from[index]);

    /// <summary>Column names to use in errors from here on; before that, columns are numbered.</summary>
    public void UseNames(IReadOnlyList<string> names) => _names = names;

    /// <summary>Reads the next record; false at the end of the stream. Empty lines at the end are no records.</summary>
    public bool ReadRecord()
    {
        if (!_begun)
        {
            _begun = true;
            SkipByteOrderMark();
        }

        long firstEmptyLine = 0;
        while (true)
        {
            Line = _nextLine;
            int length = FindRecordEnd(out int skip, out bool quoted);
            if (length < 0)
            {
                return false;
            }

            int start = _start;
            _start += length + skip;
            if (length == 0)
            {
                firstEmptyLine = firstEmptyLine == 0 ? Line : firstEmptyLine;
                if (++_nextLine - firstEmptyLine > MaxEmptyLines)
                {
                    throw errors.TooManyEmptyLines(MaxEmptyLines);
                }

                continue;
            }

            if (firstEmptyLine != 0)
            {
                throw errors.EmptyLine(firstEmptyLine);
            }

            Split(start, length, quoted);
            return true;
        }
    }

    private void SkipByteOrderMark()
    {
        while (_filled < 4 && Refill())
        {
        }

        ReadOnlySpan<byte> head = _buffer.AsSpan(0, _filled);
        if (head.StartsWith<byte>([0xEF, 0xBB, 0xBF]))
        {
            _start = 3;
        }
        else if (head.StartsWith<byte>([0xFF, 0xFE]) || head.StartsWith<byte>([0xFE, 0xFF])
            || head.StartsWith<byte>([0, 0, 0xFE, 0xFF]))
        {
            throw errors.Utf16();
        }
    }

    /// <summary>Length of the record at <see cref="_start"/> without its line break, or -1 at the end of the stream.</summary>
    private int FindRecordEnd(out int skip, out bool quoted)
    {
        int scan = 0;
        bool inQuotes = false;
        quoted = false;
        skip = 0;
        while (true)
        {
            ReadOnlySpan<byte> record = _buffer.AsSpan(_start, _filled - _start);
            int found = inQuotes ? record[scan..].IndexOfAny((byte)'"', (byte)0) : record[scan..].IndexOfAny(Special);
            if (found < 0)
            {
                scan = record.Length;
                if (scan > MaxRecordBytes)
                {
                    throw TooLong(record, inQuotes);
                }

                if (Refill())
                {
                    continue;
                }

                if (inQuotes)
                {
                    // The splitter finds where the first bad quote stands.
                    Split(_start, scan, quoted: true);
                    throw errors.UnclosedQuote(Line, ColumnName(FieldCount - 1));
                }

                return scan == 0 ? -1 : scan;
            }

            scan += found;
            if (scan > MaxRecordBytes)
            {
                throw TooLong(record[..scan], inQuotes);
            }

            switch (record[scan])
            {
                case (byte)'"':
                    quoted = true;
                    inQuotes = !inQuotes;
                    scan++;
                    break;
                case (byte)'\n':
                    skip = 1;
                    return scan;
                case (byte)'\r':
                    if (scan + 1 == record.Length)
                    {
                        if (Refill())
                        {
                            continue;
                        }

                        // A last line that ends with CR: the break was cut short, nothing is lost.
                        skip = 1;
                        return scan;
                    }

                    if (record[scan + 1] == (byte)'\n')
                    {
                        skip = 2;
                        return scan;
                    }

                    throw errors.BareCarriageReturn(LineAt(record[..scan]), ColumnAt(record[..scan]));
                default:
                    throw errors.Nul(LineAt(record[..scan]), ColumnAt(record[..scan]));
            }
        }
    }

    private VertFedException TooLong(ReadOnlySpan<byte> record, bool inQuotes)
    {
        if (inQuotes)
        {
            Split(_start, record.Length, quoted: true);
        }

        return errors.RecordTooLong(Line, MaxRecordBytes);
    }

    private bool Refill()
    {
        if (_atEnd)
        {
            return false;
        }

        if (_start > 0)
        {
            _buffer.AsSpan(_start, _filled - _start).CopyTo(_buffer);
            _filled -= _start;
            _start = 0;
        }

        if (_filled == _buffer.Length)
        {
            Array.Resize(ref _buffer, _buffer.Length * 2);
        }

        int read = stream.Read(_buffer, _filled, _buffer.Length - _filled);
        hash?.AppendData(_buffer, _filled, read);
        _filled += read;
        _atEnd = read == 0;
        return read > 0;
    }

    private void Split(int start, int length, bool quoted)
    {
        FieldCount = 0;
        Span<byte> record = _buffer.AsSpan(start, length);
        if (!Utf8.IsValid(record))
        {
            int bad = FirstInvalid(record);
            throw errors.InvalidUtf8(LineAt(record[..bad]), ColumnAt(record[..bad]));
        }

        _nextLine++;
        if (!quoted)
        {
            int from = 0;
            while (true)
            {
                int next = record[from..].IndexOf(delimiter);
                if (next < 0)
                {
                    Add(start + from, start + length);
                    return;
                }

                Add(start + from, start + from + next);
                from += next + 1;
            }
        }

        SplitQuoted(start, record);
    }

    private void SplitQuoted(int start, Span<byte> record)
    {
        _nextLine += record.Count((byte)'\n');
        int at = 0;
        while (true)
        {
            if (at < record.Length && record[at] == (byte)'"')
            {
                int open = at++;
                int from = at;
                int write = at;
                while (true)
                {
                    int close = record[at..].IndexOf((byte)'"');
                    if (close < 0)
                    {
                        throw errors.UnclosedQuote(LineAt(record[..open]), ColumnName(FieldCount));
                    }

                    record.Slice(at, close).CopyTo(record[write..]);
                    write += close;
                    at += close + 1;
                    if (at < record.Length && record[at] == (byte)'"')
                    {
                        record[write++] = (byte)'"';
                        at++;
                        continue;
                    }

                    break;
                }

                Add(start + from, start + write);
                if (at < record.Length && record[at] != delimiter)
                {
                    throw errors.TextAfterQuote(LineAt(record[..open]), ColumnName(FieldCount - 1));
                }
            }
            else
            {
                int next = record[at..].IndexOfAny(delimiter, (byte)'"');
                if (next >= 0 && record[at + next] == (byte)'"')
                {
                    throw errors.StrayQuote(LineAt(record[..at]), ColumnName(FieldCount));
                }

                int end = next < 0 ? record.Length : at + next;
                Add(start + at, start + end);
                at = end;
            }

            if (at == record.Length)
            {
                return;
            }

            at++;
        }
    }

    private void Add(int from, int to)
    {
        if (FieldCount == _from.Length)
        {
            if (FieldCount >= MaxFields)
            {
                throw errors.TooManyFields(Line, MaxFields);
            }

            Array.Resize(ref _from, _from.Length * 2);
            Array.Resize(ref _to, _to.Length * 2);
        }

        _from[FieldCount] = from;
        _to[FieldCount++] = to;
    }

    private long LineAt(ReadOnlySpan<byte> before) => Line + before.Count((byte)'\n');

    private string ColumnAt(ReadOnlySpan<byte> before)
    {
        int column = 0;
        bool inQuotes = false;
        foreach (byte b in before)
        {
            inQuotes ^= b == (byte)'"';
            column += !inQuotes && b == delimiter ? 1 : 0;
        }

        return ColumnName(column);
    }

    private string ColumnName(int index) => index < _names.Count ? _names[index] : $"#{index + 1}";

    private static int FirstInvalid(ReadOnlySpan<byte> bytes)
    {
        int at = 0;
        while (System.Text.Rune.DecodeFromUtf8(bytes[at..], out _, out int consumed) == OperationStatus.Done)
        {
            at += consumed;
        }

        return at;
    }
}
