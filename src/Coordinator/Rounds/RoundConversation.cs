using System.Threading.Channels;
using Google.Protobuf;
using VertFed.Horizontal;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Rounds;

/// <summary>A question of the coordinator to some parties, and when it has enough answers.</summary>
/// <param name="Step">What is said.</param>
/// <param name="Round">From 1; 0 before the first.</param>
/// <param name="Attempt">From 1.</param>
/// <param name="Places">Who is asked.</param>
/// <param name="Payload">What each is told: one message for all, or one each.</param>
/// <param name="Answer">The step that answers.</param>
/// <param name="Enough">Answers after which nobody else is waited for.</param>
/// <param name="Least">Answers without which the job cannot go on.</param>
/// <param name="Deadline">How long to wait.</param>
internal sealed record Question(
    RoundStep Step, uint Round, uint Attempt, IReadOnlyList<uint> Places, Func<uint, IMessage> Payload, bool IsForAll, RoundStep Answer, int Enough, int Least, TimeSpan Deadline)
{
    public string Name => Round == 0 ? Answer.ToString() : $"{Answer} of round {Round}";
}

/// <summary>
/// The coordinator's side of the envelopes of one job: signs and chains its own, checks that each party's are a chain, records both before anything
/// follows from them, and says a question again to a party that connects anew. Used by the job's own task alone.
/// </summary>
internal sealed class RoundConversation(RoundJobRecord job, IRoundStore store, RoundTree tree, Identity self, ChannelReader<RoundEvent> events, Action<string, CoordinatorFrame> send, TimeProvider time)
{
    private readonly Dictionary<uint, RoundTrail> _trails =
        job.Parties.Select(party => party.Place).Append(RoundCodec.Coordinator).ToDictionary(place => place, place => new RoundTrail(job.Job, place));

    private readonly Dictionary<uint, Envelope> _outstanding = [];
    private readonly SortedDictionary<uint, JobOutcome> _outcomes = new(
        job.Parties.Where(party => party.Outcome is not null).ToDictionary(party => party.Place, party => party.Outcome!));

    private readonly List<RoundNote> _refusals = [];

    // Who has no keys of a secure sum any more.
    private readonly HashSet<(uint Round, uint Attempt, uint Place)> _lost = [];
    private long _position;

    public TimeProvider Time => time;

    /// <summary>Whose last word is there.</summary>
    public IReadOnlyDictionary<uint, JobOutcome> Outcomes => _outcomes;

    /// <summary>Bytes of envelopes from parties since the last <see cref="TakeCounts"/>.</summary>
    public ulong BytesUp { get; private set; }

    /// <summary>Bytes of envelopes to parties since then, each recipient counted.</summary>
    public ulong BytesDown { get; private set; }

    /// <summary>Who is waited for now.</summary>
    public IReadOnlyList<uint> Awaited { get; private set; } = [];

    /// <summary>Whether a party of this name is connected now.</summary>
    public required Func<string, bool> Connected { private get; init; }

    /// <summary>Told when <see cref="Awaited"/> has changed.</summary>
    public Action Changed { get; init; } = () => { };

    /// <summary>Takes the chains up where the record ends.</summary>
    public async Task ResumeAsync(CancellationToken cancellationToken)
    {
        await tree.ResumeAsync(cancellationToken);
        foreach (RoundEntry entry in await store.ReadLastRoundEntriesAsync(job.Job, cancellationToken))
        {
            Envelope envelope = new() { Core = ByteString.CopyFrom(entry.Core), Attestation = ByteString.CopyFrom(entry.Attestation) };
            _trails[entry.Sender].Restore(RoundCodec.Parse(envelope, withPayload: false));
            _position = Math.Max(_position, entry.Position + 1);
        }
    }

