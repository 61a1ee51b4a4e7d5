using System.Collections.Concurrent;
using System.Threading.Channels;
using VertFed.Coordinator.Jobs;
using VertFed.Horizontal;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Rounds;

/// <summary>
/// One horizontal job from its offer to its end: a task that reads what the parties' connections tell it, and alone changes the job. What it does is
/// kept first, so a coordinator that starts again takes it up from the store.
/// </summary>
internal sealed class RoundJob : IDisposable
{
    // Each may be an envelope of 1 MiB. A connection whose job has so much to read waits.
    private const int MostWaiting = 128;

    private readonly IRoundStore _store;
    private readonly Action<string, CoordinatorFrame> _send;
    private readonly TimeProvider _time;
    private readonly Identity _self;
    private readonly CheckpointSigner _checkpoints;
    private readonly SignedJob _signed;
    private readonly Channel<RoundEvent> _events = Channel.CreateBounded<RoundEvent>(new BoundedChannelOptions(MostWaiting) { SingleReader = true });
    private readonly CancellationTokenSource _ending = new();
    private readonly ConcurrentDictionary<uint, bool> _accepted;
    private readonly ConcurrentDictionary<uint, long> _heldUntil = [];
    private RoundConversation? _conversation;
    private RoundTraining? _training;
    private RoundJobRecord _record;
    private JobError? _cancelled;

