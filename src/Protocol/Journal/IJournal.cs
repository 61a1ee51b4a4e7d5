using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// A party's durable record of its attempts. Every write is durable when its task completes, or it fails and has no effect
/// that a reader could mistake for success. One writer an attempt.
/// </summary>
/// <remarks>Core, attestation and payload are stored as they are: the bytes are hashed and signed.</remarks>
public interface IJournal
{
    /// <summary>The attempt's record, or null if there is none.</summary>
    ValueTask<AttemptRecord?> LoadAttemptAsync(string job, uint attempt, CancellationToken cancellationToken);

    /// <summary>Makes a new attempt durable; an attempt that exists is never overwritten.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Diverges"/>: the attempt exists.</exception>
    ValueTask SaveAttemptAsync(AttemptRecord record, CancellationToken cancellationToken);

    /// <summary>Appends what this party is about to send.</summary>
    /// <param name="sequence">From 0, without gaps.</param>
    ValueTask AppendOutboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken);

    /// <summary>Appends what this party is about to use.</summary>
    /// <param name="sequence">The peer's sequence number: from 0, without gaps.</param>
    ValueTask AppendInboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken);

    /// <summary>The outbound envelope with this sequence number, or null if the record ends before it.</summary>
    ValueTask<Envelope?> ReadOutboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken);

    /// <summary>The inbound envelope with this sequence number, or null if the record ends before it.</summary>
    ValueTask<Envelope?> ReadInboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken);
}
