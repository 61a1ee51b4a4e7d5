using System.Collections.Concurrent;
using VertFed.Protocol.V1;

namespace VertFed.Protocol;

/// <summary>A journal that lives as long as the process: for simulation and tests. Thread-safe.</summary>
public sealed class InMemoryJournal : IJournal
{
    private readonly ConcurrentDictionary<(string, uint), AttemptRecord> _attempts = new();
    private readonly ConcurrentDictionary<(string, uint, bool, ulong), Envelope> _envelopes = new();

    public ValueTask<AttemptRecord?> LoadAttemptAsync(string job, uint attempt, CancellationToken cancellationToken) =>
        ValueTask.FromResult(_attempts.GetValueOrDefault((job, attempt)));

    public ValueTask SaveAttemptAsync(AttemptRecord record, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(record);
        AttemptRecord copy = record with { RootSeed = [.. record.RootSeed] };
        return _attempts.TryAdd((record.Job, record.Attempt), copy)
            ? ValueTask.CompletedTask
            : throw Error.Diverges($"Attempt {record} is recorded already.");
    }

    public ValueTask AppendOutboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
        Append(job, attempt, outbound: true, sequence, envelope);

    public ValueTask AppendInboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
        Append(job, attempt, outbound: false, sequence, envelope);

    public ValueTask<Envelope?> ReadOutboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
        ValueTask.FromResult(_envelopes.GetValueOrDefault((job, attempt, true, sequence)));

    public ValueTask<Envelope?> ReadInboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
        ValueTask.FromResult(_envelopes.GetValueOrDefault((job, attempt, false, sequence)));

    private ValueTask Append(string job, uint attempt, bool outbound, ulong sequence, Envelope envelope)
    {
        if (sequence > 0 && !_envelopes.ContainsKey((job, attempt, outbound, sequence - 1)))
        {
            throw Error.Fault($"The journal of attempt {job}/{attempt} has no envelope before {sequence}.");
        }

        return _envelopes.TryAdd((job, attempt, outbound, sequence), envelope)
            ? ValueTask.CompletedTask
            : throw Error.Fault($"The journal of attempt {job}/{attempt} has an envelope {sequence} already.");
    }
}
