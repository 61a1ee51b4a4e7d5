using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// A running job's envelopes. While it waits for one from its peer it asks, once for each span of patience, whether it has to leave its lane to
/// another job; if so, the turn is cancelled. No envelope that has come is lost by that, and the job's next turn goes on from its journal.
/// </summary>
/// <param name="turn">Of this turn in a lane alone.</param>
internal sealed class PatientTransport(
    IEnvelopeTransport inner, TimeSpan patience, Func<bool> mustGiveWay, CancellationTokenSource turn, TimeProvider time) : IEnvelopeTransport
{
    /// <summary>Whether the turn was cancelled for another job.</summary>
    public bool HasGivenWay { get; private set; }

    public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken) => inner.SendAsync(envelope, cancellationToken);

    public ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken) => inner.AcknowledgeAsync(envelope, cancellationToken);

    public async ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task<Envelope> next = inner.ReceiveAsync(reading.Token).AsTask();
        while (!next.IsCompleted)
        {
            using CancellationTokenSource waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(next, Task.Delay(patience, time, waiting.Token));
            await waiting.CancelAsync();
            if (next.IsCompleted || cancellationToken.IsCancellationRequested || !mustGiveWay())
            {
                continue;
            }

            await reading.CancelAsync();
            try
            {
                // One that came at the last moment was taken out of the inbox: it is used, and the lane kept for now.
                return await next;
            }
            catch (OperationCanceledException)
            {
                HasGivenWay = true;
                await turn.CancelAsync();
                throw new OperationCanceledException(turn.Token);
            }
        }

        return await next;
    }
}
