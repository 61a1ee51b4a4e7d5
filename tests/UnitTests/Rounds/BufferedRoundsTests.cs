using System.Buffers.Binary;
using System.Threading.Channels;
using Google.Protobuf;
using VertFed.Coordinator.Rounds;
using VertFed.Horizontal;
using VertFed.Horizontal.Aggregation;
using VertFed.Horizontal.Service;
using VertFed.Horizontal.Updates;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.Transcript;
using VertFed.UnitTests.Protocol;
using VertFed.UnitTests.Storage;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>FedBuff at the coordinator, with parties that answer when a test says so: against the library's buffer, fed in the same order.</summary>
public sealed class BufferedRoundsTests
{
    private const int Length = 3;

    [Fact]
    public async Task Each_version_is_the_buffers_and_what_is_too_stale_or_comes_twice_is_named()
    {
        await using Desk desk = new("strategy: fedbuff:2, staleness: 1, rounds: 3, clients_per_round: 3");
        desk.Begin();
        Order[] first = [await desk.OrderAsync(), await desk.OrderAsync(), await desk.OrderAsync()];
        Assert.Equal([(1u, 1u, 1u), (2u, 1u, 2u), (3u, 1u, 3u)], first.Select(order => (order.Place, order.Round, order.Attempt)));
        desk.Answer(first[0], [1, 0, 0]);
        Order again = await desk.OrderAsync();
        Assert.Equal((1u, 1u, 4u), (again.Place, again.Round, again.Attempt));
        desk.Answer(again, [0, 1, 0]);
        Order second = await desk.OrderAsync();
        Assert.Equal((1u, 2u, 1u), (second.Place, second.Round, second.Attempt));
        Assert.Equal([0.5, 0.5, 0], second.Parameters);
        desk.Answer(first[1], [0, 0, 1]);
        Order later = await desk.OrderAsync();
        desk.Answer(second, [1, 1, 1]);
        Order third = await desk.OrderAsync();
        desk.Answer(first[2], [9, 9, 9]);
        Order fresh = await desk.OrderAsync();
        Assert.Equal((3u, 3u), (fresh.Place, fresh.Round));
        desk.Answer(first[2], [9, 9, 9]);
        desk.Answer(later, [2, 0, 0]);
        desk.Answer(fresh, [0, 2, 0]);

        await desk.Training;

        ServerState state = ServerState.Start(new double[Length]);
        foreach ((int version, double[] delta) in new[] { (0, new double[] { 1, 0, 0 }), (0, [0, 1, 0]), (0, [0, 0, 1]), (1, [1, 1, 1]), (1, [2, 0, 0]), (2, [0, 2, 0]) })
        {
            state = new FedBuff(2, 1).Receive(state, UpdateOf(version, delta), new UpdateLimits(Length, 0, double.PositiveInfinity, 10, 1, WithControl: false));
        }

        Assert.Equal(state.Parameters, desk.Checkpoint.Parameters);
        Assert.Equal(third.Round, fresh.Round);
        Assert.Equal([0, 0.5, 0.5], desk.Summaries.Select(summary => summary.Staleness));
        Assert.All(desk.Summaries, summary => Assert.Equal(2, summary.Counted.Count));
        Assert.Equal(0.25, desk.Summaries[0].Loss);
        string[] refusals = [.. desk.Summaries.SelectMany(summary => summary.Refusals).Select(note => $"{note.Party}: {note.Reason}")];
        Assert.Equal(2, refusals.Length);
        Assert.StartsWith("p3: Client 2 answers version 0, 2 versions ago; at most 1 are allowed", refusals[0], StringComparison.Ordinal);
        Assert.Equal("p3: ModelUpdate of round 1 (attempt 3): it has answered already", refusals[1]);
    }

    [Fact]
    public async Task After_a_crash_what_was_in_the_buffer_counts_once_and_answers_to_the_orders_before_are_passed_over()
    {
        await using Desk desk = new("strategy: fedbuff:2, rounds: 1, clients_per_round: 3");
        desk.Begin();
        Order[] first = [await desk.OrderAsync(), await desk.OrderAsync(), await desk.OrderAsync()];
        desk.Answer(first[1], [4, 0, 0]);
        Order next = await desk.OrderAsync();
        Assert.Equal((2u, 1u, 4u), (next.Place, next.Round, next.Attempt));

        await desk.CrashAsync();
        desk.Begin();

        Order[] after = [await desk.OrderAsync(), await desk.OrderAsync(), await desk.OrderAsync()];
        Assert.Equal([5u, 6u, 7u], after.Select(order => order.Attempt));
        desk.Answer(first[0], [100, 100, 100]);
        desk.Answer(next, [100, 100, 100]);
        desk.Answer(after[2], [0, 4, 0]);
        await desk.Training;
        Assert.Equal([2, 2, 0], desk.Checkpoint.Parameters);
        Assert.Equal(["p2", "p3"], desk.Summaries.Single().Counted);
        Assert.Empty(desk.Summaries.Single().Refusals);
    }

