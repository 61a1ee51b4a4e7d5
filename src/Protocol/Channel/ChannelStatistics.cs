using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>What crossed in one phase and direction.</summary>
/// <param name="Sent">True: from this party; false: to it.</param>
/// <param name="Envelopes">Count of envelopes.</param>
/// <param name="Bytes">Payload bytes as they travel (sealed, where the step is sealed).</param>
public sealed record PhaseTraffic(Phase Phase, bool Sent, long Envelopes, long Bytes);

/// <summary>Counts of one channel. Thread-safe: progress is read while the job runs.</summary>
public sealed class ChannelStatistics
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<(Phase Phase, bool Sent), (long Envelopes, long Bytes)> _counts = [];
    private long _duplicates;

    /// <summary>Envelopes that came again after they had been accepted, and were dropped.</summary>
    public long DuplicatesDropped => Interlocked.Read(ref _duplicates);

    /// <summary>A snapshot, by phase.</summary>
    public IReadOnlyList<PhaseTraffic> Traffic
    {
        get
        {
            lock (_gate)
            {
                return [.. _counts.Select(pair => new PhaseTraffic(pair.Key.Phase, pair.Key.Sent, pair.Value.Envelopes, pair.Value.Bytes))];
            }
        }
    }

    /// <summary>Payload bytes of a phase in both directions.</summary>
    public long BytesOf(Phase phase) => Traffic.Where(traffic => traffic.Phase == phase).Sum(traffic => traffic.Bytes);

    /// <summary>Payload bytes that this party sent in a phase.</summary>
    public long BytesSentIn(Phase phase) =>
        Traffic.Where(traffic => traffic.Phase == phase && traffic.Sent).Sum(traffic => traffic.Bytes);

    internal void Count(Phase phase, bool sent, int payloadBytes)
    {
        lock (_gate)
        {
            (long envelopes, long bytes) = _counts.GetValueOrDefault((phase, sent));
            _counts[(phase, sent)] = (envelopes + 1, bytes + payloadBytes);
        }
    }

    internal void CountDuplicate() => Interlocked.Increment(ref _duplicates);
}
