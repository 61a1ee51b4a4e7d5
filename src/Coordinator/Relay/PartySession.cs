using System.Globalization;
using System.Threading.Channels;
using Google.Protobuf;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Rounds;
using VertFed.Coordinator.Services;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Relay;

/// <summary>
/// One registered connection of a party: a loop that receives and checks, one that acknowledges what became durable, and the
/// <see cref="PartySender"/>. All queues between them are bounded, so a party that does not read stops being read itself.
/// </summary>
internal sealed class PartySession : IDisposable
{
    /// <summary>Deposits that may wait for the store at once: enough for group commit, at most 48 MiB.</summary>
    private const int DepositWindow = 3;
    private const int MaxErrorText = 4096;

    /// <summary>What an envelope counts beside its payload: a job of many small ones is work as well, for the store and for whoever proves or exports it.</summary>
    private const int EnvelopeOverhead = 64 * 1024;
    private const int MaxPreflightBytes = 256 * 1024;
    private const uint MaxApprovalSeconds = 30 * 24 * 3600;

    private readonly JobHub _hub;
    private readonly DryRuns _dryRuns;
    private readonly RoundHub _rounds;
    private readonly FrameReader _frames;
    private readonly PartyKeys _keys;
    private readonly EnvelopeReceiver _receiver;
    private readonly PartySender _sender;
    private readonly ILogger _logger;
    private readonly long _mostJobBytes;
    private readonly Func<TimeSpan> _take;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _closing;
    private readonly Channel<(EnvelopeDeposit Envelope, Task<DepositResult> Result)> _deposits =
        Channel.CreateBounded<(EnvelopeDeposit, Task<DepositResult>)>(new BoundedChannelOptions(DepositWindow) { SingleReader = true, SingleWriter = true });

    private Exception? _reason;

    /// <param name="take">Counts a word of the party: zero, or how long until there is one for it.</param>
    public PartySession(
        string party, PartyKeys keys, JobHub hub, DryRuns dryRuns, RoundHub rounds, CoordinatorConfig config, Func<TimeSpan> take, FrameReader frames,
        IServerStreamWriter<CoordinatorFrame> writer, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        Party = party;
        _keys = keys;
        _hub = hub;
        _dryRuns = dryRuns;
        _rounds = rounds;
        _frames = frames;
        _receiver = new EnvelopeReceiver(frames, TimeSpan.FromSeconds(config.Limits.FrameSeconds));
        _sender = new PartySender(party, keys, hub, rounds, writer, time, logger);
        _logger = logger;
        _take = take;
        _time = time;
        _mostJobBytes = (long)config.Limits.MaxJobGigabytes << 30;
        _closing = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    }

    public string Party { get; }

    /// <summary>Tells the session to look at a job again. Never blocks.</summary>
    public void JobChanged(string job) => _sender.JobChanged(job);

    /// <summary>Tells the session that a job has checkpoints to propose. Never blocks.</summary>
    public void CheckpointsChanged(string job) => _sender.CheckpointsChanged(job);

    /// <summary>Asks the party what its policy says of a job. Never blocks.</summary>
    public void AskPreflight(PreflightRequest request) => _sender.AskPreflight(request);

    /// <summary>Sends a frame of a horizontal job. Never blocks.</summary>
    public void Send(CoordinatorFrame frame) => _sender.Send(frame);

    /// <summary>Ends the session with a status for the party. Never blocks; the first reason counts.</summary>
    public void Close(RpcException reason)
    {
        Interlocked.CompareExchange(ref _reason, reason, null);
        // Not awaited on purpose: cancellation callbacks run elsewhere, and a session that is gone needs no closing.
        try
        {
            _ = _closing.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // It ended by itself in the meantime.
        }
    }

    /// <summary>Runs until the party leaves or breaks a rule, the session is replaced, or the host stops.</summary>
    /// <exception cref="RpcException">The status that the party gets.</exception>
    public async Task RunAsync()
    {
        CancellationToken token = _closing.Token;
        Task receive = ReceiveLoopAsync(token);
        Task acknowledge = AcknowledgeLoopAsync(token);
        Task send = _sender.RunAsync(token);
        Task first = await Task.WhenAny(receive, acknowledge, send);
        if (first == receive && receive.IsCompletedSuccessfully)
        {
            // The party is done talking: what it deposited is still acknowledged.
            _deposits.Writer.TryComplete();
            await Task.WhenAny(acknowledge, send);
        }

        Exception? reason = Interlocked.CompareExchange(ref _reason, null, null)
            ?? new[] { receive, acknowledge, send }.FirstOrDefault(task => task.IsFaulted)?.Exception!.InnerException;
        await _closing.CancelAsync();
        await Task.WhenAll(receive, acknowledge, send).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        switch (reason)
        {
            case null:
            case OperationCanceledException:
            case IOException:
                // The connection is gone; there is nobody to tell.
                return;
            case VertFedException own:
                if (own.Code is not (ErrorCode.Storage or ErrorCode.Internal))
                    Log.RuleBroken(_logger, Party, own.Code, own.Message);
                throw GrpcErrors.From(own, _logger, Party);
            case RpcException status:
                throw status;
            default:
                throw new InvalidOperationException($"the session of {Party} failed", reason);
        }
    }

