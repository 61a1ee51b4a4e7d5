using System.Buffers.Binary;
using System.Numerics;
using VertFed.Primitives;
using VertFed.Psi.Group;

namespace VertFed.Psi.DiffieHellman;

/// <summary>
/// A set of encoded elements, numbered in the order in which they come: parts of flat bytes and one table of indexes with
/// open addressing. Grows with what has come, not with what was announced.
/// </summary>
internal sealed class ElementSet
{
    /// <summary>Elements a part; every part but the last is full.</summary>
    public const int PartElements = 1 << PartBits;

    private const int PartBits = 16;
    private const int ElementBytes = RistrettoBatch.ElementBytes;
    private readonly List<byte[]> _parts = [];
    private readonly ulong[] _key = new ulong[4];

    // Index + 1, or 0 where free; the length is a power of two, at least twice the count.
    private int[] _slots = new int[1024];

    /// <param name="keyStream">
    /// Keys the hash of the table (multiply-shift over the four words), so that a peer cannot choose elements that collide.
    /// </param>
    public ElementSet(RandomStream keyStream)
    {
        for (int i = 0; i < _key.Length; i++)
        {
            _key[i] = keyStream.NextUInt64() | 1;
        }
    }

    public int Count { get; private set; }

    /// <summary>
    /// Adds a part: full, unless it is the last one. Returns −1, or the index in the part of the first element that the set
    /// already has; after that the set is not to be used.
    /// </summary>
    public int Add(byte[] part)
    {
        _parts.Add(part);
        int added = part.Length / ElementBytes;
        Grow(Count + added);
        for (int i = 0; i < added; i++)
        {
            ref int slot = ref Slot(part.AsSpan(i * ElementBytes, ElementBytes));
            if (slot != 0)
            {
                return i;
            }

            slot = ++Count;
        }

        return -1;
    }

    /// <summary>The index of an element, or −1.</summary>
    public int Find(ReadOnlySpan<byte> element) => Slot(element) - 1;

    /// <summary>The element with this index, 32 bytes.</summary>
    public ReadOnlySpan<byte> this[int index] =>
        _parts[index >> PartBits].AsSpan((index & (PartElements - 1)) * ElementBytes, ElementBytes);

    private ref int Slot(ReadOnlySpan<byte> element)
    {
        int mask = _slots.Length - 1;
        int at = (int)(Hash(element) >> (64 - BitOperations.Log2((uint)_slots.Length)));
        while (_slots[at] != 0 && !this[_slots[at] - 1].SequenceEqual(element))
        {
            at = (at + 1) & mask;
        }

        return ref _slots[at];
    }

    private ulong Hash(ReadOnlySpan<byte> element) =>
        (BinaryPrimitives.ReadUInt64LittleEndian(element) * _key[0])
        + (BinaryPrimitives.ReadUInt64LittleEndian(element[8..]) * _key[1])
        + (BinaryPrimitives.ReadUInt64LittleEndian(element[16..]) * _key[2])
        + (BinaryPrimitives.ReadUInt64LittleEndian(element[24..]) * _key[3]);

    private void Grow(int count)
    {
        if (2L * count <= _slots.Length)
        {
            return;
        }

        _slots = new int[BitOperations.RoundUpToPowerOf2((uint)(2L * count))];
        for (int i = 0; i < Count; i++)
        {
            Slot(this[i]) = i + 1;
        }
    }
}
