using Google.Protobuf;
using VertFed.Horizontal.Service;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Replay;
using VertFed.PartyNode.Rounds;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;
using VertFed.Transcript;
using VertFed.UnitTests.Horizontal;
using VertFed.UnitTests.Rounds.Lab;
using Xunit;

namespace VertFed.UnitTests.Rounds;

/// <summary>One party's side of FedMD against orders that a test writes: what it pays for, and which model it ends with.</summary>
public sealed class DistillationOrderTests
{
    private const uint Place = 1;
    private const int PublicRows = 10;
    private static readonly uint[] All = [1, 2, 3];
    private static readonly uint[] Others = [2, 3];

    [Fact]
    public async Task Orders_that_do_not_invite_a_party_cost_nothing_and_spare_it_no_payment_for_those_that_do()
    {
        await using Bench bench = new(rounds: 3, isPrivate: true);
        await bench.PlanAsync();
        RoundEnvelope[] orders =
        [
            bench.Order(3, Others), bench.Order(RoundCodec.Everyone, Others),
            bench.Order(1, All, [0, 0, 0]), bench.Order(2, All, [1, 1, 1]), bench.Order(3, All, [2, 2, 2]),
        ];

        await Assert.ThrowsAsync<VertFedException>(() => bench.RunAsync(bench.Memory(), orders[..2]));
        Assert.Equal((0u, 0u), await bench.PaidAsync());
        VertFedException end = await Assert.ThrowsAsync<VertFedException>(() => bench.RunAsync(bench.Memory(), orders));

        Assert.Equal(ErrorCode.PeerUnavailable, end.Code);
        Assert.Equal([1u, 2, 3], bench.Said.Select(said => said.Header.Round));
        Assert.Equal((3u, 3u), await bench.PaidAsync());
    }

    [Theory]
    [InlineData("round", "the job spec has no such round")]
    [InlineData("length", "another length than the job's")]
    [InlineData("counted", "it does not say of each party")]
    [InlineData("earlier", "a later round has begun")]
    public async Task An_order_that_is_refused_costs_nothing(string attack, string reason)
    {
        await using Bench bench = new(rounds: 3, isPrivate: true);
        await bench.PlanAsync();
        RoundEnvelope hostile = attack switch
        {
            "round" => bench.Order(4, All),
            "length" => bench.Order(3, All, consensus: PublicRows + 1),
            "counted" => bench.Order(3, All, [0, 0]),
            _ => bench.Order(1, All),
        };

        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => bench.RunAsync(bench.Memory(), [bench.Order(2, All), hostile]));