    public void Dispose() => _closing.Dispose();

    private async Task ReceiveLoopAsync(CancellationToken cancellationToken)
    {
        while (await _frames.ReadAsync(cancellationToken) is { } frame)
        {
            // New envelopes are bounded by their job; each other word is a write or a line of the log, as many as there may be calls.
            bool isOfEnvelope = frame.FrameCase is PartyFrame.FrameOneofCase.Begin or PartyFrame.FrameOneofCase.Delivered;
            if (!isOfEnvelope)
                await PaceAsync(cancellationToken);
            switch (frame.FrameCase)
            {
                case PartyFrame.FrameOneofCase.Begin:
                    await DepositAsync(frame.Begin, cancellationToken);
                    break;
                case PartyFrame.FrameOneofCase.Delivered:
                    await DeliveredAsync(frame.Delivered, cancellationToken);
                    break;
                case PartyFrame.FrameOneofCase.Answer:
                    await AnswerAsync(frame.Answer, cancellationToken);
                    break;
                case PartyFrame.FrameOneofCase.Outcome:
                    await OutcomeAsync(frame.Outcome, cancellationToken);
                    break;
                case PartyFrame.FrameOneofCase.Checkpoint:
                    await CheckpointAsync(frame.Checkpoint, cancellationToken);
                    break;
                case PartyFrame.FrameOneofCase.Held:
                    await HeldAsync(frame.Held, cancellationToken);
                    break;
                case PartyFrame.FrameOneofCase.Preflight:
                    Preflight(frame.Preflight);
                    break;
                case PartyFrame.FrameOneofCase.Round:
                    await RoundAsync(frame.Round, cancellationToken);
                    break;
                case PartyFrame.FrameOneofCase.Word:
                    await WordAsync(frame.Word, cancellationToken);
                    break;
                case PartyFrame.FrameOneofCase.Model:
                    await ModelAsync(frame.Model, cancellationToken);
                    break;
                default:
                    throw Violation($"a frame of kind {frame.FrameCase} has no place here");
            }
        }
    }

    private async Task DepositAsync(EnvelopeBegin begin, CancellationToken cancellationToken)
    {
        EnvelopeView view = EnvelopeCodec.Parse(begin.Core, begin.Attestation);
        (JobRecord job, Role role) = await OwnJobAsync(view.Header.Job, view.Header.Attempt, cancellationToken);
        if (view.Header.Sender != role)
            throw EnvelopeReceiver.Violation(view, $"its sender is {view.Header.Sender}, but '{Party}' is the job's {role}");
        if (view.Header.Sequence > long.MaxValue)
            throw EnvelopeReceiver.Violation(view, "the sequence number is out of range");
        EnvelopeCodec.VerifyAttestation(view, _keys.For(job).Identity);
        if (job.IsOpen && job.Bytes + (job.Envelopes * EnvelopeOverhead) + (long)view.Core.PayloadSize > _mostJobBytes)
            await EndTooLargeAsync(job, view, cancellationToken);
        EnvelopeDeposit envelope = await _receiver.ReceiveAsync(view, cancellationToken);
        // Queued in the store in this order; the result is awaited by the other loop while the next envelope is read.
        Task<DepositResult> result = _hub.DepositAsync(envelope, CancellationToken.None);
        try
        {
            await _deposits.Writer.WriteAsync((envelope, result), cancellationToken);
        }
        catch
        {
            // Nobody is left to hear the result; it must still be observed.
            await result.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            throw;
        }
    }

    /// <summary>A job of honest parties may be too large: it ends, and the party's other jobs go on. Its envelope is then read as that of any job that
    /// has ended. One that is stored already adds nothing.</summary>
    private async Task EndTooLargeAsync(JobRecord job, EnvelopeView view, CancellationToken cancellationToken)
    {
        StreamPosition position = await _hub.Store.FindPositionAsync(job.Job, job.Attempt, view.Header.Sender, cancellationToken);
        if ((long)view.Header.Sequence < position.NextSequence)
            return;
        var error = new JobError
        {
            Code = nameof(ErrorCode.Refused),
            Party = "coordinator",
            Step = view.Header.Step.ToString(),
            Message = string.Create(CultureInfo.InvariantCulture, $"the job's envelopes would come to more than {_mostJobBytes >> 30} GiB (max_job_gigabytes)"),
        };
        await _hub.ExpireAsync(job, error, cancellationToken);
    }

