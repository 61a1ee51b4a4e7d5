using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.UnitTests.PartyNode;
using VertFed.UnitTests.Protocol;
using Xunit;

namespace VertFed.UnitTests.Recovery;

/// <summary>
/// A party is killed when an envelope is sealed, when it is stored and when it is sent, and resumed with the same role code or with one that
/// comes out otherwise. Over everything that was ever sealed under these keys, no nonce stands over two ciphertexts.
/// </summary>
public sealed class SealReuseTests : IDisposable
{
    private readonly TemporaryPlace _place = new();
    private readonly NonceBook _book = new();
    private int _stores;

    /// <summary>Where an outbound envelope stands when its sender dies.</summary>
    internal enum Moment
    {
        Sealed,
        Stored,
        Sent,
    }

    public void Dispose() => _place.Dispose();

    [Fact]
    public Task No_nonce_comes_with_two_ciphertexts_whenever_a_party_dies_in_a_sample() => KillAsync(every: 4);

    [Fact]
    [Trait("Speed", "slow")]
    public Task No_nonce_comes_with_two_ciphertexts_whenever_a_party_dies() => KillAsync(every: 1);

    private async Task KillAsync(int every)
    {
        int sent = await RunAsync(kill: null, twist: 0);
        Assert.True(sent > 15);
        int before = _book.Count;
        int diverged = 0;
        foreach (Moment moment in Enum.GetValues<Moment>())
        {
            for (int at = 1; at <= sent; at += every)
            {
                await RunAsync((at, moment), twist: 0);
                Assert.Equal(before, _book.Count);
            }

            for (int at = 4; at <= sent; at += 2 * every)
            {
                diverged += await RunAsync((at, moment), twist: 1) < 0 ? 1 : 0;
            }

            before = _book.Count;
        }

        // Both kinds of resumption happened: what had been stored diverged, what had not came out with another plaintext, and nonce.
        Assert.True(diverged > 0);
        Assert.True(_book.Count > 2 * sent - 12, "every sealed envelope was seen");
    }

    /// <summary>Runs a job whose label party dies once and is resumed; gives the number of its envelopes, or −1 if it diverged.</summary>
    private async Task<int> RunAsync((int At, Moment Moment)? kill, ulong twist)
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        string job = parties.Job.Specification.Job;
        RelaySimulator relay = new();
        string file = _place.At($"party{_stores++}.db");
        using CancellationTokenSource over = new();
        Task survivor = RunSideAsync(parties, Role.FeatureParty, parties.FeatureJournal, new Watcher(this, null), relay, 0, over.Token);
        await using (SqlitePartyStore store = SqlitePartyStore.Open(file, SecretsKey.LoadOrCreate(file + ".key")))
        {
            await store.SaveAttemptAsync((await parties.LabelJournal.LoadAttemptAsync(job, 1, default))!, default);
            try
            {
                Watcher watcher = new(this, kill);
                await RunSideAsync(parties, Role.LabelParty, store, watcher, relay, 0, default);
                Assert.Null(kill);
                await survivor;
                return watcher.Sealed;
            }
            catch (KilledException)
            {
                Assert.NotNull(kill);
            }
        }

        await using SqlitePartyStore again = SqlitePartyStore.Open(file, SecretsKey.LoadOrCreate(file + ".key"));
        try
        {
            Watcher watcher = new(this, null);
            await RunSideAsync(parties, Role.LabelParty, again, watcher, relay, twist, default);
            await survivor;
            return watcher.Sealed;
        }
        catch (VertFedException error) when (error.Code == ErrorCode.Diverges && twist > 0)
        {
            await over.CancelAsync();
            await survivor.ContinueWith(_ => { }, TaskScheduler.Default);
            return -1;
        }
    }

    private static async Task RunSideAsync(
        InMemoryParties parties, Role role, IJournal journal, Watcher watcher, RelaySimulator relay, ulong twist, CancellationToken over)
    {
        Task<SealedChannel> opening = SealedChannel.OpenAsync(
            parties.Options(role), watcher.Watch(new CancelledTransport(relay.Connect(role), over)), watcher.Watch(journal), over);
        using SealedChannel channel = await opening;
        await ScriptedJob.RunSideAsync(channel, Family.Logistic, rounds: 1, twist);
    }

    /// <summary>Sees each outbound envelope when it is sealed and when it is sent, and dies at one of them.</summary>
    private sealed class Watcher(SealReuseTests test, (int At, Moment Moment)? kill)
    {
        private int _sent;

        /// <summary>Envelopes that were sealed or built in this life, those of the record aside.</summary>
        public int Sealed { get; private set; }

        public IJournal Watch(IJournal journal) => new Journal(this, journal);

        public IEnvelopeTransport Watch(IEnvelopeTransport transport) => new Transport(this, transport);

        private void DieAt(int number, Moment moment)
        {
            if (kill is { } planned && planned.At == number && planned.Moment == moment)
            {
                throw new KilledException();
            }
        }

        private sealed class Journal(Watcher watcher, IJournal inner) : IJournal
        {
            public ValueTask<AttemptRecord?> LoadAttemptAsync(string job, uint attempt, CancellationToken cancellationToken) =>
                inner.LoadAttemptAsync(job, attempt, cancellationToken);

            public ValueTask SaveAttemptAsync(AttemptRecord record, CancellationToken cancellationToken) =>
                inner.SaveAttemptAsync(record, cancellationToken);

            public async ValueTask AppendOutboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken)
            {
                watcher.Sealed++;
                watcher.Note(envelope);
                watcher.DieAt((int)sequence + 1, Moment.Sealed);
                await inner.AppendOutboundAsync(job, attempt, sequence, envelope, cancellationToken);
                watcher.DieAt((int)sequence + 1, Moment.Stored);
            }

            public ValueTask AppendInboundAsync(string job, uint attempt, ulong sequence, Envelope envelope, CancellationToken cancellationToken) =>
                inner.AppendInboundAsync(job, attempt, sequence, envelope, cancellationToken);

            public ValueTask<Envelope?> ReadOutboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
                inner.ReadOutboundAsync(job, attempt, sequence, cancellationToken);

            public ValueTask<Envelope?> ReadInboundAsync(string job, uint attempt, ulong sequence, CancellationToken cancellationToken) =>
                inner.ReadInboundAsync(job, attempt, sequence, cancellationToken);
        }

        private sealed class Transport(Watcher watcher, IEnvelopeTransport inner) : IEnvelopeTransport
        {
            public async ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken)
            {
                watcher.Note(envelope);
                await inner.SendAsync(envelope, cancellationToken);
                watcher.DieAt(++watcher._sent, Moment.Sent);
            }

            public ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken) => inner.ReceiveAsync(cancellationToken);

            public ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken) =>
                inner.AcknowledgeAsync(envelope, cancellationToken);
        }

        private void Note(Envelope envelope) => test._book.Note(envelope);
    }

    /// <summary>Waits for nobody once the test is over.</summary>
    private sealed class CancelledTransport(IEnvelopeTransport inner, CancellationToken over) : IEnvelopeTransport
    {
        public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken) => inner.SendAsync(envelope, cancellationToken);

        public async ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken)
        {
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(over, cancellationToken);
            return await inner.ReceiveAsync(either.Token);
        }

        public ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken) => inner.AcknowledgeAsync(envelope, cancellationToken);
    }
}
