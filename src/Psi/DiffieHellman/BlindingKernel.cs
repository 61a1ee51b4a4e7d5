using VertFed.Psi.Group;

namespace VertFed.Psi.DiffieHellman;

/// <summary>The group work on one part, spread over threads. Every output has its own place, so threads do not show in it.</summary>
internal sealed class BlindingKernel(Scalar exponent, int maxThreads)
{
    private const int ElementBytes = RistrettoBatch.ElementBytes;
    private const int ItemElements = 4 * RistrettoBatch.BatchSize;

    /// <summary>k·H(id) for the ids at the given places, in their order.</summary>
    public byte[] Blind(IReadOnlyList<string> ids, ReadOnlyMemory<int> places, CancellationToken cancellationToken)
    {
        byte[] elements = new byte[places.Length * ElementBytes];
        ForEachItem(places.Length, Work, cancellationToken);
        return elements;

        int Work(int first, int count)
        {
            byte[] uniform = new byte[count * RistrettoBatch.UniformBytes];
            for (int i = 0; i < count; i++)
            {
                HashToGroup.Hash(
                    ids[places.Span[first + i]],
                    uniform.AsSpan(i * RistrettoBatch.UniformBytes, RistrettoBatch.UniformBytes));
            }

            RistrettoBatch.DeriveAndMultiply(uniform, exponent, elements.AsSpan(first * ElementBytes, count * ElementBytes));
            return -1;
        }
    }

    /// <summary>k·E for every received element; the index of the first bad one, or −1.</summary>
    public int Evaluate(ReadOnlyMemory<byte> received, byte[] elements, CancellationToken cancellationToken) =>
        ForEachItem(
            received.Length / ElementBytes,
            (first, count) => RistrettoBatch.DecodeAndMultiply(
                received.Span.Slice(first * ElementBytes, count * ElementBytes),
                exponent,
                elements.AsSpan(first * ElementBytes, count * ElementBytes)),
            cancellationToken);

    /// <summary>The index of the first received element that is bad, or −1.</summary>
    public int FindInvalid(ReadOnlyMemory<byte> received, CancellationToken cancellationToken) =>
        ForEachItem(
            received.Length / ElementBytes,
            (first, count) => RistrettoBatch.FindInvalid(received.Span.Slice(first * ElementBytes, count * ElementBytes)),
            cancellationToken);

    /// <summary>Runs the work on items of consecutive elements and gives the first index that an item reports, or −1.</summary>
    private int ForEachItem(int total, Func<int, int, int> work, CancellationToken cancellationToken)
    {
        int items = (total + ItemElements - 1) / ItemElements;
        int[] found = new int[items];
        ParallelOptions options = new() { CancellationToken = cancellationToken, MaxDegreeOfParallelism = maxThreads };
        Parallel.For(0, items, options, item =>
        {
            int first = item * ItemElements;
            int index = work(first, Math.Min(ItemElements, total - first));
            found[item] = index < 0 ? -1 : first + index;
        });
        foreach (int index in found)
        {
            if (index >= 0)
            {
                return index;
            }
        }

        return -1;
    }
}