    /// <summary>Counts a word, and waits where there were too many: the party is not read meanwhile. Closing would have it say all of them again.</summary>
    private async Task PaceAsync(CancellationToken cancellationToken)
    {
        for (TimeSpan wait; (wait = _take()) > TimeSpan.Zero;)
            await Task.Delay(TimeSpan.FromMilliseconds(Math.Ceiling(wait.TotalMilliseconds)), _time, cancellationToken);
    }

    private async Task AcknowledgeLoopAsync(CancellationToken cancellationToken)
    {
        await foreach ((EnvelopeDeposit envelope, Task<DepositResult> pending) in _deposits.Reader.ReadAllAsync(cancellationToken))
        {
            DepositResult result = await pending;
            EnvelopeKey key = envelope.Key;
            string place = string.Create(CultureInfo.InvariantCulture, $"job {key.Job}, envelope {key.Sequence}, {envelope.Step}: ");

            // The job's size bounds neither what it has already nor what comes after its end.
            if (result.Outcome is DepositOutcome.Duplicate or DepositOutcome.NotRunning)
                await PaceAsync(cancellationToken);
            switch (result.Outcome)
            {
                case DepositOutcome.Stored:
                case DepositOutcome.Duplicate:
                    await _sender.AcknowledgeAsync(
                        new EnvelopeRef { Job = key.Job, Attempt = key.Attempt, Sender = key.Sender, Sequence = (ulong)key.Sequence }, cancellationToken);
                    break;
                case DepositOutcome.NotRunning:
                    // The job ended while this was on its way; JobEnd tells the party.
                    break;
                case DepositOutcome.Gap:
                    throw Violation(place + string.Create(CultureInfo.InvariantCulture, $"sequence {result.NextSequence} was expected"));
                case DepositOutcome.Conflict:
                    throw Violation(place + "another envelope holds this sequence number");
                case DepositOutcome.BrokenChain:
                    throw Violation(place + "the hash of the previous core is not that of the last envelope");
                case DepositOutcome.OutOfPhase:
                    throw Violation(place + "it belongs to a phase that its sender has left, or comes after the sender's close");
                case DepositOutcome.AfterOutcome:
                    throw Violation(place + "it comes after the party's outcome");
                default:
                    throw new InvalidOperationException($"unknown outcome {result.Outcome}");
            }
        }
    }

    private async Task DeliveredAsync(EnvelopeRef reference, CancellationToken cancellationToken)
    {
        (JobRecord job, Role role) = await OwnJobAsync(reference.Job, reference.Attempt, cancellationToken);
        if (reference.Sender is not (Role.LabelParty or Role.FeatureParty) || reference.Sender == role || reference.Sequence > long.MaxValue)
            throw Violation($"job {job.Job}: an acknowledgement is not of the peer's envelopes");
        long sequence = (long)reference.Sequence;
        if (!_sender.WasSent(job.Job, sequence))
            throw Violation(string.Create(CultureInfo.InvariantCulture, $"job {job.Job}: envelope {sequence} is acknowledged but was never sent here"));
        bool isNew = _sender.Awaits(job.Job, sequence);
        if (!isNew)
            await PaceAsync(cancellationToken);
        await _hub.DeliveredAsync(new EnvelopeKey(job.Job, job.Attempt, reference.Sender, sequence), isNew ? role : Role.Unspecified, cancellationToken);
        _sender.Acknowledged(job.Job, sequence);
    }

    private async Task RoundAsync(Envelope message, CancellationToken cancellationToken)
    {
        RoundEnvelope envelope = RoundCodec.Parse(message);
        RoundJobRecord job = await _rounds.OwnAsync(envelope.Header.Job, Party, cancellationToken)
            ?? throw Violation("a frame is about a job that this party has no part in");
        uint place = job.PlaceOf(Party);
        if (envelope.Header.Sender != place)
            throw Violation($"job {job.Job}: an envelope of place {envelope.Header.Sender} came from the party of place {place}");
        RoundCodec.Verify(envelope, KeyFor(job).Identity);
        await _rounds.TellAsync(job, Party, new EnvelopeEvent(place, envelope), cancellationToken);
    }

