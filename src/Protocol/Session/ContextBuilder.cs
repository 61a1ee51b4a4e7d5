using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace VertFed.Protocol;

/// <summary>
/// Builds the context of a key derivation: each field is its length (4 bytes, big-endian) and its bytes, so that no two lists
/// of fields give one context.
/// </summary>
internal sealed class ContextBuilder
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public ContextBuilder Add(ReadOnlySpan<byte> field)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(length, field.Length);
        _bytes.Write(length);
        _bytes.Write(field);
        return this;
    }

    public ContextBuilder Add(string field) => Add(Encoding.UTF8.GetBytes(field));

    public ContextBuilder Add(long field)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, field);
        return Add(bytes);
    }

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();
}
