using System.Diagnostics;
using System.Globalization;
using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Rounds;
using VertFed.PartyNode.Scoring;
using VertFed.PartyNode.Sessions;
using VertFed.PartyNode.Witness;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Hosting;

/// <summary>Where a job stands when it leaves a lane.</summary>
internal enum JobTurn
{
    /// <summary>Nothing more is to be done in this run of the node.</summary>
    Ended = 0,

    /// <summary>Accepted, and the peer is awaited.</summary>
    Parked = 1,

    /// <summary>The operator is asked.</summary>
    Held = 2,

    /// <summary>It has begun, waits for its peer, and leaves the lane to a job that goes first.</summary>
    GaveWay = 3,
}

/// <summary>
/// Takes a job from the offer to its last word: load the input, apply the rules, ask the operator, answer, wait for the start, run, report.
/// However it ends, there is one answer or one outcome, a report file, and a record in the store, in that order of durability: store before wire.
/// </summary>
internal sealed class JobWorker(
    PartyConfig config, NodeKeys keys, IPartyStore store, IJournal journal, RelayClient relay, ProgressWriter progress, NodeLog log,
    TimeProvider time)
{
    /// <summary>Beyond the job's own deadline and what the peer's operator may take, which the coordinator keeps.</summary>
    private static readonly TimeSpan StartGrace = TimeSpan.FromHours(PartyPolicy.LongestApprovalHours) + TimeSpan.FromMinutes(1);

    private readonly ResultFiles _files = new(config, log);
    private readonly Preflight _preflight = new(config, keys);
    private readonly PrivacyDesk _privacy = new(config, store, time);

    /// <summary>The intersections of this node's jobs.</summary>
    public IntersectionHistory History { get; } = IntersectionHistory.Of(config, time);

    /// <summary>How long a job keeps its lane while it waits.</summary>
    public LanePatience Patience { get; init; } = new();

    /// <summary>Takes a job on until it ends or has to wait. Does not throw for anything that concerns the job alone.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: this node's disk fails. Nothing was said of the job's end: started
    /// again with a disk that works, the node takes it up where it stands.</exception>
    /// <param name="mustGiveWay">Whether a job that waits for its peer has to leave its lane to another.</param>
    public async Task<JobTurn> RunAsync(JobEntry entry, Func<bool> mustGiveWay)
    {
        using CancellationTokenSource turn = CancellationTokenSource.CreateLinkedTokenSource(entry.Cancellation);
        PatientTransport? patient = null;
        PreparedInput? input = null;
        SessionRecord record = new(entry.Job.Specification, config.Name, config.Role);
        JobFault? fault = null;
        try
        {
            entry.Cancellation.ThrowIfCancellationRequested();
            JobTrust.Require(config, keys, entry.Job);
            input = await PrepareAsync(entry, record);
            if (!entry.IsAnswered)
            {
                await AddToStoreAsync(entry, JobState.Offered, error: null);
                await _privacy.ReserveAsync(entry.Job.Specification, input, entry.Cancellation);
                if (AsksOperator(entry) && !await IsApprovedAsync(entry))
                {
                    return JobTurn.Held;
                }

                Accept(entry);
                if (!await StartsSoonAsync(entry))
                {
                    return JobTurn.Parked;
                }
            }

            if (!await BeginAsync(entry))
            {
                return JobTurn.Ended;
            }

            if (entry.Job.Specification.Horizontal is not null)
            {
                RoundRunner rounds = new(config, KeyOf(entry), store, relay, time) { Spent = (round, epsilon) => progress.Privacy(entry.Id, round, epsilon) };
                record.Rounds = await rounds.RunAsync(entry.Job, input, round => progress.Round(entry.Id, round), entry.Cancellation);
                _files.KeepPersonal(entry.Job.Specification, record.Rounds);
                await ConcludeAsync(entry, record, fault: null);
                return JobTurn.Ended;
            }

            RelayTransport transport = relay.Open(entry.Id, entry.Attempt, entry.Job.Specification.Deadline);
            IEnvelopeTransport measured = log.Telemetry?.Measure(entry.Id, transport) ?? transport;
            patient = new PatientTransport(measured, GiveWayAfter(entry), mustGiveWay, turn, time);
            SessionRunner runner = new(config, IdentityOf(entry), journal, History, progress, log) { Time = time };
            await runner.RunAsync(entry.Job, entry.Attempt, input, input.Root, record, patient, turn.Token);
            _files.KeepScores(entry.Id, input, record);
            await FlushAsync(transport, entry.Job.Specification.Deadline, entry.Cancellation);
        }
        catch (VertFedException error) when (error.Code == ErrorCode.Storage && entry.End is null && !entry.IsLeft)
        {
            relay.Close(entry.Id);
            throw;
        }
        catch (Exception) when (entry.GoesOnLater)
        {
            // Whatever it is, the next run of the node comes to it again over the record.
            relay.Close(entry.Id);
            return JobTurn.Ended;
        }
        catch (Exception) when (patient is { HasGivenWay: true } && !entry.Cancellation.IsCancellationRequested)
        {
            // Whatever a cancelled turn ends with: the next one comes to the same place over the record.
            entry.IsRunning = false;
            entry.Input = input;
            log.GaveWay(entry.Id);
            return JobTurn.GaveWay;
        }
        catch (Exception error)
        {
            fault = FaultOf(entry, error);
        }

        await ConcludeAsync(entry, record, fault);
        return JobTurn.Ended;
    }

    /// <summary>Waits for the start of an accepted job, outside the lanes.</summary>
    /// <returns>False: the job has ended instead, or the node stops and a later run goes on waiting.</returns>
    public async Task<bool> WaitForStartAsync(JobEntry entry)
    {
        TimeSpan patience = entry.Job.Specification.Deadline + StartGrace;
        try
        {
            await entry.Started.WaitAsync(patience, time, entry.Cancellation);
            return true;
        }
        catch (Exception error) when (error is OperationCanceledException or TimeoutException)
        {
            VertFedException late = new(ErrorCode.PeerUnavailable, $"Waited {patience.TotalSeconds:0} s for the start of the job; it did not come.")
            {
                Party = "coordinator",
            };
            await EndAsync(entry, FaultOf(entry, error is TimeoutException ? late : error));
            return false;
        }
    }

    /// <summary>Waits for the operator's decision, outside the lanes.</summary>
    /// <returns>False: the job has ended, or the node stops and a later run goes on waiting.</returns>
    public async Task<bool> WaitForOperatorAsync(JobEntry entry)
    {
        try
        {
            TimeSpan left = DateTimeOffset.FromUnixTimeMilliseconds(entry.DecideBeforeUnixMs) - time.GetUtcNow();
            OperatorDecision decision = await entry.Decided.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, time, entry.Cancellation);
            if (decision.IsApproved)
            {
                return true;
            }

            await RefuseAsync(entry, NotApproved(decision));
        }
        catch (TimeoutException)
        {
            string why = string.Create(CultureInfo.InvariantCulture, $"the operator did not approve it within {config.Policy.ApprovalHours} hours");
            await RefuseAsync(entry, Refusal(PolicyRules.Approval, why));
        }
        catch (OperationCanceledException) when (entry.GoesOnLater)
        {
            // The wait is in the store; the next run of the node takes it up with the coordinator's next offer.
        }
        catch (OperationCanceledException error)
        {
            await EndAsync(entry, FaultOf(entry, error));
        }

        return false;
    }

    /// <summary>Refuses an offer, durably first.</summary>
    public async Task RefuseAsync(JobEntry entry, JobFault fault)
    {
        log.Refused(entry.Id, fault.Error);
        progress.Answered(entry.Id, accepted: false, fault.Error.Message);

        // Where the id stands for another job, or for one that has ended, what is kept is that job's. Strangers fill no disk.
        if (entry.Facts.Conflict is null && (config.Submitters.Contains(entry.Job.Submitter.Fingerprint, StringComparer.Ordinal)
            || await store.FindJobAsync(entry.Id, CancellationToken.None) is not null))
        {
            PreflightReport preflight = entry.Preflight ?? _preflight.OfOffer(entry.Job, entry.Facts);
            SessionRecord record = new(entry.Job.Specification, config.Name, config.Role);
            _files.Write(entry.Id, PreflightReport.FileName, (preflight with { Error = fault.Error }).Serialise());
            _files.Write(entry.Id, "report.json", JobPapers.ReportOf(entry.Job.Specification, config, record, fault.State, fault.Error));
            await AddToStoreAsync(entry, JobState.Refused, fault.Error);
            await store.SetStateAsync(entry.Id, JobState.Refused, fault.Error, Now(), CancellationToken.None);
        }

        relay.Answer(new JobAnswer { Job = entry.Id, Attempt = entry.Attempt, Accepted = false, Error = fault.Shared });
    }

    /// <summary>Says again that a job waits for the operator, on a new connection.</summary>
    public void SayHeld(JobEntry entry)
    {
        if (entry.DecideBeforeUnixMs > 0 && !entry.IsAnswered)
        {
            double seconds = Math.Max(1, Math.Ceiling((entry.DecideBeforeUnixMs - Now()) / 1000.0));
            relay.Hold(new JobHeld { Job = entry.Id, Attempt = entry.Attempt, ApprovalSeconds = (uint)seconds });
        }
    }

    /// <summary>Loads the input and applies the rules that need it. An attempt that has begun was held to them before, and now is to its record.</summary>
    private async Task<PreparedInput> PrepareAsync(JobEntry entry, SessionRecord record)
    {
        PreparedInput input = entry.Input ?? await LoadAsync(entry);
        entry.Input = null;
        PartyFacts facts = entry.Job.Specification.Horizontal is null
            ? entry.Facts
            : entry.Facts with { Spent = await _privacy.SpentByOthersAsync(entry.Job.Specification, entry.Cancellation) };
        PreflightReport preflight = _preflight.OfInput(entry.Job, input, facts);
        entry.Preflight = preflight;
        record.Guards = [.. PolicyGuards.Noted(config, preflight.Findings)];
        if (!entry.HasRun)
        {
            log.ColumnsNotAllowed(entry.Id, InputRules.NotAllowed(config.Policy, preflight.Shape!));
            RuleFinding.Require(preflight.Findings, config.Name);
            RowGroups.Check(input.Table.Columns, input.Dataset, entry.Job.Specification);
            _files.Write(entry.Id, PreflightReport.FileName, preflight.Serialise());
        }

        return input;
    }

    private bool AsksOperator(JobEntry entry) =>
        config.Policy.AsksOperator(entry.Job.Specification, entry.Job.Submitter.Fingerprint, _preflight.PeerOf(entry.Job));

    /// <summary>Whether the operator has approved; if there is no word yet, the job is held.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: the operator has refused.</exception>
    private async Task<bool> IsApprovedAsync(JobEntry entry)
    {
        if (await store.FindDecisionAsync(entry.Id, entry.Attempt, entry.Cancellation) is { } decision)
        {
            return decision.IsApproved
                ? true
                : throw new VertFedException(ErrorCode.Refused, NotApproved(decision).Error.Message) { Party = config.Name };
        }

        PartyJob held = (await store.HoldJobAsync(entry.Id, entry.Attempt, Now(), entry.Cancellation))!;
        DateTimeOffset before = DateTimeOffset.FromUnixTimeMilliseconds(held.HeldUnixMs).AddHours(config.Policy.ApprovalHours);
        entry.DecideBeforeUnixMs = before.ToUnixTimeMilliseconds();
        SayHeld(entry);
        log.Held(entry.Id, before);
        progress.Held(entry.Id, before);
        return false;
    }

    /// <summary>Notes durably that the job runs.</summary>
    /// <returns>False: it has ended here before, whatever the coordinator says; its last word is said again.</returns>
    private async Task<bool> BeginAsync(JobEntry entry)
    {
        entry.IsRunning = true;
        PartyJob? job = await store.SetStateAsync(entry.Id, JobState.Running, error: null, Now(), entry.Cancellation);
        if (job is { State: JobState.Running } && job.Attempt == entry.Attempt)
        {
            entry.HasRun = true;
            return true;
        }

        relay.Close(entry.Id);
        log.NotResumed(entry.Id);
        if (job is not null)
        {
            relay.SendOutcome(Offers.LastWord(job, config.Name));
        }

        return false;
    }

    private void Accept(JobEntry entry)
    {
        entry.IsAnswered = true;
        entry.DecideBeforeUnixMs = 0;
        relay.Answer(new JobAnswer { Job = entry.Id, Attempt = entry.Attempt, Accepted = true });
        log.Accepted(entry.Id);
        progress.Answered(entry.Id, accepted: true, "");
    }

    private async Task<bool> StartsSoonAsync(JobEntry entry)
    {
        try
        {
            await entry.Started.WaitAsync(Patience.Park, time, entry.Cancellation);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private TimeSpan GiveWayAfter(JobEntry entry)
    {
        TimeSpan quarter = entry.Job.Specification.Deadline / 4;
        return quarter < Patience.GiveWay ? quarter : Patience.GiveWay;
    }

    private JobFault NotApproved(OperatorDecision decision) => Refusal(
        PolicyRules.Approval, decision.Reason.Length > 0 ? $"the operator refused it: {decision.Reason}" : "the operator refused it");

    private JobFault Refusal(string rule, string why) => JobFault.Make(ErrorCode.Refused, config.Name, "", $"policy rule '{rule}': {why}");

    private Task EndAsync(JobEntry entry, JobFault fault) =>
        ConcludeAsync(entry, new SessionRecord(entry.Job.Specification, config.Name, config.Role), fault);

    /// <summary>The last word on a job, whatever it is.</summary>
    private async Task ConcludeAsync(JobEntry entry, SessionRecord record, JobFault? fault)
    {
        relay.Close(entry.Id);
        if (fault is not null && entry.GoesOnLater)
        {
            return;
        }

        if (entry.IsAnswered)
        {
            await FinishAsync(entry, record, fault);
        }
        else if (fault is not null && entry.End is null)
        {
            await RefuseAsync(entry, fault);
        }
        else if (fault is not null)
        {
            // Nothing was said, and nothing need be; a job that was held is open in the store.
            await store.SetStateAsync(entry.Id, fault.State, fault.Error, Now(), CancellationToken.None);
            log.Ended(entry.Id, ReportWriter.StatusName(fault.State), fault.Error);
        }

        if (entry.End is not null)
        {
            relay.Forget(entry.Id);
        }
    }

    private async Task<PreparedInput> LoadAsync(JobEntry entry)
    {
        long start = Stopwatch.GetTimestamp();
        PreparedInput input = await InputLoader.LoadAsync(config, store, entry.Job.Specification, entry.Cancellation);
        log.Loaded(
            entry.Id, input.Table.Source, input.Table.Format, input.Table.Rows, input.Table.Columns.Length, Stopwatch.GetElapsedTime(start).TotalSeconds);
        return input;
    }

    /// <summary>Everything is at the coordinator before the last word on the job goes out.</summary>
    private static async Task FlushAsync(RelayTransport transport, TimeSpan deadline, CancellationToken cancellationToken)
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(deadline);
        try
        {
            await transport.FlushAsync(late.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new VertFedException(
                ErrorCode.PeerUnavailable, $"Waited {deadline.TotalSeconds:0} s for the coordinator to take the last envelopes.")
            {
                Party = "coordinator",
                Step = nameof(Step.JobClose),
            };
        }
    }

    /// <summary>Why a job ends here: what stopped it from outside comes before what that made fail.</summary>
    private JobFault FaultOf(JobEntry entry, Exception error)
    {
        if (entry.Breach is { } breach)
        {
            return JobFault.From(breach, config.Name);
        }

        if (entry.End is { } end)
        {
            return JobFault.From(end, config.Name);
        }

        if (error is not (VertFedException or OperationCanceledException))
        {
            log.Unexpected(entry.Id, error);
        }

        return JobFault.From(error, config.Name);
    }

    private async Task FinishAsync(JobEntry entry, SessionRecord record, JobFault? fault)
    {
        if (fault is null && record.Rounds is null)
        {
            OwnRecord entries = await OwnRecord.ReadAsync(store, entry.Id, entry.Attempt, Phase.Close, CancellationToken.None);
            record.TranscriptRoot = entries.Root(entries.Size);
        }

        JobPapers papers = JobPapers.Of(entry.Job.Specification, config, record, fault, error => FaultOf(entry, error));
        fault = papers.Fault;
        _files.Write(entry.Id, "report.json", papers.Own);
        if (papers.Model is not null)
        {
            _files.Write(entry.Id, RoundModels.CommonFile, papers.Model);
        }

        JobOutcome outcome = new()
        {
            Job = entry.Id,
            Attempt = entry.Attempt,
            State = papers.State,
            Error = fault?.Shared,
            Report = ReportSeal.Seal(entry.Id, config.Name, IdentityOf(entry), entry.Job.Submitter, papers.Shared),
        };
        PartyResult result = new(papers.State, fault?.Error, papers.Kept, papers.Model, papers.Ledger, outcome.ToByteArray(), Now());
        await store.SaveResultAsync(entry.Id, entry.Attempt, result, CancellationToken.None);
        if (papers.Model is not null)
        {
            await store.BindModelAsync(entry.Id, papers.Root!, CancellationToken.None);
        }

        relay.SendOutcome(outcome);
        string status = ReportWriter.StatusName(outcome.State);
        log.Ended(entry.Id, status, fault?.Error);
        progress.JobEnded(entry.Id, status, fault?.Error);
    }

    private Task<PartyJob> AddToStoreAsync(JobEntry entry, JobState state, JobError? error) => store.AddJobAsync(
        new PartyJob
        {
            Job = entry.Id,
            Attempt = entry.Attempt,
            Role = config.Role,
            SignedSpec = entry.Job.Message.ToByteArray(),
            State = state,
            ReceivedUnixMs = Now(),
            EndedUnixMs = state == JobState.Refused ? Now() : 0,
            Error = error,
        },
        CancellationToken.None);

    /// <summary>The one that the job names: it may have been replaced since.</summary>
    private Identity IdentityOf(JobEntry entry) => KeyOf(entry).Identity;

    private NodeKey KeyOf(JobEntry entry) => keys.For(JobParties.Own(entry.Job.Specification, config));

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