    private async Task WordAsync(RoundWord word, CancellationToken cancellationToken)
    {
        RoundJobRecord job = await _rounds.OwnAsync(word.Job, Party, cancellationToken)
            ?? throw Violation("a frame is about a job that this party has no part in");
        if (word.Refusal is not null)
            word.Refusal = CheckError(word.Refusal, "a checkpoint's refusal");
        await _rounds.TellAsync(job, Party, new WordEvent(job.PlaceOf(Party), word), cancellationToken);
    }

    private PartyKey KeyFor(RoundJobRecord job) =>
        RoundHub.KeyOf(job, Party, _keys) ?? throw Violation($"job {job.Job} names another key of this party than its connection has proved");

    private async Task AnswerAsync(JobAnswer answer, CancellationToken cancellationToken)
    {
        if (await _rounds.OwnAsync(answer.Job, Party, cancellationToken) is { } rounds)
        {
            PartyKey key = KeyFor(rounds);
            JobError? objection = answer.Accepted ? null : CheckError(answer.Error, "a refusal");
            await _rounds.TellAsync(
                rounds, Party, new AnswerEvent(rounds.PlaceOf(Party), objection, key.Identity.SubjectPublicKeyInfo.ToArray(), key.CheckpointKey), cancellationToken);
            return;
        }

        (JobRecord job, Role role) = await OwnJobAsync(answer.Job, answer.Attempt, cancellationToken);
        JobError? refusal = answer.Accepted ? null : CheckError(answer.Error, "a refusal");
        if (job.IsOpen)
            await _hub.AnswerAsync(job, role, refusal, _keys.For(job).CheckpointKey, cancellationToken);
        else
            _sender.RepeatEnd(job.Job);
    }

    private async Task HeldAsync(JobHeld held, CancellationToken cancellationToken)
    {
        if (await _rounds.OwnAsync(held.Job, Party, cancellationToken) is { } rounds && held.ApprovalSeconds is > 0 and <= MaxApprovalSeconds)
        {
            await _rounds.TellAsync(rounds, Party, new HeldEvent(rounds.PlaceOf(Party), TimeSpan.FromSeconds(held.ApprovalSeconds)), cancellationToken);
            return;
        }

        (JobRecord job, Role role) = await OwnJobAsync(held.Job, held.Attempt, cancellationToken);
        if (held.ApprovalSeconds is 0 or > MaxApprovalSeconds)
            throw Violation($"job {job.Job}: approval_seconds is not between 1 and {MaxApprovalSeconds}");
        if (job.IsOpen)
            _hub.Held(job, role, TimeSpan.FromSeconds(held.ApprovalSeconds));
        else
            _sender.RepeatEnd(job.Job);
    }

    private void Preflight(PreflightAnswer answer)
    {
        SealedReport? report = answer.Report;
        if (!EnvelopeCodec.IsJobId(answer.Request) || report is null || report.Ciphertext.Length > MaxPreflightBytes)
            throw Violation("the answer to a pre-flight request is malformed or too long");
        if (report.Party != Party || !_keys.Hold(report.IdentityKey.Span))
            throw Violation("the answer to a pre-flight request is another party's");
        _dryRuns.Answer(Party, answer.Request, report);
    }

    private async Task ModelAsync(ModelNotice notice, CancellationToken cancellationToken)
    {
        // A horizontal job's model is each party's own: the coordinator keeps no list of who has it.
        if (await _rounds.OwnAsync(notice.Job, Party, cancellationToken) is not null)
            return;
        (JobRecord job, Role role) = await OwnJobAsync(notice.Job, attempt: null, cancellationToken);
        if (notice.State is not (ModelState.Active or ModelState.Archived or ModelState.Deleted))
            throw Violation($"job {job.Job}: {notice.State} is no state of a model");
        await _hub.ModelChangedAsync(job, role, notice.State, cancellationToken);
    }

