using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.UnitTests.Protocol;

/// <summary>
/// What the coordinator does for two parties, in memory: keeps what was deposited (the same core once), delivers in order, and
/// delivers again after a reconnect whatever was not acknowledged.
/// </summary>
internal sealed class RelaySimulator
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Role, List<Envelope>> _mailboxes = new() { [Role.LabelParty] = [], [Role.FeatureParty] = [] };
    private readonly Dictionary<Role, int> _acknowledged = new() { [Role.LabelParty] = 0, [Role.FeatureParty] = 0 };
    private TaskCompletionSource _arrived = New();

    /// <summary>All that was deposited for a role, in order.</summary>
    public IReadOnlyList<Envelope> MailboxOf(Role recipient) => _mailboxes[recipient];

    /// <summary>A new connection of a party; its older ones must no longer be used.</summary>
    public IEnvelopeTransport Connect(Role party) => new Connection(this, party, _acknowledged[party]);

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Deposit(Role sender, Envelope envelope)
    {
        Role recipient = sender.Other();
        lock (_gate)
        {
            List<Envelope> mailbox = _mailboxes[recipient];
            if (mailbox.TrueForAll(known => !known.Core.Equals(envelope.Core)))
            {
                mailbox.Add(envelope);
            }

            _arrived.TrySetResult();
            _arrived = New();
        }
    }

    private sealed class Connection(RelaySimulator relay, Role self, int next) : IEnvelopeTransport
    {
        private int _next = next;

        public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken)
        {
            relay.Deposit(self, envelope);
            return ValueTask.CompletedTask;
        }

        public async ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken)
        {
            while (true)
            {
                Task arrival;
                lock (relay._gate)
                {
                    if (_next < relay._mailboxes[self].Count)
                    {
                        return relay._mailboxes[self][_next++];
                    }

                    arrival = relay._arrived.Task;
                }

                await arrival.WaitAsync(cancellationToken);
            }
        }

        public ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken)
        {
            lock (relay._gate)
            {
                int index = relay._mailboxes[self].FindIndex(known => known.Core.Equals(envelope.Core));
                relay._acknowledged[self] = Math.Max(relay._acknowledged[self], index + 1);
            }

            return ValueTask.CompletedTask;
        }
    }
}

/// <summary>The process dies here.</summary>
internal sealed class KilledException : Exception;

/// <summary>Counts every durable write and transport call of a party and kills it at a chosen one, before or after its effect.</summary>
internal sealed class Killer(int at, bool afterEffect)
{
    private int _count;

    public int Count => _count;

    public async ValueTask DoAsync(Func<ValueTask> effect)
    {
        bool now = Interlocked.Increment(ref _count) == at;
        if (now && !afterEffect)
        {
            throw new KilledException();
        }

        await effect();
        if (now)
        {
            throw new KilledException();
        }
    }

    public IJournal Watch(IJournal journal) => new WatchedJournal(this, journal);

    public IEnvelopeTransport Watch(IEnvelopeTransport transport) => new WatchedTransport(this, transport);

    private sealed class WatchedJournal(Killer killer, IJournal inner) : IJournal
    {
        public ValueTask<AttemptRecord?> LoadAttemptAsync(string job, uint attempt, CancellationToken cancellationToken) =>
            inner.LoadAttemptAsync(job, attempt, cancellationToken);

        public ValueTask SaveAttemptAsync(AttemptRecord record, CancellationToken cancellationToken) =>
            killer.DoAsync(() => inner.SaveAttemptAsync(record, cancellationToken));

        public ValueTask AppendOutboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
            killer.DoAsync(() => inner.AppendOutboundAsync(job, attempt, sequence, envelope, cancellationToken));

        public ValueTask AppendInboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
            killer.DoAsync(() => inner.AppendInboundAsync(job, attempt, sequence, envelope, cancellationToken));

        public ValueTask<Envelope?> ReadOutboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
            inner.ReadOutboundAsync(job, attempt, sequence, cancellationToken);

        public ValueTask<Envelope?> ReadInboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
            inner.ReadInboundAsync(job, attempt, sequence, cancellationToken);
    }

    private sealed class WatchedTransport(Killer killer, IEnvelopeTransport inner) : IEnvelopeTransport
    {
        public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken) =>
            killer.DoAsync(() => inner.SendAsync(envelope, cancellationToken));

        public ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken) => inner.ReceiveAsync(cancellationToken);

        public ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken) =>
            killer.DoAsync(() => inner.AcknowledgeAsync(envelope, cancellationToken));
    }
}
