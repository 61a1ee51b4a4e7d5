using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>
/// Carries envelopes of one job between the parties. It may repeat, lose, reorder or alter them: the channel finds out. It holds
/// no keys.
/// </summary>
public interface IEnvelopeTransport
{
    /// <summary>
    /// Takes an envelope for delivery. It is durable at the sender already, so this need not wait for anyone; sending the same
    /// envelope again must do no harm.
    /// </summary>
    ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken);

    /// <summary>The next envelope for this party. A cancelled call loses nothing.</summary>
    ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Says that a received envelope is durable here (or a repetition of one that is), so that it need not come again. Called once
    /// for every envelope that passed the checks, also for those read from the journal on resume.
    /// </summary>
    ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken) => ValueTask.CompletedTask;
}
