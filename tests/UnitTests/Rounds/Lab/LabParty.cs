using System.Threading.Channels;
using Google.Protobuf;
using VertFed.Coordinator.Rounds;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Hosting;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Rounds;
using VertFed.PartyNode.Sessions;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Storage.Sqlite;

namespace VertFed.UnitTests.Rounds.Lab;

/// <summary>
/// A party of a lab: the real runner over a real store and folder, whose frames go to the coordinator's job without a network. A run of it can be killed at a durable
/// write; the next begins on what it left.
/// </summary>
internal sealed class LabParty : IAsyncDisposable
{
    private readonly RoundLab _lab;
    private readonly PartyConfig _config;
    private readonly SqlitePartyStore _store;
    private readonly HostileVoice _hostile;
    private readonly List<Life> _dead = [];
    private JobOutcome? _outcome;
    private Life _life;

    public LabParty(RoundLab lab, int party, KillSwitch life)
    {
        _lab = lab;
        Place = (uint)party + 1;
        Identity = lab.Case.Identities[party];
        _config = lab.Case.Configuration(party, lab.Folder);
        _store = SqlitePartyStore.Open(
            Path.Combine(_config.DataDirectory, RoundCase.PartyStore), SecretsKey.LoadOrCreate(Path.Combine(_config.DataDirectory, RoundCase.SecretsFile)));
        _hostile = new HostileVoice(Place, Identity);
        _life = new Life(this, life);
    }

    public uint Place { get; }

    public Identity Identity { get; }

    public string Name => _config.Name;

    private NodeKey Key => _lab.Case.Keys[Place - 1].Current;

    /// <summary>Where it keeps what it carries from round to round.</summary>
    public string Folder => Path.Combine(_config.DataDirectory, "jobs", RoundCase.JobId);

    /// <summary>What it came to; null before.</summary>
    public RoundResult? Result { get; private set; }

    /// <summary>Why it left; null where it has not.</summary>
    public VertFedException? Error { get; private set; }

    /// <summary>How often it was killed.</summary>
    public int Kills => _dead.Count;

    /// <summary>Durable writes of its present run.</summary>
    public int Writes => _life.Switch.Writes;

    /// <summary>Whether an envelope is lost, and the party with it: nothing more of it arrives.</summary>
    public Func<RoundHeader, bool> LostAt { get; set; } = _ => false;

    public bool IsLost { get; private set; }

    /// <summary>What arrives instead of what it says; null: that.</summary>
    public Func<RoundEnvelope, HostileVoice, IEnumerable<Envelope>>? Speak { get; set; }

    /// <summary>Called with each question before it comes to the party.</summary>
    public Action<RoundHeader> Heard { get; set; } = _ => { };

    public double[] Parameters => [.. Result!.Model.Parameters];

    /// <summary>A frame of the coordinator; it is lost where the party's run has been killed. Never blocks.</summary>
    public void Deliver(CoordinatorFrame frame) => _life.Deliver(CoordinatorFrame.Parser.ParseFrom(frame.ToByteArray()));

    /// <summary>It connects anew: whatever its last word is it says again.</summary>
    public async Task AttachAsync()
    {
        await _lab.TellAsync(new AttachedEvent(Place));
        if (_outcome is { } outcome)
        {
            await _lab.TellAsync(new OutcomeEvent(Place, outcome));
        }
    }

    /// <summary>Kills its run where it is and starts it again.</summary>
    public Task RestartAsync()
    {
        _life.Switch.Kill();
        return ReviveAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Life life in _dead.Append(_life))
        {
            await life.DisposeAsync();
        }

