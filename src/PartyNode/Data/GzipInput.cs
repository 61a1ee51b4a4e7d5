using System.Buffers.Binary;
using System.IO.Compression;

namespace VertFed.PartyNode.Data;

/// <summary>
/// Decompresses a gzip file of one member and holds its end to the length that its last four bytes state (RFC 1952, section 2.3.1): the
/// framework's own stream takes a file that was cut short for a shorter one.
/// </summary>
internal sealed class GzipInput : ReadOnlyStream
{
    private readonly Tail _packed;
    private readonly GZipStream _gzip;
    private readonly Func<Exception> _damaged;
    private uint _length;

    /// <param name="damaged">Makes the error for data that does not end as it should.</param>
    public GzipInput(Stream packed, Func<Exception> damaged)
    {
        _packed = new Tail(packed);
        _gzip = new GZipStream(_packed, CompressionMode.Decompress);
        _damaged = damaged;
    }

    public override int Read(Span<byte> buffer)
    {
        int read = _gzip.Read(buffer);
        unchecked
        {
            _length += (uint)read;
        }

        return read == 0 && !buffer.IsEmpty && _packed.LastNumber != _length ? throw _damaged() : read;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _gzip.Dispose();
            _packed.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Remembers the last four bytes that were read.</summary>
    private sealed class Tail(Stream inner) : ReadOnlyStream
    {
        private readonly byte[] _last = new byte[sizeof(uint)];

        public uint LastNumber => BinaryPrimitives.ReadUInt32LittleEndian(_last);

        public override int Read(Span<byte> buffer)
        {
            int read = inner.Read(buffer);
            int kept = Math.Min(read, _last.Length);
            _last.AsSpan(kept).CopyTo(_last);
            buffer.Slice(read - kept, kept).CopyTo(_last.AsSpan(_last.Length - kept));
            return read;
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
}