    public RoundJob(RoundJobRecord record, IRoundStore store, Identity self, CheckpointSigner checkpoints, Action<string, CoordinatorFrame> send, TimeProvider time)
    {
        (_record, _store, _self, _checkpoints, _send, _time) = (record, store, self, checkpoints, send, time);
        _signed = SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(record.SignedSpec));
        _accepted = new ConcurrentDictionary<uint, bool>(record.Parties.Where(party => party.Accepted).Select(party => KeyValuePair.Create(party.Place, true)));
    }

    public Pulse Changed { get; } = new();

    /// <summary>In whose name the job has its place among the open ones.</summary>
    public required string Owner { get; init; }

    /// <summary>Told of each round that was done, and how long it took.</summary>
    public Action<RoundSummary, TimeSpan> Concluded { get; init; } = (_, _) => { };

    /// <summary>Whether a party of a name is connected now.</summary>
    public required Func<string, bool> Connected { private get; init; }

    public RoundJobRecord Record => Volatile.Read(ref _record);

    public JobSpecification Specification => _signed.Specification;

    /// <summary>The round under way; 0 before the first.</summary>
    public uint Round => Volatile.Read(ref _training)?.Checkpoint is { } checkpoint
        ? Math.Min(checkpoint.Rounds + 1, (uint)Specification.Horizontal!.Rounds)
        : Record.Rounds;

    /// <summary>The parties waited for, by name.</summary>
    public IEnumerable<string> Awaited => Record.State == JobState.Offered
        ? Record.Parties.Where(party => !_accepted.ContainsKey(party.Place)).Select(party => party.Name)
        : (_conversation?.Awaited ?? []).Select(place => Record.Parties[(int)place - 1].Name);

    public IEnumerable<string> Held => Record.State == JobState.Offered
        ? Record.Parties.Where(party => _heldUntil.ContainsKey(party.Place) && !_accepted.ContainsKey(party.Place)).Select(party => party.Name)
        : [];

    /// <summary>Hands on what a connection has to say. Waits where the job is busy.</summary>
    /// <returns>False: it was not taken, for the job runs no more. The caller keeps what is to be kept.</returns>
    public async ValueTask<bool> TellAsync(RoundEvent what, CancellationToken cancellationToken)
    {
        try
        {
            await _events.Writer.WriteAsync(what, cancellationToken);
            return true;
        }
        catch (ChannelClosedException)
        {
            return false;
        }
    }

    /// <summary>Keeps what was taken and not read any more when the job ceased to run: the parties' last words, and their words on checkpoints. Not while it runs.</summary>
    public async Task KeepRestAsync(CancellationToken cancellationToken)
    {
        // Looked at first and taken after: where the store fails, the next call begins with the same.
        while (_events.Reader.TryPeek(out RoundEvent? next))
        {
            if (next is OutcomeEvent { Outcome: var outcome })
                await _store.SaveRoundOutcomeAsync(Record.Job, next.Place, outcome, cancellationToken);
            else if (next is WordEvent { Word: var word })
                await RoundTree.TakeAsync(_store, Record, next.Place, word, Now(), cancellationToken);
            _ = _events.Reader.TryRead(out _);
        }
    }

    /// <summary>Why somebody has cancelled it; null where nobody has.</summary>
    public JobError? Cancelled => Volatile.Read(ref _cancelled);

    /// <summary>Ends it for somebody who may.</summary>
    public void Cancel(JobError why)
    {
        Interlocked.CompareExchange(ref _cancelled, why, null);
        try
        {
            _ending.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It has ended by itself in the meantime.
        }
    }

    /// <summary>Runs until the job has ended, or the process stops and the job is left open.</summary>
    /// <returns>The job as it ended; null where it is left open.</returns>
    public async Task<RoundJobRecord?> RunAsync(CancellationToken stop)
    {
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(stop, _ending.Token);
        try
        {
            // What it began with may be of before an end that another run of it came to.
            Publish(await _store.FindRoundJobAsync(Record.Job, stop));
            if (!Record.IsOpen)
                return Record;
            JobError? refusal = Record.State == JobState.Offered ? await OfferAsync(either.Token) : null;
            if (refusal is not null)
                return await EndAsync(JobState.Refused, refusal);
            await TrainAsync(either.Token);
            return await EndAsync(JobState.Done, null);
        }
        catch (OperationCanceledException) when (_cancelled is not null)
        {
            return await EndAsync(JobState.Cancelled, _cancelled);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return null;
        }
        catch (VertFedException error) when (error.Code != ErrorCode.Storage)
        {
            return await EndAsync(JobState.Failed, ErrorOf(error.Code, error.Message, error.Party, error.Step));
        }
        catch (HorizontalException error)
        {
            ErrorCode code = error.Error == HorizontalError.TooFewClients ? ErrorCode.PeerUnavailable : ErrorCode.ProtocolViolation;
            return await EndAsync(JobState.Failed, ErrorOf(code, error.Message, "", ""));
        }
        finally
        {
            _events.Writer.TryComplete();
        }
    }

    /// <summary>Ends it for a fault of this software, which the log has under this number.</summary>
    public Task<RoundJobRecord> FailAsync(string incident) =>
        EndAsync(JobState.Failed, ErrorOf(ErrorCode.Internal, $"the coordinator failed; its log says more under incident {incident}", "", ""));

    public void Dispose()
    {
        _training?.Dispose();
        _ending.Dispose();
    }

    /// <summary>Offers the job to all, and waits until all have accepted or one refuses.</summary>
    private async Task<JobError?> OfferAsync(CancellationToken cancellationToken)
    {
        foreach (RoundPartyRecord party in Record.Parties)
            Offer(party.Place);
        long since = _time.GetTimestamp();
        while (_accepted.Count < Record.Parties.Count)
        {
            TimeSpan left = LeftOf(since);
            using CancellationTokenSource deadline = new(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time);
            using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
            RoundEvent next;
            try
            {
                next = await _events.Reader.ReadAsync(either.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                if (LeftOf(since) > TimeSpan.Zero)
                    continue;
                string[] missing = [.. Awaited];
                throw new VertFedException(
                    ErrorCode.PeerUnavailable, $"Waited for the answer of {string.Join(", ", missing)} to the offer; nothing came in time.") { Party = missing[0], Step = "answer to the offer" };
            }

            switch (next)
            {
                case AnswerEvent { Refusal: { } refusal }:
                    return refusal;
                case AnswerEvent answer:
                    await _store.AcceptRoundJobAsync(Record.Job, answer.Place, answer.IdentityKey, answer.CheckpointKey, cancellationToken);
                    _accepted[answer.Place] = true;
                    Changed.Signal();
                    break;
                case OutcomeEvent { Outcome: var outcome }:
                    // It had accepted, and has ended the job at its side before the others answered.
                    await _store.SaveRoundOutcomeAsync(Record.Job, next.Place, outcome, cancellationToken);
                    return outcome.Error ?? ErrorOf(ErrorCode.ProtocolViolation, "the party ended its part before the job began", Record.Parties[(int)next.Place - 1].Name, "");
                case HeldEvent held:
                    _heldUntil.TryAdd(held.Place, _time.GetTimestamp() + (long)(held.Allowed.TotalSeconds * _time.TimestampFrequency));
                    Changed.Signal();
                    break;
                case AttachedEvent when !_accepted.ContainsKey(next.Place):
                    Offer(next.Place);
                    break;
            }
        }

        return null;
    }

    private async Task TrainAsync(CancellationToken cancellationToken)
    {
        if (Record.State == JobState.Offered)
        {
            RoundCheckpoint fresh = RoundTraining.Fresh();
            await _store.SaveRoundCheckpointAsync(Record.Job, fresh, cancellationToken);
            Publish(await _store.MoveRoundJobAsync(Record.Job, JobState.Running, null, Now(), cancellationToken));
        }

        // The parties' keys are in the store only since they accepted.
        Publish(await _store.FindRoundJobAsync(Record.Job, cancellationToken));
        RoundTree tree = new(Record, _store, _checkpoints, _time, _send);
        _conversation = new RoundConversation(Record, _store, tree, _self, _events.Reader, _send, _time) { Changed = Changed.Signal, Connected = Connected };
        await _conversation.ResumeAsync(cancellationToken);
        foreach (RoundPartyRecord party in Record.Parties)
            _send(party.Name, new CoordinatorFrame { Start = new JobStart { Job = Record.Job, Attempt = 1 } });

        // A job that is taken up again does not know which checkpoints reached whom.
        foreach (RoundPartyRecord party in Record.Parties.Where(party => Connected(party.Name)))
            await tree.ProposeAllAsync(party.Name, cancellationToken);
        long since = _time.GetTimestamp();
        Volatile.Write(ref _training, new RoundTraining(Specification, _signed.SpecHash, _conversation, tree, _store, Record.Checkpoint!.Clone())
        {
            Concluded = round =>
            {
                Concluded(round, _time.GetElapsedTime(since));
                since = _time.GetTimestamp();
            },
        });
        await _training!.RunAsync(cancellationToken);
    }

    private async Task<RoundJobRecord> EndAsync(JobState state, JobError? error)
    {
        Publish(await _store.MoveRoundJobAsync(Record.Job, state, error, Now(), CancellationToken.None));
        foreach (RoundPartyRecord party in Record.Parties)
            _send(party.Name, new CoordinatorFrame { End = EndOf(Record) });
        return Record;
    }

    /// <summary>What a party is told of a job that has ended.</summary>
    public static JobEnd EndOf(RoundJobRecord record) => new() { Job = record.Job, State = record.State, Error = record.Error };

    private void Offer(uint place)
    {
        if (!_accepted.ContainsKey(place))
            _send(Record.Parties[(int)place - 1].Name, new CoordinatorFrame { Offer = new JobOffer { Job = _signed.Message, Attempt = 1 } });
    }

    // The job's own deadline, or for as long as an operator may still be asked.
    private TimeSpan LeftOf(long since)
    {
        TimeSpan left = Specification.Deadline - _time.GetElapsedTime(since);
        foreach ((uint place, long until) in _heldUntil)
        {
            TimeSpan held = _time.GetElapsedTime(_time.GetTimestamp(), until);
            if (!_accepted.ContainsKey(place) && held > left)
                left = held;
        }

        return left;
    }

    private void Publish(RoundJobRecord? record)
    {
        Volatile.Write(ref _record, record ?? throw new InvalidOperationException("the job is not in the store"));
        Changed.Signal();
    }

    private long Now() => _time.GetUtcNow().ToUnixTimeMilliseconds();

    private static JobError ErrorOf(ErrorCode code, string message, string party, string step) =>
        new() { Code = code.ToString(), Message = message, Party = party.Length > 0 ? party : "coordinator", Step = step };
}
