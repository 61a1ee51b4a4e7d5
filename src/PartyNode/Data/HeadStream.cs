namespace VertFed.PartyNode.Data;

/// <summary>A stream whose first bytes can be looked at before they are read, and which ends with an error past a limit.</summary>
/// <param name="tooLong">Makes the error for more than <paramref name="limit"/> bytes.</param>
internal sealed class HeadStream(Stream inner, long limit, Func<Exception> tooLong) : ReadOnlyStream
{
    private byte[] _head = [];
    private int _used;
    private long _read;

    /// <summary>The first bytes, up to <paramref name="count"/>, fewer only where the stream ends. To be called once, before reading.</summary>
    public byte[] Peek(int count)
    {
        byte[] head = new byte[count];
        int filled = inner.ReadAtLeast(head, count, throwOnEndOfStream: false);
        _head = head[..filled];
        return _head;
    }

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

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
