using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Replay;

/// <summary>
/// A transcript as the journal of one of its parties: the channel serves inbound envelopes from it and compares what the role makes
/// with what was recorded, exactly as on resume. It is read only: where the role goes beyond the record, the replay ends.
/// </summary>
/// <param name="secrets">The attempt as the party recorded it, with the root seed.</param>
/// <param name="kept">The party's own record, for payloads that the transcript leaves out.</param>
/// <param name="compared">Told each own envelope that the role is about to be held to.</param>
internal sealed class ReplayJournal(
    TranscriptIndex transcript, Role self, AttemptRecord secrets, IJournal kept, Action<ulong> compared) : IJournal, IEnvelopeTransport
{
    private readonly Role _peer = self.Other();

    public ValueTask<AttemptRecord?> LoadAttemptAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        ValueTask.FromResult<AttemptRecord?>(secrets);

    public ValueTask SaveAttemptAsync(AttemptRecord record, CancellationToken cancellationToken) => throw ReadOnly();

    public ValueTask AppendOutboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
        throw new TranscriptEndException(EnvelopeCodec.Parse(envelope).Header, isSend: true);

    public ValueTask AppendInboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
        throw ReadOnly();

    public ValueTask<Envelope?> ReadOutboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken)
    {
        compared(sequence);
        return transcript.ReadAsync(self, sequence, () => kept.ReadOutboundAsync(job, attempt, sequence, cancellationToken), cancellationToken);
    }

    public ValueTask<Envelope?> ReadInboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
        transcript.ReadAsync(_peer, sequence, () => kept.ReadInboundAsync(job, attempt, sequence, cancellationToken), cancellationToken);

    public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken) => throw new TranscriptEndException(null, isSend: false);

    private static InvalidOperationException ReadOnly() => new("A transcript is not written to.");
}

/// <summary>The role wants to send or receive what the transcript no longer has.</summary>
internal sealed class TranscriptEndException(EnvelopeHeader? header, bool isSend) : Exception("The transcript ends here.")
{
    /// <summary>What the role would send; null where it waits for the peer.</summary>
    public EnvelopeHeader? Header { get; } = header;

    public bool IsSend { get; } = isSend;
}