    private async Task OutcomeAsync(JobOutcome outcome, CancellationToken cancellationToken)
    {
        if (await _rounds.OwnAsync(outcome.Job, Party, cancellationToken) is { } rounds)
        {
            if (outcome.State is not (JobState.Done or JobState.Failed or JobState.Refused or JobState.Cancelled))
                throw Violation($"job {rounds.Job}: {outcome.State} is no outcome");
            if (outcome.State != JobState.Done)
                outcome.Error = CheckError(outcome.Error, "an outcome without a result");
            if (outcome.Report is { } part && (part.Party != Party || !part.IdentityKey.Span.SequenceEqual(KeyFor(rounds).Identity.SubjectPublicKeyInfo)))
                throw Violation($"job {rounds.Job}: the report is another party's");
            await _rounds.TellAsync(rounds, Party, new OutcomeEvent(rounds.PlaceOf(Party), outcome), cancellationToken);
            return;
        }

        (JobRecord job, Role role) = await OwnJobAsync(outcome.Job, outcome.Attempt, cancellationToken);
        if (outcome.State is not (JobState.Done or JobState.Failed or JobState.Refused or JobState.Cancelled))
            throw Violation($"job {job.Job}: {outcome.State} is no outcome");
        if (job.State == JobState.Offered && outcome.State == JobState.Done)
            throw Violation($"job {job.Job}: it cannot be done before it runs");
        JobError? error = outcome.State == JobState.Done ? null : CheckError(outcome.Error, "an outcome without a result");
        byte[]? report = null;
        if (outcome.Report is { } sealedReport)
        {
            if (sealedReport.Party != Party || !sealedReport.IdentityKey.Span.SequenceEqual(_keys.For(job).Identity.SubjectPublicKeyInfo))
                throw Violation($"job {job.Job}: the report is another party's");
            report = sealedReport.ToByteArray();
        }

        // Deposits that came before it on this stream are decided before it is: the store keeps the order.
        await _hub.OutcomeAsync(job, role, outcome.State, error, report, cancellationToken);

        // The party may have been away when the job ended; its repeated word shows that it does not know.
        if (!job.IsOpen)
            _sender.RepeatEnd(job.Job);
    }

    private async Task CheckpointAsync(CheckpointAnswer answer, CancellationToken cancellationToken)
    {
        (JobRecord job, Role role) = await OwnJobAsync(answer.Job, answer.Attempt, cancellationToken);
        StoredCheckpoint stored = (await _hub.Store.ReadCheckpointsAsync(job.Job, job.Attempt, cancellationToken))
            .FirstOrDefault(checkpoint => checkpoint.Checkpoint.Phase == answer.Phase)
            ?? throw Violation($"job {job.Job}: an answer is about a checkpoint of phase {answer.Phase}, which there is none of");
        if (answer.CoSignature.IsEmpty == (answer.Refusal is null))
            throw Violation($"job {job.Job}: an answer to a checkpoint is a co-signature or a refusal");
        if (answer.Refusal is null)
        {
            // Throws unless it verifies; what is kept is the co-signature, beside the note.
            _ = CheckpointNotes.AddCoSignature(stored.Checkpoint.Note, Party, _keys.For(job).Checkpoints, answer.CoSignature.Span);
        }

        var word = new CheckpointWord(
            answer.Refusal is null ? answer.CoSignature.ToByteArray() : null,
            answer.Refusal is null ? null : CheckError(answer.Refusal, "a checkpoint's refusal"));
        await _hub.CheckpointAnsweredAsync(job, role, answer.Phase, word, cancellationToken);
    }

    /// <summary>The job, if this party has a role in it.</summary>
    /// <param name="attempt">The attempt that the frame names; null where it names none.</param>
    private async ValueTask<(JobRecord Job, Role Role)> OwnJobAsync(string jobId, uint? attempt, CancellationToken cancellationToken)
    {
        JobRecord? job = EnvelopeCodec.IsJobId(jobId) ? await _hub.FindAsync(jobId, cancellationToken) : null;
        // A job may have left the queue a moment ago: the store knows first.
        if (job?.State == JobState.Queued)
            job = await _hub.Store.FindJobAsync(jobId, cancellationToken);
        Role role = job?.RoleOf(Party) ?? Role.Unspecified;
        // The same words for a job that is unknown, one of others and one that no party has heard of yet: who works with whom is nobody
        // else's business.
        if (job is null || role == Role.Unspecified || job.State == JobState.Queued)
            throw Violation("a frame is about a job that this party has no part in");
        return attempt is null || job.Attempt == attempt
            ? (job, role)
            : throw Violation(string.Create(CultureInfo.InvariantCulture, $"job {jobId}: attempt {attempt} is not the current attempt {job.Attempt}"));
    }

    private JobError CheckError(JobError? error, string where)
    {
        if (error is null || !Enum.TryParse(error.Code, ignoreCase: false, out ErrorCode _))
            throw Violation($"{where} needs an error with a known code");
        if (error.Message.Length > MaxErrorText || error.Step.Length > 64 || error.Party.Length > PartyReference.MaxNameLength)
            throw Violation($"the error of {where} is too long");
        if (string.Concat(error.Message, error.Step, error.Party).Contains('\0', StringComparison.Ordinal))
            throw Violation($"the error of {where} has a NUL character");
        if (error.Party.Length == 0)
            error.Party = Party;
        return error;
    }

    private static VertFedException Violation(string what) => new(ErrorCode.ProtocolViolation, what);
}
