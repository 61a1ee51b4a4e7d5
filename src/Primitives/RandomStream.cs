using System.Buffers.Binary;
using System.Security.Cryptography;

namespace VertFed.Primitives;

/// <summary>
/// A deterministic stream of uniform bytes: AES-256 in counter mode (NIST SP 800-38A, section 6.5) over zeros, counter
/// block = 128-bit big-endian integer that starts at zero. The same 32-byte key gives the same bytes on every machine.
/// One key serves one purpose: callers derive it (HKDF) with a label of its own and never share a stream.
/// </summary>
/// <remarks>Not thread-safe: parallel work takes one stream per work item. Key schedule and buffer are zeroed on disposal.</remarks>
public sealed class RandomStream : IDisposable
{
    /// <summary>Length of a stream key in bytes.</summary>
    public const int KeyBytes = 32;

    private const int BufferBytes = 4096;
    private readonly Aes _aes;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly byte[] _counters = new byte[BufferBytes];
    private ulong _nextBlock;
    private int _used = BufferBytes;
    private bool _disposed;

    /// <param name="key">32 uniform bytes; copied into the key schedule, not kept.</param>
    /// <exception cref="ArgumentException">The key is not 32 bytes long.</exception>
    public RandomStream(ReadOnlySpan<byte> key)
    {
        if (key.Length != KeyBytes)
        {
            throw new ArgumentException($"A stream key has {KeyBytes} bytes, not {key.Length}.", nameof(key));
        }

        _aes = Aes.Create();
        _aes.SetKey(key);
    }

    /// <summary>Derives a stream with HKDF-SHA256 (RFC 5869, expand only) from a uniform 32-byte key and a context string.</summary>
    public static RandomStream Derive(ReadOnlySpan<byte> key, ReadOnlySpan<byte> info)
    {
        Span<byte> derived = stackalloc byte[KeyBytes];
        HKDF.Expand(HashAlgorithmName.SHA256, key, derived, info);
        RandomStream stream = new(derived);
        CryptographicOperations.ZeroMemory(derived);
        return stream;
    }

    /// <summary>Writes the next bytes of the stream.</summary>
    public void Fill(Span<byte> destination)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        while (!destination.IsEmpty)
        {
            if (_used == BufferBytes)
            {
                if (destination.Length >= BufferBytes)
                {
                    WriteBlocks(destination[..BufferBytes]);
                    destination = destination[BufferBytes..];
                    continue;
                }

                WriteBlocks(_buffer);
                _used = 0;
            }

            int take = Math.Min(destination.Length, BufferBytes - _used);
            _buffer.AsSpan(_used, take).CopyTo(destination);
            _used += take;
            destination = destination[take..];
        }
    }

    /// <summary>The next 64 bits of the stream, read little-endian.</summary>
    public ulong NextUInt64()
    {
        Span<byte> bytes = stackalloc byte[8];
        Fill(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <summary>A uniform integer in [0, bound), by rejection on the smallest power of two that holds the bound.</summary>
    /// <remarks>Variable-time in the rejected draws only, which are independent of the result.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">The bound is zero.</exception>
    public ulong NextBelow(ulong bound)
    {
        ArgumentOutOfRangeException.ThrowIfZero(bound);
        ulong mask = bound == 1 ? 0 : ulong.MaxValue >> System.Numerics.BitOperations.LeadingZeroCount(bound - 1);
        while (true)
        {
            ulong draw = NextUInt64() & mask;
            if (draw < bound)
            {
                return draw;
            }
        }
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        CryptographicOperations.ZeroMemory(_buffer);
        _aes.Dispose();
    }

    private void WriteBlocks(Span<byte> destination)
    {
        for (int offset = 0; offset < BufferBytes; offset += 16)
        {
            BinaryPrimitives.WriteUInt64BigEndian(_counters.AsSpan(offset + 8), _nextBlock++);
        }

        _aes.EncryptEcb(_counters, destination, PaddingMode.None);
    }
}