        Assert.Equal(ErrorCode.ProtocolViolation, error.Code);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Equal((1u, 2u), await bench.PaidAsync());
    }

    [Fact]
    public async Task A_party_that_missed_the_last_round_ends_with_the_last_that_counted_it_whether_it_was_away_slow_or_killed_and_a_replay_agrees()
    {
        await using Bench bench = new(rounds: 2);
        RoundEnvelope[] orders = [bench.Order(1, All), bench.Order(2, All, [1, 1, 1])];
        RoundEnvelope final = bench.Final([1, 2, 2]);

        RoundResult away = await bench.RunAsync(bench.Memory(), [orders[0], final]);
        await Assert.ThrowsAsync<VertFedException>(() => bench.RunAsync(bench.Memory("killed"), orders));
        RoundResult killed = await bench.RunAsync(bench.Memory("killed", anew: false), [final]);
        RoundResult counted = await bench.RunAsync(bench.Memory(), [.. orders, bench.Final([2, 2, 2])]);
        bench.Said.Clear();
        RoundResult slow = await bench.RunAsync(bench.Memory(), [.. orders, final]);

        Assert.Equal(slow.Parameters, away.Parameters);
        Assert.Equal(slow.Parameters, killed.Parameters);
        Assert.NotEqual(slow.Parameters, counted.Parameters);

        // The answer to round 2 came too late for the record.
        Assert.Equal([1u, 2], bench.Said.Select(said => said.Header.Round));
        ReplayVerdict verdict = await bench.ReplayAsync(slow, orders[0], bench.Said[0], orders[1], final);
        Assert.Equal((ModelFinding.Same, 1L, ""), (verdict.Model, verdict.Matched, verdict.Difference));
    }

    [Fact]
    public async Task A_replay_at_a_party_that_no_round_counted_ends_as_its_job_did()
    {
        await using Bench bench = new(rounds: 1);
        RoundEnvelope order = bench.Order(1, All);
        RoundEnvelope final = bench.Final([0, 1, 1]);

        VertFedException error = await Assert.ThrowsAsync<VertFedException>(() => bench.RunAsync(bench.Memory(), [order, final]));
        ReplayVerdict verdict = await bench.ReplayAsync(null, order, bench.Said[0], final);

        Assert.Equal(ErrorCode.PeerUnavailable, error.Code);
        Assert.Equal((error.Message, true, 1L, ModelFinding.None), (verdict.Ending, verdict.IsFaithful, verdict.Matched, verdict.Model));
    }

    /// <summary>A job of three parties of which the first is here, over its real store; the coordinator is the test.</summary>
    private sealed class Bench : IAsyncDisposable
    {
        private readonly RoundCase _case;
        private readonly string _folder;
        private readonly PartyConfig _config;
        private readonly SqlitePartyStore _store;
        private readonly RoundInput _input;
        private readonly RoundTrail _coordinator = new(RoundCase.JobId, RoundCodec.Coordinator);
        private readonly uint _rounds;
        private int _memories;

        public Bench(uint rounds, bool isPrivate = false)
        {
            _rounds = rounds;
            _case = new RoundCase(
                All.Length,
                spec =>
                {
                    (spec.Strategy, spec.Rounds, spec.Scaling, spec.MinimumClients) = ("fedmd:3", rounds, ScalingChoice.None, 2);
                    if (isPrivate)
                    {
                        (spec.Batch, spec.Privacy) = (5, new PrivacySpec { Level = PrivacyLevel.Record, Clip = 1, Noise = 3, Delta = 1e-5, Budget = 100 });
                    }
                },
                publicRows: Given.Logistic(9, PublicRows, 2));
            _folder = _case.NewFolder();
            _config = _case.Configuration(0, _folder);
            _store = SqlitePartyStore.Open(
                Path.Combine(_config.DataDirectory, RoundCase.PartyStore), SecretsKey.LoadOrCreate(Path.Combine(_config.DataDirectory, RoundCase.SecretsFile)));
            _input = RoundInput.Of(PreparedInput.Load(_config, Job, CancellationToken.None), Job);
        }

        /// <summary>What the party has answered.</summary>
        public List<RoundEnvelope> Said { get; } = [];

        private JobSpecification Job => _case.Job.Specification;

        public RoundEnvelope Order(uint round, uint[] invited, uint[]? counted = null, int consensus = PublicRows) => Say(RoundStep.ModelOrder, round, new ModelOrder
        {
            Invited = { invited }, Parameters = { Enumerable.Range(0, consensus).Select(row => round == 1 ? 0 : 0.1 * (row + round)) }, Counted = { counted ?? new uint[All.Length] },
        });

        public RoundEnvelope Final(uint[] counted) => Say(RoundStep.FinalModel, 0, new FinalModel
        {
            Rounds = _rounds, Parameters = { new double[PublicRows] }, Taken = { All.Where(place => counted[place - 1] == _rounds) }, Counted = { counted },
        });

        /// <summary>What the party carries, kept under a name.</summary>
        public RoundMemory Memory(string name = "", bool anew = true) =>
            RoundMemory.Load(Path.Combine(_folder, "memory", anew && name.Length == 0 ? $"{++_memories}" : name));

        /// <summary>Runs a session on envelopes of the coordinator.</summary>
        public async Task<RoundResult> RunAsync(RoundMemory memory, IReadOnlyList<RoundEnvelope> heard)
        {
            PrivacyMeter meter = new(RoundCase.JobId, JobPlan.Of(Job).Privacy, _input.Train.Count, _store, TimeProvider.System);
            Voice voice = new(_case.Identities[0], Said);
            using RoundSession session = new(Job, _case.Job.SpecHash, Place, _input, _case.Seeds[0], memory, voice, _case.Identities[0]) { SpendAsync = meter.SpendAsync };
            return await session.RunAsync(FramesAsync(heard), CancellationToken.None);
        }

        public async Task PlanAsync()
        {
            JobPrivacy privacy = JobPlan.Of(Job).Privacy!;
            double[] planned = privacy.RowAccount(global::VertFed.Horizontal.Privacy.PrivacyAccountant.Fresh, _input.Train.Count, (int)_rounds).Values.ToArray();
            await _store.AddJobAsync(
                new PartyJob { Job = RoundCase.JobId, Attempt = 1, Role = Role.LabelParty, SignedSpec = [1], State = JobState.Running, ReceivedUnixMs = 1 }, CancellationToken.None);
            await _store.PlanPrivacyAsync(RoundCase.JobId, "default", PrivacyLevel.Record, planned, 1, CancellationToken.None);
        }

        /// <summary>Rounds that were paid for, and the highest of them.</summary>
        public async Task<(uint Rounds, uint Last)> PaidAsync()
        {
            PrivacySpending spent = Assert.Single(await _store.ListPrivacyAsync(CancellationToken.None));
            return (spent.Rounds, spent.LastRound);
        }

        /// <summary>Replays a record, with the model of a result as the party's own.</summary>
        public async Task<ReplayVerdict> ReplayAsync(RoundResult? result, params RoundEnvelope[] record)
        {
            RoundTranscriptHeader header = new()
            {
                Version = 1, Job = RoundCase.JobId, SignedSpec = _case.Job.Message, Coordinator = _case.Checkpoints.Key,
                Parties = { _case.Keys.Select(keys => keys.Current.Checkpoints.Key) }, State = JobState.Done, Entries = (ulong)record.Length,
            };
            string path = Path.Combine(_folder, "record.vft");
            await using (FileStream file = File.Create(path))
            {
                using RoundTranscriptWriter writer = await RoundTranscriptWriter.CreateAsync(file, header);
                foreach (RoundEnvelope entry in record)
                {
                    await writer.EntryAsync(
                        entry.Message.Core, entry.Message.Attestation, entry.Header.Sender == RoundCodec.Coordinator ? entry.Message.Payload.Memory : ReadOnlyMemory<byte>.Empty);
                }

                await writer.FinishAsync(bytes => _case.Coordinator.Sign(bytes));
            }

            using RoundIndex index = await RoundIndex.OpenAsync(path, CancellationToken.None);
            if (result is not null)
            {
                string folder = Path.Combine(_config.DataDirectory, "jobs", RoundCase.JobId);
                Directory.CreateDirectory(folder);
                await File.WriteAllBytesAsync(Path.Combine(folder, "model.json"), RoundPart.Model(Job, result with { TranscriptRoot = index.Root() }));
            }

            return await new RoundReplayer(_config, _case.Identities[0], _store, new ProgressWriter(TextWriter.Null)).RunAsync(index, CancellationToken.None);
        }

        public async ValueTask DisposeAsync()
        {
            await _store.DisposeAsync();
            _case.Dispose();
        }

        private RoundEnvelope Say(RoundStep step, uint round, IMessage payload)
        {
            RoundEnvelope said = RoundCodec.Build(_coordinator.Header(RoundCodec.Everyone, step, round, 1), payload, _case.Coordinator, 1);
            _coordinator.Add(said);
            return said;
        }

        private async IAsyncEnumerable<RoundFrame> FramesAsync(IReadOnlyList<RoundEnvelope> heard)
        {
            foreach (RoundEnvelope envelope in heard)
            {
                await Task.CompletedTask;
                yield return new RoundFrame(envelope, ResumeFrom: 0, _case.Coordinator.Public);
            }
        }
    }

    /// <summary>Keeps what is answered, and hears every question as a new one.</summary>
    private sealed class Voice(Identity identity, List<RoundEnvelope> said) : IRoundVoice
    {
        private readonly RoundTrail _trail = new(RoundCase.JobId, Place);

        public Task<Hearing> HearAsync(RoundEnvelope question, CancellationToken cancellationToken) => Task.FromResult(Hearing.New);

        public bool TryRepeat(RoundHeader question, RoundStep answer) => false;

        public Task RepeatAsync(RoundHeader question, IReadOnlyList<RoundStep> answers, CancellationToken cancellationToken) => Task.CompletedTask;

        public bool HasSaid(RoundHeader question, RoundStep answer) => false;

        public Task ResendAsync(ulong from, CancellationToken cancellationToken) => Task.CompletedTask;

        public void Say(RoundWord word) => throw new InvalidOperationException("No checkpoint was proposed.");

        public Task AnswerAsync(RoundHeader question, RoundStep step, IMessage payload, CancellationToken cancellationToken)
        {
            RoundEnvelope answer = RoundCodec.Build(_trail.Header(RoundCodec.Coordinator, step, question.Round, question.Attempt), payload, identity, 1);
            _trail.Add(answer);
            said.Add(answer);
            return Task.CompletedTask;
        }
    }
}
