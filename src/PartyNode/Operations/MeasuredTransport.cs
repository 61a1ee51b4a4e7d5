using VertFed.Operations.Telemetry;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Operations;

/// <summary>
/// Counts what goes through a transport. The time of a step is that since the job's envelope before: before one that is sent this party
/// computed, before one that is received it mostly waited.
/// </summary>
internal sealed class MeasuredTransport(IEnvelopeTransport inner, JobTelemetry job) : IEnvelopeTransport
{
    public async ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken)
    {
        await inner.SendAsync(envelope, cancellationToken);
        Count("sent", envelope);
    }

    public async ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken)
    {
        Envelope envelope = await inner.ReceiveAsync(cancellationToken);
        Count("received", envelope);
        return envelope;
    }

    public ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken) => inner.AcknowledgeAsync(envelope, cancellationToken);

    private void Count(string direction, Envelope envelope)
    {
        EnvelopeHeader header;
        try
        {
            header = EnvelopeCodec.Parse(envelope.Core, envelope.Attestation).Header;
        }
        catch (VertFedException)
        {
            // The channel finds out what is wrong with it, and names it; there is nothing to count.
            return;
        }

        job.Envelope(direction, header.Phase, header.Step, header.Round, envelope.Payload.Length);
    }
}