    [Fact]
    public async Task Another_party_is_asked_in_place_of_a_silent_one_whose_late_answer_counts_until_none_is_left()
    {
        await using Desk desk = new("strategy: fedbuff:2, rounds: 5, clients_per_round: 1, round_deadline_seconds: 7");
        desk.Begin();
        Order silent = await desk.OrderAsync();
        await desk.SilenceAsync();
        Order other = await desk.OrderAsync();
        Assert.NotEqual(silent.Place, other.Place);
        desk.Answer(silent, [1, 0, 0]);
        desk.Answer(other, [0, 1, 0]);
        Order version = await desk.OrderAsync();
        Assert.Equal(2u, version.Round);
        Assert.Equal([0.5, 0.5, 0], version.Parameters);
        Assert.Contains($"p{silent.Place}: no answer to version 0 within 7 s; another party is asked instead", desk.Summaries.Single().Refusals.Select(note => $"{note.Party}: {note.Reason}"));

        await desk.SilenceAsync();
        await desk.OrderAsync();
        await desk.SilenceAsync();
        await desk.OrderAsync();
        await desk.SilenceAsync();

        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => desk.Training);
        Assert.Equal(ErrorCode.PeerUnavailable, error.Code);
        Assert.Equal("Version 2 needs 1 parties; 0 answer. Nothing came within 7 s from p1, p2, p3.", error.Message);
    }

    private static ClientUpdate UpdateOf(int version, double[] delta) => new()
    {
        Client = 0, Round = version, Delta = delta, Examples = 10, Steps = 1, NormalisedSteps = 1, LossBefore = 0.25, LossAfter = 0.25,
    };

    private static TimeSpan Patience { get; } = TimeSpan.FromMinutes(2);

    private sealed record Order(uint Place, uint Round, uint Attempt, double[] Parameters);

    /// <summary>The coordinator's side of a job of three parties; what it says is read, and what they say is written, by the test.</summary>
    private sealed class Desk : IAsyncDisposable
    {
        private readonly TemporaryFolder _folder = new();
        private readonly Identity _identity = Identity.Create();
        private readonly CheckpointSigner _signer;
        private readonly WatchedTime _time = new();
        private readonly ICoordinatorStore _store;
        private readonly JobSpecification _job;
        private readonly Channel<Envelope> _said = Channel.CreateUnbounded<Envelope>();
        private readonly RoundTrail[] _trails;
        private readonly RandomStreams _streams = RandomStreams.InsecureFromSeed(9);
        private RoundCheckpoint _saved;
        private Channel<RoundEvent> _events = Channel.CreateUnbounded<RoundEvent>();
        private CancellationTokenSource _life = new();

        public Desk(string horizontal)
        {
            string parties = string.Join("\n", Enumerable.Range(1, 3).Select(place => $"  - {{name: p{place}, fingerprint: {new string((char)('a' + place), 64)}}}"));
            _job = JobSpecificationYaml.Parse($"job: {new string('5', 32)}\nkind: horizontal\nparties:\n{parties}\nhorizontal: {{model: logistic, scaling: none, {horizontal}}}", "job.yaml");
            _signer = CheckpointSigner.Create(_identity);
            _store = SqliteCoordinatorStore.Open(_folder.File("coordinator.db"));
            _trails = [.. Enumerable.Range(1, 3).Select(place => new RoundTrail(_job.Job, (uint)place))];
            _saved = new RoundCheckpoint { Parameters = { new double[Length] } };
            Checkpoint = _saved;
        }

        public RoundCheckpoint Checkpoint { get; private set; }

        public List<RoundSummary> Summaries { get; } = [];

        public Task Training { get; private set; } = Task.CompletedTask;

        public void Begin() => Training = Task.Run(RunAsync);

        public async Task CrashAsync()
        {
            await _life.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Training);
            (_life, _events) = (new CancellationTokenSource(), Channel.CreateUnbounded<RoundEvent>());
        }

        public async Task<Order> OrderAsync()
        {
            using CancellationTokenSource patience = new(Patience);
            RoundEnvelope envelope = RoundCodec.Parse(await _said.Reader.ReadAsync(patience.Token));
            ModelOrder order = RoundCodec.Payload(envelope, ModelOrder.Parser);
            Assert.Equal((RoundStep.ModelOrder, 1), (envelope.Header.Step, order.Invited.Count));
            return new Order(order.Invited[0], envelope.Header.Round, envelope.Header.Attempt, [.. order.Parameters]);
        }

        public void Answer(Order order, double[] delta)
        {
            byte[] bytes = new byte[8 * delta.Length];
            for (int i = 0; i < delta.Length; i++)
            {
                BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(8 * i), delta[i]);
            }

            ModelUpdate update = new() { Delta = ByteString.CopyFrom(bytes), Examples = 10, Steps = 1, NormalisedSteps = 1, HasLosses = true, LossBefore = 0.25, LossAfter = 0.25 };
            RoundTrail trail = _trails[(int)order.Place - 1];
            RoundEnvelope envelope = RoundCodec.Build(trail.Header(RoundCodec.Coordinator, RoundStep.ModelUpdate, order.Round, order.Attempt), update, _identity, 1);
            trail.Add(envelope);
            Assert.True(_events.Writer.TryWrite(new EnvelopeEvent(order.Place, envelope)));
        }

        /// <summary>Lets the deadline of the order that was read last pass, once the coordinator waits for its answer.</summary>
        public async Task SilenceAsync()
        {
            await _time.WaitedForAsync();
            _time.Advance(TimeSpan.FromSeconds(8));
        }

        public async ValueTask DisposeAsync()
        {
            await _life.CancelAsync();
            await _store.DisposeAsync();
            _streams.Dispose();
            _life.Dispose();
            _time.Dispose();
            _signer.Dispose();
            _identity.Dispose();
            _folder.Dispose();
        }

        private async Task RunAsync()
        {
            (_, RoundJobRecord record) = await _store.AddRoundJobAsync(new NewRoundJob(_job.Job, [1], [2], "submitter", null, ["p1", "p2", "p3"], 1), _life.Token);
            RoundTree tree = new(record, _store, _signer, _time, (_, _) => { });
            RoundConversation conversation = new(record, _store, tree, _identity, _events.Reader, (_, frame) => _said.Writer.TryWrite(frame.Round), _time)
            {
                Connected = _ => true,
            };
            await conversation.ResumeAsync(_life.Token);
            Checkpoint = _saved.Clone();
            await new BufferedRounds(JobPlan.Of(_job), conversation, _streams, Checkpoint, Conclude, Save).RunAsync(_life.Token);

            void Conclude(RoundSummary summary)
            {
                summary.Refusals.AddRange(conversation.TakeCounts(out _, out _));
                Summaries.Add(summary);
                Checkpoint.Attempt = 0;
            }

            Task Save(CancellationToken cancellationToken)
            {
                _saved = Checkpoint.Clone();
                return Task.CompletedTask;
            }
        }
    }

    /// <summary>A clock by which one can see whether somebody waits: time that passes before anybody does makes nobody late.</summary>
    private sealed class WatchedTime : TimeProvider, IDisposable
    {
        private readonly ManualTime _time = new();
        private readonly SemaphoreSlim _begun = new(0);
        private int _waiting;

        public override long TimestampFrequency => _time.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => _time.GetUtcNow();

        public override long GetTimestamp() => _time.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Wait wait = new(this, _time.CreateTimer(callback, state, dueTime, period));
            Interlocked.Increment(ref _waiting);
            _begun.Release();
            return wait;
        }

        public async Task WaitedForAsync()
        {
            while (Volatile.Read(ref _waiting) == 0)
            {
                Assert.True(await _begun.WaitAsync(Patience));
            }
        }

        public void Advance(TimeSpan by) => _time.Advance(by);

        public void Dispose() => _begun.Dispose();

        private sealed class Wait(WatchedTime owner, ITimer timer) : ITimer
        {
            private int _isOver;

            public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(dueTime, period);

            public void Dispose()
            {
                timer.Dispose();
                if (Interlocked.Exchange(ref _isOver, 1) == 0)
                {
                    Interlocked.Decrement(ref owner._waiting);
                }
            }

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
