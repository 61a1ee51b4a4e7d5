using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Operations;
using VertFed.Coordinator.Recording;
using VertFed.Coordinator.Relay;
using VertFed.Coordinator.Security;
using VertFed.Coordinator.Services;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Jobs;

/// <summary>
/// The coordinator's jobs. Every transition is one atomic change of the store; afterwards all who care (the two parties'
/// sessions, watchers) are told that something changed and look for themselves. So a restart needs nothing but the store.
/// </summary>
internal sealed class JobHub(
    ICoordinatorStore store, CoordinatorConfig config, TrustBook trust, CheckpointQueue checkpoints, JobQueue queue, OpenPlaces places, CoordinatorTelemetry telemetry, ShutdownGate shutdown,
    TimeProvider time, ILogger<JobHub> logger)
{
    private readonly ConcurrentDictionary<string, LiveJob> _live = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Presence> _presence = new(StringComparer.Ordinal);
    private readonly long _started = time.GetTimestamp();

    public ICoordinatorStore Store => store;

    public CoordinatorTelemetry Telemetry => telemetry;

    public IEnumerable<LiveJob> LiveJobs => _live.Values;

    /// <summary>Tells that some job that is done was co-signed, or that a party refused to.</summary>
    public Pulse ClosingAnswered { get; } = new();

    private long NowUnixMs => time.GetUtcNow().ToUnixTimeMilliseconds();

    private static Role[] Roles { get; } = [Role.LabelParty, Role.FeatureParty];

    private static ReadOnlySpan<byte> CancelLabel => "vertfed/v1/cancel"u8;

    /// <summary>Takes up the jobs that were open when the process ended. Deadlines count anew: its absence was no party's fault.</summary>
    public async Task<int> ResumeAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<JobRecord> open = await store.ListOpenJobsAsync(cancellationToken);
        foreach (JobRecord job in open)
        {
            string owner = trust.Current.Find(job.Submitter)?.Name ?? job.Submitter;
            _live[job.Job] = new LiveJob(job, owner, time);
            places.TakeRegardless(owner);
            if (job.State == JobState.Queued)
                queue.Add(job, owner);
        }

        foreach (JobRecord job in open.Where(job => job.State != JobState.Queued).OrderBy(job => job.OfferedUnixMs))
            queue.NoteStart(_live[job.Job].Owner);
        return _live.Count;
    }

    /// <summary>Verifies a signed spec, that it is the caller's, and that its parties are known here.</summary>
    public SignedJob Check(SignedJobSpec message, Caller caller)
    {
        shutdown.RequireOpen();
        SignedJob signed = SignedJob.Verify(message);
        JobSpecification spec = signed.Specification;
        if (!caller.Principal.Holds(signed.Submitter.Fingerprint))
            throw new VertFedException(ErrorCode.Refused, $"submitter {signed.Submitter.Fingerprint} is not '{caller.Name}', who calls");
        for (int i = 0; i < spec.Parties.Count; i++)
            RequireAdmitted(spec.Parties[i], spec.Horizontal is not null ? string.Create(CultureInfo.InvariantCulture, $"parties[{i + 1}]") : i == 0 ? "label_party" : "feature_party");
        return signed;
    }

    /// <summary>Keeps a job and queues it; a repeated request returns the job of the first.</summary>
    /// <param name="clientToken">The submitter's own name for the request; null: none.</param>
    public async Task<JobRecord> SubmitAsync(SignedJobSpec message, string? clientToken, Caller caller, CancellationToken cancellationToken)
    {
        SignedJob signed = Check(message, caller);
        JobSpecification spec = signed.Specification;
        string submitter = signed.Submitter.Fingerprint;
        byte[] hash = SHA256.HashData([.. signed.SpecHash, .. signed.Submitter.SubjectPublicKeyInfo]);

        // A repeated request needs no place.
        JobRecord? known = await store.FindJobAsync(spec.Job, cancellationToken);
        if ((known is not null && !caller.MaySee(known)) || await store.FindRoundJobAsync(spec.Job, cancellationToken) is not null)
            throw UnusableId();
        bool takesPlace = known is null;
        if (takesPlace)
            places.Take(caller.Name);
        AddJobOutcome outcome = AddJobOutcome.Different;
        JobRecord job;
        try
        {
            await caller.AllowedAsync(spec.Job);

            // Not to be cancelled half way: a job that is kept must be queued.
            (outcome, job) = await store.AddJobAsync(
                new NewJob(spec.Job, message.ToByteArray(), hash, submitter, spec.Title, spec.LabelParty.Name,
                    spec.FeatureParty.Name, (int)spec.Deadline.TotalSeconds, NowUnixMs, spec.Payloads)
                {
                    Kind = spec.Kind, Purpose = spec.Purpose, ClientToken = clientToken, Queued = true,
                },
                CancellationToken.None);
        }
        finally
        {
            if (takesPlace && outcome != AddJobOutcome.Added)
                places.GiveBack(caller.Name);
        }

        if (outcome == AddJobOutcome.Different)
            throw !caller.MaySee(job) ? UnusableId() : GrpcErrors.Make(StatusCode.AlreadyExists, ErrorCode.Usage, $"{(job.Job == spec.Job ? $"job {spec.Job}" : "this client token")} exists with another spec or submitter");
        TakeUp(job, caller.Name, hasPlace: outcome == AddJobOutcome.Added);
        return job;
    }

    /// <summary>Offers the queued job whose turn it is.</summary>
    /// <returns>False where none can start now.</returns>
    public async Task<bool> OfferNextAsync(CancellationToken cancellationToken)
    {
        if (shutdown.IsClosed || queue.TakeNext(Room()) is not { } next)
            return false;
        JobRecord? after;
        try
        {
            after = await store.OfferJobAsync(next.Job, NowUnixMs, cancellationToken);
        }
        catch
        {
            queue.PutBack(next);
            throw;
        }

        Publish(after!, Role.Unspecified);
        return true;
    }

    /// <summary>Tells those who watch queued jobs that their places may have changed.</summary>
    public void TellQueued()
    {
        foreach (LiveJob live in _live.Values.Where(live => live.Record.State == JobState.Queued))
            live.Changed.Signal();
    }

    /// <summary>A party's operator is asked about an offer: it takes no slot while that lasts.</summary>
    public void Held(JobRecord job, Role role, TimeSpan allowed)
    {
        if (_live.TryGetValue(job.Job, out LiveJob? live) && live.Held(role, allowed))
        {
            Log.Held(logger, job.Job, job.PartyName(role), (long)allowed.TotalSeconds);
            queue.Changed.Signal();
        }
    }

    /// <summary>Keeps what a party says of its half of a model.</summary>
    public async Task ModelChangedAsync(JobRecord job, Role role, ModelState state, CancellationToken cancellationToken)
    {
        ModelRecord? model = await store.RecordModelAsync(job.Job, role, state, cancellationToken);
        if (model is null)
            Log.NoModel(logger, job.Job, job.PartyName(role), job.State);
    }

    public async Task<JobRecord> CancelAsync(string jobId, ByteString signature, Caller caller, CancellationToken cancellationToken)
    {
        JobRecord? job = await store.FindJobAsync(jobId, cancellationToken);
        bool byOperator = caller.Is(CallerRoles.Operator);
        if (job is null || !(byOperator || caller.Submitted(job)))
            throw GrpcErrors.UnknownJob();
        PeerIdentity submitter = SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(job.SignedSpec)).Submitter;
        byte[] signed = [.. CancelLabel, .. Encoding.ASCII.GetBytes(jobId)];
        // A submitter who has changed keys since signs with the key of the connection.
        if (!byOperator && !submitter.Verify(signed, signature.Span) && !caller.Key.Verify(signed, signature.Span))
            throw new VertFedException(ErrorCode.DoesNotVerify, "the cancellation is not signed by the job's submitter");
        await caller.AllowedAsync(jobId);
        string by = caller.Submitted(job) ? "the submitter" : "the coordinator's operator";
        var error = new JobError { Code = nameof(ErrorCode.Cancelled), Party = "coordinator", Message = $"cancelled by {by}" };
        JobRecord ended = (await store.EndJobAsync(jobId, JobState.Cancelled, error, NowUnixMs, cancellationToken))!;
        Publish(ended, Role.Unspecified);
        return ended;
    }

    /// <summary>A party's answer to an offer.</summary>
    /// <param name="checkpointKey">The serialised key whose co-signatures will count as this party's in this job.</param>
    public async Task AnswerAsync(JobRecord job, Role role, JobError? refusal, byte[] checkpointKey, CancellationToken cancellationToken)
    {
        if (refusal is null)
            await store.RecordKeyAsync(job.Job, job.Attempt, role, checkpointKey, cancellationToken);
        JobRecord? after = await store.RecordAnswerAsync(job.Job, job.Attempt, role, refusal, NowUnixMs, cancellationToken);
        Publish(after ?? job, role);
    }

    public async Task<DepositResult> DepositAsync(EnvelopeDeposit envelope, CancellationToken cancellationToken)
    {
        DepositResult result = await store.DepositAsync(envelope, NowUnixMs, cancellationToken);
        Log.Deposited(logger, envelope.Key.Job, envelope.Key.Sequence, envelope.Key.Sender, envelope.Step, envelope.PayloadSize, result.Outcome);
        telemetry.Deposited(envelope, result.Outcome);

        // The job may have ended meanwhile; the end was told of before, and nobody else would forget what this began.
        if (!_live.ContainsKey(envelope.Key.Job))
            telemetry.Forget(envelope.Key.Job);

        // A repeated envelope may be one whose first write was reported as failed and kept all the same: nobody was told of it then.
        JobRecord? job = result.Outcome == DepositOutcome.Duplicate ? await store.FindJobAsync(envelope.Key.Job, cancellationToken) : result.Job;
        if (job is not null)
        {
            // A repetition shows no progress, unless its first write was not known of: a party could keep a job open by it.
            _ = _live.TryGetValue(envelope.Key.Job, out LiveJob? known);
            bool isNew = result.Outcome != DepositOutcome.Duplicate || job.Envelopes > known?.Record.Envelopes;
            Publish(job, isNew ? envelope.Key.Sender : Role.Unspecified);
            bool moves = envelope.Step == Step.JobClose
                || (_live.TryGetValue(envelope.Key.Job, out LiveJob? live) && live.EntersPhase(envelope.Key.Sender, envelope.Phase));
            if (moves)
                checkpoints.Add(envelope.Key.Job);
        }

        return result;
    }

    public async Task<bool> DeliveredAsync(EnvelopeKey key, Role recipient, CancellationToken cancellationToken)
    {
        bool known = await store.MarkDeliveredAsync(key, NowUnixMs, cancellationToken);
        if (_live.TryGetValue(key.Job, out LiveJob? live))
            live.Update(live.Record, recipient);
        return known;
    }

    public async Task OutcomeAsync(JobRecord job, Role role, JobState outcome, JobError? error, byte[]? report, CancellationToken cancellationToken)
    {
        JobRecord? after = await store.RecordOutcomeAsync(job.Job, job.Attempt, role, outcome, error, report, NowUnixMs, cancellationToken);
        Publish(after ?? job, role);
    }

    /// <summary>A party's word on a checkpoint, already verified. The job's course does not depend on it.</summary>
    public async Task CheckpointAnsweredAsync(JobRecord job, Role role, Phase phase, CheckpointWord word, CancellationToken cancellationToken)
    {
        (StoredCheckpoint Checkpoint, JobRecord Job)? after = await store.AnswerCheckpointAsync(
            job.Job, job.Attempt, phase, role, word, NowUnixMs, cancellationToken);
        if (after is null)
            return;
        if (word.Refusal is { } refusal)
            Log.NotCoSigned(logger, job.Job, job.PartyName(role), phase, refusal.Code, refusal.Message);
        else
            Log.CoSigned(logger, job.Job, job.PartyName(role), phase);
        telemetry.CheckpointAnswered(word.Refusal is null);
        if (_live.TryGetValue(job.Job, out LiveJob? live))
            live.Update(after.Value.Job, Role.Unspecified);
        if (phase == Phase.Close)
            ClosingAnswered.Signal();
    }

    /// <summary>Tells the parties' sessions of new checkpoints.</summary>
    public void CheckpointsChanged(JobRecord job)
    {
        foreach (PartySession session in SessionsOf(job))
            session.CheckpointsChanged(job.Job);
    }

    /// <summary>Logs in the running jobs' delivery logs that a party came or went.</summary>
    public async Task RecordPresenceAsync(string party, DeliveryEvent what)
    {
        try
        {
            foreach (JobRecord job in _live.Values.Select(live => live.Record).Where(job => job.State == JobState.Running))
            {
                if (job.RoleOf(party) is not Role.Unspecified and var role)
                    await store.RecordPresenceAsync(job.Job, job.Attempt, what, role, NowUnixMs, CancellationToken.None);
            }
        }
        catch (VertFedException exception)
        {
            // The log is an operational record: a line that is missing stops nobody's job.
            Log.StoreFailed(logger, nameof(RecordPresenceAsync), exception.Message);
        }
    }

    /// <summary>Ends a job that waited too long.</summary>
    public async Task ExpireAsync(JobRecord job, JobError error, CancellationToken cancellationToken)
    {
        JobRecord? after = await store.EndJobAsync(job.Job, JobState.Failed, error, NowUnixMs, cancellationToken);
        if (after is not null)
            Publish(after, Role.Unspecified);
    }

    /// <summary>The job's record where it is open here, else the store's; null where there is none.</summary>
    public async ValueTask<JobRecord?> FindAsync(string job, CancellationToken cancellationToken) =>
        _live.TryGetValue(job, out LiveJob? live) ? live.Record : await store.FindJobAsync(job, cancellationToken);

    /// <summary>What tells of an open job's changes; null where it is not open.</summary>
    public Pulse? ChangesOf(string job) => _live.TryGetValue(job, out LiveJob? live) ? live.Changed : null;

    public JobStatus Describe(JobRecord job)
    {
        LiveJob? live = _live.GetValueOrDefault(job.Job);
        JobStatus status = StatusMapper.ToStatus(job, Awaited(job).Select(job.PartyName));
        status.QueuePosition = job.State == JobState.Queued ? queue.PositionOf(job.Job) : 0;
        status.EtaSeconds = live?.EtaSeconds ?? 0;
        // By the record that is described: what is in memory may be behind it for a moment.
        status.AwaitingApproval.AddRange(
            Roles.Where(role => job.State == JobState.Offered && job.AnswerOf(role) == Answer.None && live?.HoldOf(role) is not null).Select(job.PartyName));
        return status;
    }

    /// <summary>The parties that an open job waits for: to connect, to answer, or to send.</summary>
    public IEnumerable<Role> Awaited(JobRecord job)
    {
        if (job.State == JobState.Queued)
            return Roles.Where(role => !IsConnected(job.PartyName(role)));
        if (job.State == JobState.Offered)
            return Roles.Where(role => job.AnswerOf(role) == Answer.None);
        if (job.State != JobState.Running)
            return [];
        Role[] working = Roles.Where(role => job.OutcomeOf(role) == JobState.Unspecified).ToArray();
        Role[] away = working.Where(role => !IsConnected(job.PartyName(role))).ToArray();
        if (away.Length > 0)
            return away;
        Role last = _live.TryGetValue(job.Job, out LiveJob? live) ? live.LastSender : Role.Unspecified;
        return working.Length == 2 && last != Role.Unspecified ? working.Where(role => role != last) : working;
    }

    /// <summary>How many parties are connected.</summary>
    public int Connected => _presence.Values.Count(presence => presence.Session is not null);

    public bool IsConnected(string party) => _presence.TryGetValue(party, out Presence? presence) && presence.Session is not null;

    /// <summary>Since when a party is away, as a timestamp of the clock; null while it is connected.</summary>
    public long? AwaySince(string party) =>
        !_presence.TryGetValue(party, out Presence? presence) ? _started : presence.Session is null ? presence.Since : null;

    /// <summary>The session of a connected party; null while it is away.</summary>
    public PartySession? SessionOf(string party) => _presence.GetValueOrDefault(party)?.Session;

    /// <summary>Makes a session the party's only one; an older one is closed.</summary>
    public void Attach(PartySession session)
    {
        PartySession? older = null;
        _presence.AddOrUpdate(
            session.Party,
            _ => new Presence(session, time.GetTimestamp()),
            (_, presence) =>
            {
                older = presence.Session;
                return new Presence(session, time.GetTimestamp());
            });
        if (older is not null)
        {
            Log.Replaced(logger, session.Party);
            older.Close(GrpcErrors.Make(StatusCode.Aborted, ErrorCode.PeerUnavailable, "a newer connection of this party replaces this one"));
        }

        PresenceChanged(session.Party);
    }

    public void Detach(PartySession session)
    {
        if (_presence.TryGetValue(session.Party, out Presence? presence) && presence.Session == session
            && _presence.TryUpdate(session.Party, new Presence(null, time.GetTimestamp()), presence))
        {
            Log.Disconnected(logger, session.Party);
            PresenceChanged(session.Party);
        }
    }

    private void PresenceChanged(string party)
    {
        foreach (LiveJob live in _live.Values.Where(live => live.Record.RoleOf(party) != Role.Unspecified))
            live.Changed.Signal();
        queue.Changed.Signal();
    }

    /// <summary>A job that was kept just now, or whose first write was reported as failed and kept all the same.</summary>
    private void TakeUp(JobRecord job, string owner, bool hasPlace)
    {
        // Taken first: as soon as the job is seen it may end, and give its place back.
        if (!hasPlace)
            places.TakeRegardless(owner);
        if (job.State != JobState.Queued || !_live.TryAdd(job.Job, new LiveJob(job, owner, time)))
        {
            // An equal request that came at the same time was quicker, and took a place for the job itself.
            places.GiveBack(owner);
            return;
        }

        Log.Submitted(logger, job.Job, job.LabelParty, job.FeatureParty);
        queue.Add(job, owner);
    }

    private QueueRoom Room()
    {
        JobRecord[] taking = [.. _live.Values.Where(live => live.TakesSlot).Select(live => live.Record)];
        Dictionary<string, int> load = taking.SelectMany(job => new[] { job.LabelParty, job.FeatureParty }).CountBy(party => party).ToDictionary(StringComparer.Ordinal);
        return new QueueRoom(
            config.Limits.MaxRunningJobs - taking.Length, IsConnected, party => load.GetValueOrDefault(party) < config.Limits.MaxJobsPerParty);
    }

    private void Publish(JobRecord job, Role actor)
    {
        if (_live.TryGetValue(job.Job, out LiveJob? live))
        {
            bool ends = !job.IsOpen && _live.TryRemove(job.Job, out _);
            if (ends)
            {
                places.GiveBack(live.Owner);
                queue.Ended(job.Job);
            }

            if (live.Update(job, actor))
                LogState(job);
        }

        NotifyParties(job);
    }

    private void LogState(JobRecord job)
    {
        telemetry.StateChanged(job);
        if (job.Error is { } error)
            Log.EndedWithError(logger, job.Job, job.State, error.Code, error.Party, error.Step, error.Message);
        else
            Log.StateChanged(logger, job.Job, job.State);
    }

    private void NotifyParties(JobRecord job)
    {
        foreach (PartySession session in SessionsOf(job))
            session.JobChanged(job.Job);
    }

    private IEnumerable<PartySession> SessionsOf(JobRecord job)
    {
        foreach (string party in new[] { job.LabelParty, job.FeatureParty })
        {
            if (_presence.TryGetValue(party, out Presence? presence) && presence.Session is { } session)
                yield return session;
        }
    }

    private void RequireAdmitted(PartyReference party, string field)
    {
        if (!trust.Current.Parties.TryGetValue(party.Name, out AdmittedParty? admitted))
            throw new VertFedException(ErrorCode.Refused, $"{field}: '{party.Name}' is not a party of this coordinator");
        if (!admitted.Holds(party.Fingerprint))
            throw new VertFedException(ErrorCode.Refused, $"{field}: the fingerprint of '{party.Name}' is not the one this coordinator knows");
    }

    /// <summary>Says nothing of the job that has the id: whose it is, or how it goes, is not the caller's to know.</summary>
    private static VertFedException UnusableId() =>
        new(ErrorCode.Refused, "this job id cannot be used; draw another at random");

    private sealed record Presence(PartySession? Session, long Since);
}
