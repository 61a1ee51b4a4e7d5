using System.Threading.Channels;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.PartyNode.Relay;

/// <summary>
/// One job attempt's envelopes on the relay: what was sent and is not yet acknowledged by the coordinator, and what came and was
/// not yet asked for. Both are bounded, both survive a lost connection.
/// </summary>
/// <remarks>
/// After a reconnect everything unacknowledged is sent again, and the coordinator repeats what this side did not acknowledge; a
/// repetition of what is here already is dropped here, by the hash of its core, and acknowledged once it is durable.
/// </remarks>
public sealed class RelayTransport : IEnvelopeTransport
{
    /// <summary>Most envelopes, and most payload bytes, that wait in either direction (one envelope always fits).</summary>
    public const int MaxWaiting = 256;

    /// <inheritdoc cref="MaxWaiting"/>
    public const long MaxWaitingBytes = 128L * 1024 * 1024;

    private readonly Lock _gate = new();
    private readonly RelayClient _client;
    private readonly LinkedList<Outgoing> _outbox = new();
    private readonly Channel<Envelope> _inbox = Channel.CreateUnbounded<Envelope>();
    private readonly HashSet<string> _waiting = new(StringComparer.Ordinal);
    private readonly HashSet<string> _delivered = new(StringComparer.Ordinal);
    private readonly HashSet<string> _acknowledged = new(StringComparer.Ordinal);
    private TaskCompletionSource _room = NewSignal();
    private long _outboxBytes;
    private long _inboxBytes;
    private LinkedListNode<Outgoing>? _next;

    internal RelayTransport(RelayClient client, string job, uint attempt)
    {
        _client = client;
        Job = job;
        Attempt = attempt;
    }

    public string Job { get; }

    public uint Attempt { get; }

    /// <summary>How long sending may wait for a coordinator that is away.</summary>
    internal TimeSpan Deadline { get; set; }

    /// <inheritdoc/>
    /// <exception cref="VertFedException"><see cref="ErrorCode.PeerUnavailable"/>: the coordinator took nothing for the job's
    /// deadline while the outbox was full.</exception>
    public async ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken)
    {
        EnvelopeView view = EnvelopeCodec.Parse(envelope);
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(Deadline);
        while (true)
        {
            Task room;
            lock (_gate)
            {
                if (_outbox.Count == 0 || (_outbox.Count < MaxWaiting && _outboxBytes + envelope.Payload.Length <= MaxWaitingBytes))
                {
                    LinkedListNode<Outgoing> node = _outbox.AddLast(new Outgoing(view.Header.Sequence, view.Header.Sender, envelope));
                    _outboxBytes += envelope.Payload.Length;
                    _next ??= node;
                    break;
                }

                room = _room.Task;
            }

            try
            {
                await room.WaitAsync(late.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new VertFedException(
                    ErrorCode.PeerUnavailable, $"Waited {Deadline.TotalSeconds:0} s for the coordinator to take envelopes.")
                {
                    Party = "coordinator",
                    Step = view.Header.Step.ToString(),
                };
            }
        }

        _client.SignalWork();
    }

    /// <inheritdoc/>
    public async ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken)
    {
        Envelope envelope = await _inbox.Reader.ReadAsync(cancellationToken);
        lock (_gate)
        {
            _inboxBytes -= envelope.Payload.Length;
            SignalRoom();
        }

        return envelope;
    }

    /// <inheritdoc/>
    public ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken)
    {
        EnvelopeView view = EnvelopeCodec.Parse(envelope.Core, envelope.Attestation);
        string key = Key(view);
        bool delivered;
        lock (_gate)
        {
            _waiting.Remove(key);
            _acknowledged.Add(key);

            // Only what came on this connection is acknowledged on it; anything else the coordinator repeats first.
            delivered = _delivered.Remove(key);
        }

        if (delivered)
        {
            _client.Acknowledge(Reference(view));
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Waits until the coordinator has acknowledged everything that was sent.</summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task room;
            lock (_gate)
            {
                if (_outbox.Count == 0)
                {
                    return;
                }

                room = _room.Task;
            }

            await room.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Hands over an envelope from the coordinator; waits while the inbox is full.</summary>
    internal async ValueTask DeliverAsync(EnvelopeView view, Envelope envelope, CancellationToken cancellationToken)
    {
        string key = Key(view);
        while (true)
        {
            Task room;
            lock (_gate)
            {
                if (_acknowledged.Contains(key))
                {
                    break;
                }

                _delivered.Add(key);
                if (_waiting.Contains(key))
                {
                    return;
                }

                if (_inboxBytes == 0 || (_waiting.Count < MaxWaiting && _inboxBytes + envelope.Payload.Length <= MaxWaitingBytes))
                {
                    _waiting.Add(key);
                    _inboxBytes += envelope.Payload.Length;
                    _inbox.Writer.TryWrite(envelope);
                    return;
                }

                room = _room.Task;
            }

            await room.WaitAsync(cancellationToken);
        }

        _client.Acknowledge(Reference(view));
    }

    /// <summary>The next envelope to put on the current connection, or null.</summary>
    internal Envelope? NextToSend()
    {
        lock (_gate)
        {
            Envelope? envelope = _next?.Value.Envelope;
            _next = _next?.Next;
            return envelope;
        }
    }

    /// <summary>On a new connection, everything unacknowledged is sent again.</summary>
    internal void Rewind()
    {
        lock (_gate)
        {
            _next = _outbox.First;
            _delivered.Clear();
        }
    }

    /// <summary>The coordinator has an envelope durably.</summary>
    internal void Deposited(EnvelopeRef reference)
    {
        lock (_gate)
        {
            for (LinkedListNode<Outgoing>? node = _outbox.First; node is not null; node = node.Next)
            {
                if (node.Value.Sequence == reference.Sequence && node.Value.Sender == reference.Sender)
                {
                    _next = ReferenceEquals(_next, node) ? node.Next : _next;
                    _outboxBytes -= node.Value.Envelope.Payload.Length;
                    _outbox.Remove(node);
                    break;
                }
            }

            SignalRoom();
        }
    }

    private static string Key(EnvelopeView view) => Convert.ToHexString(view.CoreHash);

    private static EnvelopeRef Reference(EnvelopeView view) => new()
    {
        Job = view.Header.Job,
        Attempt = view.Header.Attempt,
        Sender = view.Header.Sender,
        Sequence = view.Header.Sequence,
    };

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void SignalRoom()
    {
        _room.TrySetResult();
        _room = NewSignal();
    }

    private sealed record Outgoing(ulong Sequence, Role Sender, Envelope Envelope);
}
