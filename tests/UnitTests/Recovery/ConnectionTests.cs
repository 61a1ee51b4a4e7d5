using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage.Sql;
using VertFed.Storage.Sqlite;
using VertFed.UnitTests.Protocol;
using Xunit;

namespace VertFed.UnitTests.Recovery;

/// <summary>Connections that are lost, and deliveries that come twice or in another order.</summary>
public sealed class ConnectionTests(UndisturbedLinear undisturbed) : IClassFixture<UndisturbedLinear>
{
    [Fact]
    public async Task Connections_that_are_lost_again_and_again_change_nothing()
    {
        await using RecoveryRun run = await RecoveryRun.StartAsync(undisturbed.Job);
        Task<JobTrace> job = run.CompleteAsync();
        for (int i = 0; i < 12 && !job.IsCompleted; i++)
        {
            Cable link = run.LinkOf(i % 2 == 0 ? Actor.Label : Actor.Feature);
            await Task.Delay(20);
            link.Cut();
            await Task.Delay(10);
            link.Join(run.CoordinatorPort);
        }

        undisturbed.RequireSame(await job, "lost connections\n" + run.Logs());
    }

    [Theory]
    [Trait("Speed", "slow")]
    [InlineData(nameof(Actor.Label))]
    [InlineData(nameof(Actor.Feature))]
    public async Task A_connection_lost_for_thirty_seconds_changes_nothing(string actor)
    {
        Actor victim = Enum.Parse<Actor>(actor);
        Cable? link = null;
        TaskCompletionSource cut = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int writes = 0;
        SqliteOptions cutting = new()
        {
            CommitHook = stage =>
            {
                if (stage == CommitStage.Before && ++writes == undisturbed.Writes[victim] / 2)
                {
                    link!.Cut();
                    cut.SetResult();
                }
            },
        };
        await using RecoveryRun run = await RecoveryRun.StartAsync(undisturbed.Job, victim, cutting);
        link = run.LinkOf(victim);
        Task<JobTrace> job = run.CompleteAsync();
        await cut.Task;
        await Task.Delay(TimeSpan.FromSeconds(30));
        Assert.False(job.IsCompleted);
        link.Join(run.CoordinatorPort);
        undisturbed.RequireSame(await job, "a lost connection\n" + run.Logs());
    }

    [Fact]
    public async Task Deliveries_that_all_come_twice_change_nothing()
    {
        string once = await RunAsync(relay => relay);
        Assert.Equal(once, await RunAsync(relay => new Repeating(relay)));
    }

    [Fact]
    public async Task A_delivery_out_of_order_is_refused_and_the_attempt_goes_on_when_it_comes_in_order()
    {
        string undisturbedRun = await RunAsync(relay => relay);
        bool refused = false;
        string resumed = await RunAsync(
            relay => new Swapping(relay),
            error =>
            {
                Assert.Equal(ErrorCode.ProtocolViolation, error.Code);
                Assert.Contains("out of order", error.Message, StringComparison.Ordinal);
                refused = true;
            });
        Assert.True(refused);
        Assert.Equal(undisturbedRun, resumed);
    }

    /// <summary>Runs a scripted job whose label party receives through a disturbed transport; where that is refused, again through a good one.</summary>
    private static async Task<string> RunAsync(Func<IEnvelopeTransport, IEnvelopeTransport> disturb, Action<VertFedException>? onRefusal = null)
    {
        using InMemoryParties parties = await InMemoryParties.CreateAsync(null, 1, default);
        RelaySimulator relay = new();
        Task survivor = RunSideAsync(parties, Role.FeatureParty, relay.Connect(Role.FeatureParty));
        try
        {
            await RunSideAsync(parties, Role.LabelParty, disturb(relay.Connect(Role.LabelParty)));
        }
        catch (VertFedException error) when (onRefusal is not null)
        {
            onRefusal(error);
            await RunSideAsync(parties, Role.LabelParty, relay.Connect(Role.LabelParty));
        }

        await survivor;
        return string.Join('\n', relay.MailboxOf(Role.LabelParty).Concat(relay.MailboxOf(Role.FeatureParty))
            .Select(envelope => $"{Convert.ToHexString(envelope.Core.Span)} {Convert.ToHexString(envelope.Payload.Span)}"));
    }

    private static async Task RunSideAsync(InMemoryParties parties, Role role, IEnvelopeTransport transport)
    {
        using SealedChannel channel = await SealedChannel.OpenAsync(parties.Options(role), transport, parties.Journal(role), default);
        await ScriptedJob.RunSideAsync(channel, Family.Logistic, rounds: 1);
    }

    private sealed class Repeating(IEnvelopeTransport inner) : IEnvelopeTransport
    {
        private Envelope? _again;

        public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken) => inner.SendAsync(envelope, cancellationToken);

        public async ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken)
        {
            if (_again is { } repeated)
            {
                _again = null;
                return repeated;
            }

            return _again = await inner.ReceiveAsync(cancellationToken);
        }

        public ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken) => inner.AcknowledgeAsync(envelope, cancellationToken);
    }

    /// <summary>Delivers the two blocks of a step the wrong way round.</summary>
    private sealed class Swapping(IEnvelopeTransport inner) : IEnvelopeTransport
    {
        private Envelope? _held;
        private bool _done;

        public ValueTask SendAsync(Envelope envelope, CancellationToken cancellationToken) => inner.SendAsync(envelope, cancellationToken);

        public async ValueTask<Envelope> ReceiveAsync(CancellationToken cancellationToken)
        {
            if (_held is { } held)
            {
                _held = null;
                return held;
            }

            Envelope envelope = await inner.ReceiveAsync(cancellationToken);
            if (_done || EnvelopeCodec.Parse(envelope).Header.Step != Step.LinkRequest)
            {
                return envelope;
            }

            _done = true;
            _held = envelope;
            return await inner.ReceiveAsync(cancellationToken);
        }

        public ValueTask AcknowledgeAsync(Envelope envelope, CancellationToken cancellationToken) => inner.AcknowledgeAsync(envelope, cancellationToken);
    }
}
