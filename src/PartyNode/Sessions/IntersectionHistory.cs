using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VertFed.PartyNode.Reporting;
using VertFed.Protocol;

namespace VertFed.PartyNode.Sessions;

/// <summary>
/// The intersections of earlier jobs, peer by peer, as sorted 8-byte keyed hashes of the ids under a key that stays in this folder:
/// enough to count how many rows two jobs differ in, and no list of customers.
/// </summary>
/// <remarks>Two models fitted on intersections that differ in a few rows tell about those rows; the policy's minimum difference
/// refuses the second.</remarks>
internal sealed class IntersectionHistory(string folder)
{
    private const int KeyBytes = 32;

    /// <summary>Fewest rows by which this intersection differs from an earlier job's with the same peer, leaving out earlier ones
    /// that are the same; null if there is none.</summary>
    public long? SmallestDifference(string peer, string job, ulong[] rows)
    {
        long? smallest = null;
        string place = Place(peer);
        if (!Directory.Exists(place))
        {
            return null;
        }

        foreach (string file in Directory.EnumerateFiles(place, "*.rows"))
        {
            if (Path.GetFileNameWithoutExtension(file) == job)
            {
                continue;
            }

            long difference = Difference(rows, Read(file));
            if (difference > 0 && (smallest is null || difference < smallest))
            {
                smallest = difference;
            }
        }

        return smallest;
    }

    /// <summary>Keeps this job's intersection; called before anything is learned from it.</summary>
    public void Add(string peer, string job, ulong[] rows)
    {
        AtomicFile.CreateFolder(Place(peer));
        byte[] bytes = new byte[rows.Length * sizeof(ulong)];
        for (int i = 0; i < rows.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)), rows[i]);
        }

        AtomicFile.Write(Path.Combine(Place(peer), job + ".rows"), bytes);
    }

    /// <summary>The sorted hashes of ids.</summary>
    public ulong[] Hash(IReadOnlyList<string> ids)
    {
        byte[] key = LoadKey();
        ulong[] hashes = new ulong[ids.Count];
        Parallel.For(0, ids.Count, i =>
        {
            Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
            HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(ids[i]), mac);
            hashes[i] = BinaryPrimitives.ReadUInt64LittleEndian(mac);
        });
        CryptographicOperations.ZeroMemory(key);
        Array.Sort(hashes);
        return hashes;
    }

    /// <summary>Size of the symmetric difference of two sorted lists.</summary>
    internal static long Difference(ReadOnlySpan<ulong> left, ReadOnlySpan<ulong> right)
    {
        long common = 0;
        int i = 0;
        int j = 0;
        while (i < left.Length && j < right.Length)
        {
            int order = left[i].CompareTo(right[j]);
            common += order == 0 ? 1 : 0;
            i += order <= 0 ? 1 : 0;
            j += order >= 0 ? 1 : 0;
        }

        return left.Length + right.Length - (2 * common);
    }

    private static ulong[] Read(string file)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(file);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(ErrorCode.Storage, $"{Path.GetFileName(file)} cannot be read ({error.GetType().Name})", error);
        }

        ulong[] rows = new ulong[bytes.Length / sizeof(ulong)];
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i] = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)));
        }

        return rows;
    }

    private string Place(string peer) => Path.Combine(folder, peer);

    private byte[] LoadKey()
    {
        string path = Path.Combine(folder, "key");
        if (!File.Exists(path))
        {
            AtomicFile.CreateFolder(folder);
            AtomicFile.Write(path, RandomNumberGenerator.GetBytes(KeyBytes));
        }

        byte[] key = File.ReadAllBytes(path);
        return key.Length == KeyBytes
            ? key
            : throw new VertFedException(ErrorCode.Storage, $"the key of the intersection history is not {KeyBytes} bytes long");
    }
}
