using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Relay;

/// <summary>What one connection has said to its party about one job. A new connection starts with an empty one and says it all again.</summary>
internal sealed class JobView(string job, uint attempt, Role role)
{
    private long _acknowledged;
    private long _sentBelow;

    public string Job { get; } = job;

    public uint Attempt { get; } = attempt;

    /// <summary>The party's own role.</summary>
    public Role Role { get; } = role;

    public Role Peer { get; } = role.Other();

    public bool OfferSent { get; set; }

    public bool StartSent { get; set; }

    public bool IsRunning { get; set; }

    /// <summary>The sequence number that is read from the store next; -1 before the first look.</summary>
    public long Cursor { get; set; } = -1;

    /// <summary>Read from the store and not yet sent.</summary>
    public Queue<StoredEnvelope> Pending { get; } = new();

    /// <summary>Sent and not acknowledged, with their payload sizes.</summary>
    public Queue<StoredEnvelope> InFlight { get; } = new();

    public long InFlightBytes { get; set; }

    /// <summary>All below this sequence number went out on this connection or were acknowledged before it. Set by the sending loop, read by the receiving one.</summary>
    public long SentBelow
    {
        get => Interlocked.Read(ref _sentBelow);
        set => Interlocked.Exchange(ref _sentBelow, value);
    }

    /// <summary>All below this sequence number are durable at the party. Set by the receiving loop, read by the sending one.</summary>
    public long Acknowledged => Interlocked.Read(ref _acknowledged);

    public void Acknowledge(long sequence)
    {
        long known;
        while ((known = Interlocked.Read(ref _acknowledged)) <= sequence)
            Interlocked.CompareExchange(ref _acknowledged, sequence + 1, known);
    }
}
