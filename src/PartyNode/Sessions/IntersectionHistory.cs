using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using VertFed.Models;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Reporting;
using VertFed.Protocol;

namespace VertFed.PartyNode.Sessions;

/// <summary>
/// The intersections of earlier jobs, peer by peer, as sorted 8-byte keyed hashes of the ids under a key that stays in this folder:
/// enough to count how many rows two jobs differ in, and no list of customers.
/// </summary>
/// <remarks>Two models fitted on intersections that differ in a few rows tell about those rows; the policy's minimum difference
/// refuses the second.</remarks>
/// <param name="recent">How long an intersection is kept and compared with, counted from the job's alignment.</param>
internal sealed class IntersectionHistory(string folder, TimeSpan recent, TimeProvider time)
{
    /// <summary>The folder's name in the data folder.</summary>
    public const string FolderName = "intersections";

    private const int KeyBytes = 32;

    /// <summary>Held while a job is compared and kept, so that of two jobs at once the later sees the earlier. A node has one history, so that
    /// what is compared is not pruned meanwhile.</summary>
    public Lock Gate { get; } = new();

    public static IntersectionHistory Of(PartyConfig config, TimeProvider time) =>
        new(Path.Combine(config.DataDirectory, FolderName), TimeSpan.FromDays(config.Policy.IntersectionHistoryDays), time);

    /// <summary>Forgets intersections that are no longer recent.</summary>
    /// <returns>How many.</returns>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: one cannot be deleted.</exception>
    public int Prune()
    {
        lock (Gate)
        {
            string[] old = [.. Files(folder, SearchOption.AllDirectories).Where(file => !IsRecent(file))];
            foreach (string file in old)
            {
                Guarded(file, "deleted", () => File.Delete(file));
            }

            return old.Length;
        }
    }

    /// <summary>Fewest rows by which this intersection differs from an earlier job's with the same peer, leaving out earlier ones
    /// that are the same; null if there is none.</summary>
    public long? SmallestDifference(string peer, string job, ulong[] rows)
    {
        long? smallest = null;
        foreach (string file in Files(Place(peer), SearchOption.TopDirectoryOnly))
        {
            if (Path.GetFileNameWithoutExtension(file) == job || !IsRecent(file))
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

        string file = Path.Combine(Place(peer), job + ".rows");
        AtomicFile.Write(file, bytes);
        Guarded(file, "dated", () => File.SetLastWriteTimeUtc(file, time.GetUtcNow().UtcDateTime));
    }

    /// <summary>The sorted hashes of ids.</summary>
    public ulong[] Hash(IReadOnlyList<string> ids)
    {
        byte[] key = LoadKey();
        ulong[] hashes = new ulong[ids.Count];
        Parallel.For(0, ids.Count, Processors.OneThreadEach, i =>
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
        byte[] bytes = ReadBytes(file);
        ulong[] rows = new ulong[bytes.Length / sizeof(ulong)];
        for (int i = 0; i < rows.Length; i++)
        {
            rows[i] = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong)));
        }

        return rows;
    }

    private bool IsRecent(string file)
    {
        DateTimeOffset written = default;
        Guarded(file, "looked at", () => written = new DateTimeOffset(File.GetLastWriteTimeUtc(file)));
        return time.GetUtcNow() - written < recent;
    }

    private static string[] Files(string place, SearchOption depth)
    {
        string[] files = [];
        Guarded(place, "listed", () => files = Directory.Exists(place) ? Directory.GetFiles(place, "*.rows", depth) : []);
        return files;
    }

    private static byte[] ReadBytes(string file)
    {
        byte[] bytes = [];
        Guarded(file, "read", () => bytes = File.ReadAllBytes(file));
        return bytes;
    }

    private static void Guarded(string path, string what, Action action)
    {
        try
        {
            action();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new VertFedException(ErrorCode.Storage, $"{Path.GetFileName(path)} cannot be {what} ({error.GetType().Name})", error);
        }
    }

    private string Place(string peer) => Path.Combine(folder, peer);

    /// <summary>Two jobs that are the first at the same time get one key: hashes under two could never be compared.</summary>
    private byte[] LoadKey()
    {
        string path = Path.Combine(folder, "key");
        byte[] key;
        lock (Gate)
        {
            if (!File.Exists(path))
            {
                AtomicFile.CreateFolder(folder);
                AtomicFile.Write(path, RandomNumberGenerator.GetBytes(KeyBytes));
            }

            key = ReadBytes(path);
        }

        return key.Length == KeyBytes
            ? key
            : throw new VertFedException(ErrorCode.Storage, $"the key of the intersection history is not {KeyBytes} bytes long");
    }
}
