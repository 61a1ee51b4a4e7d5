using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Witness;

/// <summary>
/// The journal that sessions write to, and a signal that some job's record has come to another phase or to its close: what a checkpoint
/// that came early waits for.
/// </summary>
internal sealed class WatchedJournal(IJournal inner) : IJournal
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(string Job, bool Inbound), Phase> _phases = [];
    private TaskCompletionSource _changed = NewSignal();

    /// <summary>Completes with the next change. Taken before a look at the record, no change is missed.</summary>
    public Task Changed
    {
        get
        {
            lock (_gate)
            {
                return _changed.Task;
            }
        }
    }

    public ValueTask<AttemptRecord?> LoadAttemptAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        inner.LoadAttemptAsync(job, attempt, cancellationToken);

    public ValueTask SaveAttemptAsync(AttemptRecord record, CancellationToken cancellationToken) =>
        inner.SaveAttemptAsync(record, cancellationToken);

    public async ValueTask AppendOutboundAsync(
        string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken)
    {
        await inner.AppendOutboundAsync(job, attempt, sequence, envelope, cancellationToken);
        Note(job, inbound: false, envelope);
    }

    public async ValueTask AppendInboundAsync(
        string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken)
    {
        await inner.AppendInboundAsync(job, attempt, sequence, envelope, cancellationToken);
        Note(job, inbound: true, envelope);
    }

    public ValueTask<Envelope?> ReadOutboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
        inner.ReadOutboundAsync(job, attempt, sequence, cancellationToken);

    public ValueTask<Envelope?> ReadInboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
        inner.ReadInboundAsync(job, attempt, sequence, cancellationToken);

    /// <summary>A job has ended here: its record will not grow any more.</summary>
    public void Ended(string job)
    {
        lock (_gate)
        {
            _phases.Remove((job, false));
            _phases.Remove((job, true));
            Signal();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Note(string job, bool inbound, Envelope envelope)
    {
        EnvelopeHeader header = EnvelopeCodec.Parse(envelope.Core, envelope.Attestation).Header;
        lock (_gate)
        {
            bool isNew = !_phases.TryGetValue((job, inbound), out Phase phase) || phase != header.Phase;
            if (isNew || header.Step == Step.JobClose)
            {
                _phases[(job, inbound)] = header.Phase;
                Signal();
            }
        }
    }

    private void Signal()
    {
        _changed.TrySetResult();
        _changed = NewSignal();
    }
}
