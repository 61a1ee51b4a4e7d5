using System.Collections.Concurrent;

namespace VertFed.Lattice;

/// <summary>
/// Arrays of one length for reuse, on the pinned heap so that they never move. Arrays that held secrets are zeroed when they come
/// back. Keeps at most a few; more are left to the collector.
/// </summary>
internal sealed class BufferPool<T>(int length)
    where T : unmanaged
{
    private const int MaximumKept = 32;
    private readonly ConcurrentBag<T[]> _free = [];

    /// <summary>An array with any content.</summary>
    internal T[] Rent() => _free.TryTake(out T[]? buffer) ? buffer : GC.AllocateUninitializedArray<T>(length, pinned: true);

    /// <summary>Takes an array back that the caller will not touch any more.</summary>
    internal void Return(T[] buffer, bool zero)
    {
        if (zero)
        {
            System.Security.Cryptography.CryptographicOperations.ZeroMemory(
                System.Runtime.InteropServices.MemoryMarshal.AsBytes(buffer.AsSpan()));
        }

        if (buffer.Length == length && _free.Count < MaximumKept)
        {
            _free.Add(buffer);
        }
    }
}