    /// <summary>Asks, and takes answers until there are enough, nobody is left to answer, or the deadline is there.</summary>
    /// <param name="take">Checks and keeps one answer; throws to refuse it, and the party is then not waited for.</param>
    /// <returns>Whose answers were taken, ascending.</returns>
    /// <exception cref="VertFedException">PeerUnavailable: fewer than <see cref="Question.Least"/> answered.</exception>
    public async Task<IReadOnlyList<uint>> AskAsync(Question question, Action<RoundEnvelope> take, CancellationToken cancellationToken)
    {
        SortedSet<uint> taken = [];
        _lost.RemoveWhere(one => (one.Round, one.Attempt) != (question.Round, question.Attempt));
        SortedSet<uint> waiting = [.. question.Places.Where(place => !_outcomes.ContainsKey(place) && !_lost.Contains((question.Round, question.Attempt, place)))];
        await SayAsync(question, cancellationToken);
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using CancellationTokenSource deadline = new(question.Deadline, time);
        using CancellationTokenRegistration link = deadline.Token.Register(late.Cancel);
        while (taken.Count < question.Enough && waiting.Count > 0)
        {
            Await([.. waiting]);
            RoundEvent next;
            try
            {
                next = await events.ReadAsync(late.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                break;
            }

            switch (next)
            {
                case EnvelopeEvent { Envelope: var envelope } when await RecordAsync(next.Place, envelope, cancellationToken):
                    Take(question, envelope, take, taken, waiting);
                    break;
                case OutcomeEvent { Outcome: var outcome }:
                    await EndAsync(next.Place, outcome, cancellationToken);
                    waiting.Remove(next.Place);
                    break;
                default:
                    await OtherAsync(next, cancellationToken);
                    break;
            }
        }

        foreach (uint place in question.Places)
            _outstanding.Remove(place);
        Await([]);
        if (taken.Count < question.Least)
            throw TooFew(question, taken, waiting);
        return [.. taken];
    }

    /// <summary>Says something to one party, and says it again on a new connection until <see cref="Settle"/>.</summary>
    public Task TellAsync(RoundStep step, uint round, uint attempt, uint place, IMessage payload, CancellationToken cancellationToken) =>
        SayAsync(new Question(step, round, attempt, [place], _ => payload, IsForAll: false, RoundStep.Unspecified, 0, 0, TimeSpan.Zero), cancellationToken);

    /// <summary>A party has answered what it was told: it is not told again.</summary>
    public void Settle(uint place) => _outstanding.Remove(place);

    /// <summary>Waits for the next envelope of any party.</summary>
    /// <returns>Null where a party had its last word instead, or nothing came for so long.</returns>
    public async Task<RoundEnvelope?> HearAsync(IReadOnlyList<uint> awaited, TimeSpan patience, CancellationToken cancellationToken)
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using CancellationTokenSource deadline = new(patience, time);
        using CancellationTokenRegistration link = deadline.Token.Register(late.Cancel);
        Await([.. awaited]);
        while (true)
        {
            RoundEvent next;
            try
            {
                next = await events.ReadAsync(late.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return null;
            }

            switch (next)
            {
                case EnvelopeEvent { Envelope: var envelope } when await RecordAsync(next.Place, envelope, cancellationToken):
                    return envelope;
                case OutcomeEvent { Outcome: var outcome }:
                    await EndAsync(next.Place, outcome, cancellationToken);
                    return null;
                default:
                    await OtherAsync(next, cancellationToken);
                    break;
            }
        }
    }

    /// <summary>Waits for the last words of these parties; those that are missing at the deadline stay missing.</summary>
    public async Task WaitForOutcomesAsync(IReadOnlyList<uint> places, Question final, CancellationToken cancellationToken)
    {
        if (!await RestateAsync(final, cancellationToken))
        {
            await SayAsync(final, cancellationToken);
        }

        // What comes after the final model is in no one's model and in no record.
        await tree.CutAsync(isClosing: true, cancellationToken);
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using CancellationTokenSource deadline = new(final.Deadline, time);
        using CancellationTokenRegistration link = deadline.Token.Register(late.Cancel);
        while (places.Any(place => !_outcomes.ContainsKey(place)))
        {
            Await([.. places.Where(place => !_outcomes.ContainsKey(place))]);
            RoundEvent next;
            try
            {
                next = await events.ReadAsync(late.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                break;
            }

            if (next is OutcomeEvent { Outcome: var outcome })
                await EndAsync(next.Place, outcome, cancellationToken);
            else if (next is not EnvelopeEvent)
                await OtherAsync(next, cancellationToken);
        }

        _outstanding.Clear();
        Await([]);
    }

    /// <summary>The refusals since the last call, and the counts begin anew.</summary>
    public IReadOnlyList<RoundNote> TakeCounts(out ulong up, out ulong down)
    {
        (up, down) = (BytesUp, BytesDown);
        (BytesUp, BytesDown) = (0, 0);
        RoundNote[] refusals = [.. _refusals];
        _refusals.Clear();
        return refusals;
    }

    public bool IsConnected(uint place) => Connected(NameOf(place));

    public string NameOf(uint place) => job.Parties[(int)place - 1].Name;

    /// <summary>Whoever verifies a party's keys does so by this identity key: with another in its place all others would refuse them, and leave.</summary>
    /// <exception cref="VertFedException">ProtocolViolation: it is not the one that the party accepted with.</exception>
    public void RequireIdentity(uint place, ReadOnlySpan<byte> identityKey)
    {
        if (!identityKey.SequenceEqual(job.Parties[(int)place - 1].IdentityKey))
            throw new VertFedException(ErrorCode.ProtocolViolation, "the identity key is not the one that the job names");
    }

    private async Task SayAsync(Question question, CancellationToken cancellationToken)
    {
        List<RoundEntry> entries = [];
        Dictionary<uint, Envelope> said = [];
        foreach (uint place in question.IsForAll ? [RoundCodec.Everyone] : question.Places)
        {
            RoundHeader header = _trails[RoundCodec.Coordinator].Header(place, question.Step, question.Round, question.Attempt);
            RoundEnvelope envelope = RoundCodec.Build(header, question.Payload(place), self, time.GetUtcNow().ToUnixTimeMilliseconds());
            _trails[RoundCodec.Coordinator].Add(envelope);

            // Sealed shares are their recipient's; all else that the coordinator says is for the transcript.
            entries.Add(EntryOf(envelope, withPayload: question.Step != RoundStep.SumShareBundle));
            said[place] = envelope.Message;
        }

        await RecordAsync(entries, cancellationToken);
        foreach (uint place in question.Places)
        {
            _outstanding[place] = said[question.IsForAll ? RoundCodec.Everyone : place];
            Send(place, _outstanding[place]);
        }
    }

    /// <summary>Says the final model again where it was said before this process began: the record has it once.</summary>
    private async Task<bool> RestateAsync(Question final, CancellationToken cancellationToken)
    {
        RoundEntry? last = (await store.ReadLastRoundEntriesAsync(job.Job, cancellationToken)).FirstOrDefault(entry => entry.Sender == RoundCodec.Coordinator);
        RoundEntry? said = last is null ? null : (await store.ReadRoundEntriesAsync(job.Job, last.Position, 1, cancellationToken))[0];
        if (said?.Payload is null)
            return false;
        Envelope envelope = new() { Core = ByteString.CopyFrom(said.Core), Attestation = ByteString.CopyFrom(said.Attestation), Payload = ByteString.CopyFrom(said.Payload) };
        if (RoundCodec.Parse(envelope).Header.Step != final.Step)
            return false;
        foreach (uint place in final.Places)
        {
            _outstanding[place] = envelope;
            Send(place, envelope);
        }

        return true;
    }

    private async Task RecordAsync(IReadOnlyList<RoundEntry> entries, CancellationToken cancellationToken)
    {
        await store.AppendRoundEntriesAsync(job.Job, entries, time.GetUtcNow().ToUnixTimeMilliseconds(), cancellationToken);
        foreach (RoundEntry entry in entries)
            tree.Add(entry);
    }

    /// <summary>Records a party's envelope if it is the next of its chain.</summary>
    /// <returns>False: it is not, or was there before.</returns>
    private async Task<bool> RecordAsync(uint place, RoundEnvelope envelope, CancellationToken cancellationToken)
    {
        if (_trails[place].IsKnown(envelope))
            return false;
        if (envelope.Header.Sequence > _trails[place].Next)
        {
            // Those before it were lost with a connection or a process: that is nobody's fault.
            send(NameOf(place), new CoordinatorFrame { Resume = new RoundResume { Job = job.Job, Sequence = _trails[place].Next } });
            return false;
        }

        if (_trails[place].Objection(envelope) is { } objection)
        {
            Refuse(place, $"{envelope.Header.Step}: {objection}");
            return false;
        }

        // An update is the coordinator's to read and nobody else's: of what a party sends, the record keeps the hash.
        await RecordAsync([EntryOf(envelope, withPayload: false)], cancellationToken);
        _trails[place].Add(envelope);
        BytesUp += (ulong)envelope.Message.CalculateSize();
        return true;
    }

    private void Take(Question question, RoundEnvelope envelope, Action<RoundEnvelope> take, SortedSet<uint> taken, SortedSet<uint> waiting)
    {
        RoundHeader header = envelope.Header;
        uint place = header.Sender;
        string said = header.Round == 0 ? header.Step.ToString() : $"{header.Step} of round {header.Round}";
        if (header.Round == question.Round && header.Attempt < question.Attempt)
        {
            // Overtaken by the coordinator's own beginning again.
            return;
        }

        if (header.Step == RoundStep.SumLost && header.Round == question.Round)
        {
            // Whatever else is asked of this sum, it is not waited for.
            waiting.Remove(place);
            _outstanding.Remove(place);
            if (_lost.Add((question.Round, question.Attempt, place)))
                Refuse(place, $"{question.Name}: the party has started again, and has no keys of this secure sum any more");
        }
        else if (header.Round < question.Round)
        {
            Refuse(place, $"{said} came late: {question.Name} is asked now");
        }
        else if (header.Step != question.Answer || header.Round != question.Round || header.Attempt != question.Attempt)
        {
            Refuse(place, $"{said} (attempt {header.Attempt}) is not what is asked: {question.Name} (attempt {question.Attempt})");
        }
        else if (!question.Places.Contains(place))
        {
            Refuse(place, $"{said}: it was not asked");
        }
        else if (!waiting.Remove(place))
        {
            Refuse(place, $"{said}: it has answered already");
        }
        else
        {
            // Whatever it is, it is this party's answer: another one is not waited for.
            _outstanding.Remove(place);
            try
            {
                take(envelope);
                taken.Add(place);
            }
            catch (Exception error) when (error is HorizontalException or VertFedException { Code: ErrorCode.ProtocolViolation })
            {
                Refuse(place, error.Message);
            }
        }
    }

    private async Task EndAsync(uint place, JobOutcome outcome, CancellationToken cancellationToken)
    {
        if (!_outcomes.TryAdd(place, outcome))
            return;
        _outstanding.Remove(place);
        await store.SaveRoundOutcomeAsync(job.Job, place, outcome, cancellationToken);
        if (outcome.State != JobState.Done)
            Refuse(place, $"left the job: {outcome.Error?.Message}");
    }

    private async Task OtherAsync(RoundEvent next, CancellationToken cancellationToken)
    {
        if (next is WordEvent { Word: var word }
            && await RoundTree.TakeAsync(store, job, next.Place, word, time.GetUtcNow().ToUnixTimeMilliseconds(), cancellationToken) is { } objection)
            Refuse(next.Place, objection);
        if (next is not AttachedEvent)
            return;
        send(NameOf(next.Place), new CoordinatorFrame { Start = new JobStart { Job = job.Job, Attempt = 1 } });
        if (_outstanding.TryGetValue(next.Place, out Envelope? again))
            Send(next.Place, again);
        await tree.ProposeAllAsync(NameOf(next.Place), cancellationToken);
    }

    private void Send(uint place, Envelope envelope)
    {
        BytesDown += (ulong)envelope.CalculateSize();
        send(NameOf(place), new CoordinatorFrame { Round = envelope });
    }

    /// <summary>Notes why something of a party does not count, for the report.</summary>
    public void Refuse(uint place, string reason)
    {
        // A party that is refused over and over is not remembered without end.
        if (_refusals.Count < 1000)
            _refusals.Add(new RoundNote { Party = NameOf(place), Reason = reason });
    }

    private void Await(uint[] places)
    {
        if (Awaited.SequenceEqual(places))
            return;
        Awaited = places;
        Changed();
    }

    private VertFedException TooFew(Question question, SortedSet<uint> taken, SortedSet<uint> waiting)
    {
        string missing = waiting.Count == 0 ? "" : $" Nothing came within {question.Deadline.TotalSeconds:0} s from {string.Join(", ", waiting.Select(NameOf))}.";
        string refused = _refusals.Count == 0 ? "" : $" Refused: {string.Join("; ", _refusals.Take(5).Select(note => $"{note.Party}: {note.Reason}"))}.";
        return new VertFedException(
            ErrorCode.PeerUnavailable, $"{question.Name} needs {question.Least} parties; {taken.Count} answered.{missing}{refused}")
        {
            Party = waiting.Count == 0 ? "" : NameOf(waiting.Min),
            Step = question.Answer.ToString(),
        };
    }

    private RoundEntry EntryOf(RoundEnvelope envelope, bool withPayload) => new(
        _position++, envelope.Header.Sender, envelope.Header.Sequence, envelope.Message.Core.ToByteArray(), envelope.Message.Attestation.ToByteArray(),
        withPayload ? envelope.Message.Payload.ToByteArray() : null, envelope.Message.Payload.Length);
}
