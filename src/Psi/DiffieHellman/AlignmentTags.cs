using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using VertFed.Psi.Group;

namespace VertFed.Psi.DiffieHellman;

/// <summary>SHA-256("vertfed/v1/alignment-tag" || element): 256 bits that order the aligned rows alike on both sides.</summary>
internal readonly record struct AlignmentTag(ulong W0, ulong W1, ulong W2, ulong W3) : IComparable<AlignmentTag>
{
    private static ReadOnlySpan<byte> Prefix => "vertfed/v1/alignment-tag"u8;

    public static AlignmentTag Of(ReadOnlySpan<byte> element)
    {
        Span<byte> input = stackalloc byte[Prefix.Length + RistrettoBatch.ElementBytes];
        Prefix.CopyTo(input);
        element.CopyTo(input[Prefix.Length..]);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(input, hash);
        return new AlignmentTag(
            BinaryPrimitives.ReadUInt64BigEndian(hash),
            BinaryPrimitives.ReadUInt64BigEndian(hash[8..]),
            BinaryPrimitives.ReadUInt64BigEndian(hash[16..]),
            BinaryPrimitives.ReadUInt64BigEndian(hash[24..]));
    }

    /// <summary>The order of the tags' bytes.</summary>
    public int CompareTo(AlignmentTag other)
    {
        int order = W0.CompareTo(other.W0);
        order = order != 0 ? order : W1.CompareTo(other.W1);
        order = order != 0 ? order : W2.CompareTo(other.W2);
        return order != 0 ? order : W3.CompareTo(other.W3);
    }

    public void WriteTo(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64BigEndian(bytes, W0);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], W1);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[16..], W2);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[24..], W3);
    }
}

/// <summary>The rows found in common so far, with their tags.</summary>
internal sealed class AlignedRows
{
    private readonly List<AlignmentTag> _tags = [];
    private readonly List<int> _rows = [];

    public int Count => _rows.Count;

    public void Add(int row, ReadOnlySpan<byte> element)
    {
        _tags.Add(AlignmentTag.Of(element));
        _rows.Add(row);
    }

    /// <summary>The rows in the order of their tags, and SHA-256 over the tags in that order.</summary>
    public (int[] Rows, byte[] Digest) Sort()
    {
        Span<AlignmentTag> tags = CollectionsMarshal.AsSpan(_tags);
        tags.Sort(CollectionsMarshal.AsSpan(_rows));
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> bytes = stackalloc byte[SHA256.HashSizeInBytes];
        foreach (AlignmentTag tag in tags)
        {
            tag.WriteTo(bytes);
            hash.AppendData(bytes);
        }

        return ([.. _rows], hash.GetHashAndReset());
    }
}
