namespace VertFed.PartyNode.Data;

/// <summary>A stream whose first bytes can be looked at before they are read, and which ends with an error past a limit.</summary>
/// <param name="tooLong">Makes the error for more than <paramref name="limit"/> bytes.</param>
internal sealed class HeadStream(Stream inner, long limit, Func<Exception> tooLong) : Stream
{
    private byte[] _head = [];
    private int _used;
    private long _read;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>The first bytes, up to <paramref name="count"/>, fewer only where the stream ends. To be called once, before reading.</summary>
    public byte[] Peek(int count)
    {
        byte[] head = new byte[count];
        int filled = inner.ReadAtLeast(head, count, throwOnEndOfStream: false);
        _head = head[..filled];
        return _head;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _head.Length - _used);
        if (count > 0)
        {
            _head.AsSpan(_used, count).CopyTo(buffer);
            _used += count;
        }
        else
        {
            count = inner.Read(buffer);
        }

        _read += count;
        return _read > limit ? throw tooLong() : count;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