        await _store.DisposeAsync();
    }

    private async Task ReviveAsync()
    {
        _dead.Add(_life);
        _life = new Life(this, new KillSwitch());
        await AttachAsync();
    }

    private Task SayAsync(RoundWord word) => IsLost ? Task.CompletedTask : _lab.TellAsync(new WordEvent(Place, word));

    private async Task SayAsync(Envelope message)
    {
        RoundEnvelope said = RoundCodec.Parse(message);
        if (IsLost || LostAt(said.Header))
        {
            IsLost = true;
            _lab.Lost();
            return;
        }

        foreach (Envelope envelope in Speak is { } speak ? [.. speak(said, _hostile)] : new[] { message })
        {
            RoundEnvelope parsed = RoundCodec.Parse(Envelope.Parser.ParseFrom(envelope.ToByteArray()));
            RoundCodec.Verify(parsed, Identity.Public);
            await _lab.TellAsync(new EnvelopeEvent(Place, parsed));
        }
    }

    private Task EndAsync(JobState state, VertFedException? error)
    {
        _outcome = new JobOutcome
        {
            Job = RoundCase.JobId, Attempt = 1, State = state,
            Error = error is null ? null : new JobError { Code = error.Code.ToString(), Party = Name, Step = error.Step, Message = error.Message },
        };
        return _lab.TellAsync(new OutcomeEvent(Place, _outcome));
    }

    private sealed class Life : IAsyncDisposable
    {
        private readonly LabParty _party;
        private readonly RelayClient _relay;
        private readonly Channel<CoordinatorFrame> _inbox = Channel.CreateUnbounded<CoordinatorFrame>();
        private readonly CancellationTokenSource _stop = new();
        private readonly List<Task> _tasks = [];
        private bool _started;

        public Life(LabParty party, KillSwitch life)
        {
            _party = party;
            Switch = life;
            RelayOptions options = new() { Coordinator = party._config.Coordinator, CoordinatorFingerprints = party._config.CoordinatorFingerprints, Party = party.Name };
            _relay = new RelayClient(options, party._lab.Case.Keys[party.Place - 1]);
            _ = _relay.OpenRounds(RoundCase.JobId);
            _tasks.Add(Task.Run(ReceiveAsync));
            _tasks.Add(Task.Run(SendAsync));
        }

        public KillSwitch Switch { get; }

        public void Deliver(CoordinatorFrame frame) => _inbox.Writer.TryWrite(frame);

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            foreach (Task task in _tasks)
            {
                await task.ContinueWith(_ => { }, TaskScheduler.Default);
            }

            _stop.Dispose();
        }

        private async Task ReceiveAsync()
        {
            await foreach (CoordinatorFrame frame in _inbox.Reader.ReadAllAsync(_stop.Token))
            {
                switch (frame.FrameCase)
                {
                    case CoordinatorFrame.FrameOneofCase.Offer:
                        await _party._lab.TellAsync(new AnswerEvent(_party.Place, null, _party.Identity.Public.SubjectPublicKeyInfo.ToArray(), _party.Key.Checkpoints.Key.ToByteArray()));
                        break;
                    case CoordinatorFrame.FrameOneofCase.Start when !_started && _party._outcome is null:
                        _started = true;
                        _tasks.Add(Task.Run(RunAsync));
                        break;
                    case CoordinatorFrame.FrameOneofCase.Round:
                        RoundEnvelope envelope = RoundCodec.Parse(frame.Round);
                        _party.Heard(envelope.Header);
                        await _relay.DeliverAsync(new RoundFrame(envelope, 0, _party._lab.Case.Coordinator.Public), RoundCase.JobId, _stop.Token);
                        break;
                    case CoordinatorFrame.FrameOneofCase.Resume:
                        await _relay.DeliverAsync(new RoundFrame(null, frame.Resume.Sequence, _party._lab.Case.Coordinator.Public), RoundCase.JobId, _stop.Token);
                        break;
                    case CoordinatorFrame.FrameOneofCase.Proposal:
                        RoundFrame proposed = new(null, 0, _party._lab.Case.Coordinator.Public) { Proposal = frame.Proposal, Checkpoints = _party._lab.Verifier };
                        await _relay.DeliverAsync(proposed, RoundCase.JobId, _stop.Token);
                        break;
                    case CoordinatorFrame.FrameOneofCase.End:
                        await _stop.CancelAsync();
                        break;
                }
            }
        }

        private async Task SendAsync()
        {
            while (true)
            {
                while (_relay.TryTakeControl(out PartyFrame? frame) && !Switch.IsDead)
                {
                    await (frame!.Round is { } envelope ? _party.SayAsync(envelope) : _party.SayAsync(frame.Word));
                }

                await _relay.WaitForWorkAsync(_stop.Token);
            }
        }

        private async Task RunAsync()
        {
            PartyConfig config = _party._config;
            SignedJob job = _party._lab.Case.Job;
            RoundRunner runner = new(config, _party.Key, MortalStore.Over<IPartyStore>(_party._store, Switch), _relay, TimeProvider.System);
            try
            {
                _party.Result = await runner.RunAsync(job, PreparedInput.Load(config, job.Specification, _stop.Token), _ => { }, _stop.Token);
                await _party.EndAsync(JobState.Done, null);
            }
            catch (VertFedException error)
            {
                _party.Error = error;
                await _party.EndAsync(JobState.Failed, error);
            }
            catch (ProcessKilledException)
            {
                await _party.ReviveAsync();
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                // The job has ended, or the test.
            }
            catch (Exception error)
            {
                _party._lab.Fault(error);
            }
        }
    }
}
