using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using VertFed.Protocol;

namespace VertFed.Transcript;

/// <summary>A record as it stands in a file. Nothing in it is verified.</summary>
/// <param name="Number">From 1, the header.</param>
/// <param name="Offset">Of the record's first byte in the file.</param>
/// <param name="Body">Valid until the next record is read.</param>
public readonly record struct TranscriptRecord(RecordType Type, long Number, long Offset, ReadOnlyMemory<byte> Body);

/// <summary>
/// Reads a transcript file record by record in constant memory: magic, types, their order, and a limit on every length. Bodies are not
/// parsed. Not thread-safe; the stream stays the caller's.
/// </summary>
public sealed class TranscriptReader : IDisposable
{
    private const int BufferBytes = 2 * (TranscriptFormat.RecordHeadBytes + TranscriptFormat.PayloadPartBytes);

    private readonly Stream _input;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
    private int _start;
    private int _end;
    private long _number;
    private bool _disposed;
    private bool _begun;
    private RecordType? _last;

    public TranscriptReader(Stream input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _input = input;
    }

    /// <summary>Bytes read as records so far.</summary>
    public long Offset { get; private set; }

    /// <summary>Whether the file is that of a horizontal job; known once <see cref="BeginAsync"/> or the first record was read.</summary>
    public bool IsHorizontal { get; private set; }

    /// <summary>SHA-256 of all bytes before the trailer; null before the trailer was read.</summary>
    public byte[]? FileHash { get; private set; }

    /// <summary>Reads the next record.</summary>
    /// <returns>Null once the trailer was read and nothing stands after it.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.DoesNotVerify"/>, with record number and byte offset: not a transcript, a
    /// record of unknown type, out of place or too long, a file that ends early, or bytes after the trailer.
    /// <see cref="ErrorCode.Storage"/>: the stream cannot be read.</exception>
    public async ValueTask<TranscriptRecord?> ReadAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            return await NextAsync(cancellationToken);
        }
        catch (RuleBrokenException e)
        {
            throw Error.DoesNotVerify(e.Message, inner: e);
        }
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _hash.Dispose();
            ArrayPool<byte>.Shared.Return(_buffer);
        }
    }

    /// <summary>As <see cref="ReadAsync"/>, with the rule that was broken.</summary>
    internal async ValueTask<TranscriptRecord?> NextAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        await BeginAsync(cancellationToken);
        long offset = Offset;
        if (_last == RecordType.Trailer)
        {
            return await FillAsync(1, cancellationToken)
                ? throw Broken(Rules.TrailingBytes, $"Bytes stand after the trailer, from offset {offset}.")
                : null;
        }

        _number++;
        await RequireAsync(TranscriptFormat.RecordHeadBytes, cancellationToken);
        RecordType type = (RecordType)_buffer[_start];
        ulong length = BinaryPrimitives.ReadUInt64BigEndian(_buffer.AsSpan(_start + 1));
        int longest = TranscriptFormat.LongestBody(type);
        if (longest == 0 || !TranscriptFormat.MayFollow(_last, type))
        {
            throw Broken(
                Rules.Format,
                longest == 0
                    ? $"Record {_number} at offset {offset} has the type {(int)type}, which does not exist."
                    : $"Record {_number} at offset {offset}: a record {type} may not stand after {_last?.ToString() ?? "the magic"}.");
        }

        if (length > (ulong)longest)
        {
            throw Broken(Rules.Format, $"Record {_number} ({type}) at offset {offset} says {length} bytes; at most {longest} are allowed.");
        }

        await RequireAsync(TranscriptFormat.RecordHeadBytes + (int)length, cancellationToken);
        if (type == RecordType.Trailer)
        {
            FileHash = _hash.GetCurrentHash();
        }

        Take(TranscriptFormat.RecordHeadBytes);
        TranscriptRecord record = new(type, _number, offset, _buffer.AsMemory(_start, (int)length));
        Take((int)length);
        _last = type;
        return record;
    }

    private static RuleBrokenException Broken(string rule, string message) => new(rule, message);

    /// <summary>Reads the magic, unless that was done.</summary>
    /// <exception cref="RuleBrokenException">It is no transcript file's.</exception>
    internal async ValueTask BeginAsync(CancellationToken cancellationToken)
    {
        if (_begun)
        {
            return;
        }

        int length = TranscriptFormat.Magic.Length;
        ReadOnlyMemory<byte> magic = await FillAsync(length, cancellationToken) ? _buffer.AsMemory(_start, length) : default;
        IsHorizontal = magic.Span.SequenceEqual(TranscriptFormat.HorizontalMagic);
        if (!IsHorizontal && !magic.Span.SequenceEqual(TranscriptFormat.Magic))
        {
            throw Broken(Rules.Format, "This is not a transcript file: its first eight bytes are not those of one.");
        }

        Take(length);
        _begun = true;
    }

    private void Take(int bytes)
    {
        _hash.AppendData(_buffer, _start, bytes);
        _start += bytes;
        Offset += bytes;
    }

    private async Task RequireAsync(int bytes, CancellationToken cancellationToken)
    {
        if (!await FillAsync(bytes, cancellationToken))
        {
            throw Broken(Rules.Truncated, $"The file ends in record {_number}, which begins at offset {Offset}: it has no trailer.");
        }
    }

    /// <summary>Has at least so many bytes in the buffer, or the stream's end.</summary>
    private async ValueTask<bool> FillAsync(int bytes, CancellationToken cancellationToken)
    {
        if (_end - _start >= bytes)
        {
            return true;
        }

        if (_start + bytes > _buffer.Length || _start == _end)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }

        try
        {
            int missing = bytes - (_end - _start);
            int read = await _input.ReadAtLeastAsync(_buffer.AsMemory(_end), missing, throwOnEndOfStream: false, cancellationToken);
            _end += read;
            return read >= missing;
        }
        catch (IOException e)
        {
            throw Error.Storage($"The transcript cannot be read: {e.Message}", e);
        }
    }
}
