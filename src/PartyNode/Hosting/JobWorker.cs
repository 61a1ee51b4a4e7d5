using System.Diagnostics;
using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Scoring;
using VertFed.PartyNode.Sessions;
using VertFed.PartyNode.Witness;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// Takes a job from the offer to its last word: load the input, answer, wait for the start, run, report. However it ends, there is
/// one answer or one outcome, a report file, and a record in the store, in that order of durability: store before wire.
/// </summary>
internal sealed class JobWorker(
    PartyConfig config, Identity identity, IPartyStore store, IJournal journal, RelayClient relay, ProgressWriter progress, NodeLog log,
    TimeProvider time)
{
    /// <summary>Beyond the job's own deadline, which the coordinator keeps.</summary>
    private static readonly TimeSpan StartGrace = TimeSpan.FromSeconds(30);

    private readonly SessionRunner _runner = new(
        config, identity, journal, new IntersectionHistory(Path.Combine(config.DataDirectory, "intersections")), progress, log);

    public static string StoppedMessage(string party) => $"the operator of '{party}' stopped the node";

    /// <summary>Runs a job to its end. Does not throw for anything that concerns the job alone.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: this node's disk fails. Nothing was said of the job's end: started
    /// again with a disk that works, the node takes it up where it stands.</exception>
    public async Task RunAsync(JobEntry entry)
    {
        SessionRecord record = new(entry.Job.Specification, config.Name, config.Role);
        bool answered = entry.IsResumed;
        JobFault? fault = null;
        try
        {
            entry.Cancellation.ThrowIfCancellationRequested();
            PreparedInput input = await LoadAsync(entry);
            await AddToStoreAsync(entry, JobState.Offered, error: null);
            if (!answered)
            {
                relay.Answer(new JobAnswer { Job = entry.Id, Attempt = entry.Attempt, Accepted = true });
                answered = true;
                log.Accepted(entry.Id);
                progress.Answered(entry.Id, accepted: true, "");
                await WaitForStartAsync(entry);
            }

            await store.SetStateAsync(entry.Id, JobState.Running, error: null, Now(), entry.Cancellation);
            RelayTransport transport = relay.Open(entry.Id, entry.Attempt, entry.Job.Specification.Deadline);
            await _runner.RunAsync(entry.Job, entry.Attempt, input, input.Root, record, transport, entry.Cancellation);
            KeepScores(entry, input, record);
            await FlushAsync(transport, entry.Job.Specification.Deadline, entry.Cancellation);
        }
        catch (VertFedException error) when (error.Code == ErrorCode.Storage && entry.End is null && !entry.IsStopped)
        {
            relay.Close(entry.Id);
            throw;
        }
        catch (Exception error)
        {
            fault = FaultOf(entry, error);
        }

        relay.Close(entry.Id);
        if (answered)
        {
            await FinishAsync(entry, record, fault);
        }
        else if (fault is not null && entry.End is null)
        {
            await RefuseAsync(entry, fault);
        }

        if (entry.End is not null)
        {
            relay.Forget(entry.Id);
        }
    }

    /// <summary>Refuses an offer, durably first.</summary>
    public async Task RefuseAsync(JobEntry entry, JobFault fault)
    {
        log.Refused(entry.Id, fault.Error);
        progress.Answered(entry.Id, accepted: false, fault.Error.Message);
        SessionRecord record = new(entry.Job.Specification, config.Name, config.Role);
        Write(entry.Id, "report.json", ReportWriter.Serialise(record.ToPart(fault.State, fault.Error), withCoefficients: true));
        await AddToStoreAsync(entry, JobState.Refused, fault.Error);
        relay.Answer(new JobAnswer { Job = entry.Id, Attempt = entry.Attempt, Accepted = false, Error = fault.Error });
    }

    private async Task<PreparedInput> LoadAsync(JobEntry entry)
    {
        long start = Stopwatch.GetTimestamp();
        JobSpecification specification = entry.Job.Specification;
        ScoringModel? model = specification.Kind == JobKind.Score
            ? await ScoringModel.LoadAsync(store, specification, config.Role, mayBeArchived: false, entry.Cancellation)
            : null;
        PreparedInput input = await Task.Run(
            () => model is null
                ? PreparedInput.Load(config, specification, entry.Cancellation)
                : PreparedInput.Load(config, specification, model, entry.Cancellation),
            entry.Cancellation);
        log.Loaded(
            entry.Id, input.Table.File, input.Table.Rows, input.Table.Names.Length, Stopwatch.GetElapsedTime(start).TotalSeconds);
        return input;
    }

    private async Task WaitForStartAsync(JobEntry entry)
    {
        TimeSpan patience = entry.Job.Specification.Deadline + StartGrace;
        try
        {
            await entry.Started.WaitAsync(patience, entry.Cancellation);
        }
        catch (TimeoutException)
        {
            throw new VertFedException(
                ErrorCode.PeerUnavailable, $"Waited {patience.TotalSeconds:0} s for the start of the job; it did not come.")
            {
                Party = "coordinator",
            };
        }
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

        if (entry.IsStopped)
        {
            return JobFault.Make(ErrorCode.Cancelled, config.Name, "", StoppedMessage(config.Name));
        }

        if (error is not VertFedException)
        {
            log.Unexpected(entry.Id, error);
        }

        return JobFault.From(error, config.Name);
    }

    private async Task FinishAsync(JobEntry entry, SessionRecord record, JobFault? fault)
    {
        JobState state = fault?.State ?? JobState.Done;
        if (state == JobState.Done)
        {
            OwnRecord entries = await OwnRecord.ReadAsync(store, entry.Id, entry.Attempt, Phase.Close, CancellationToken.None);
            record.TranscriptRoot = entries.Root(entries.Size);
        }

        ReportPart part = record.ToPart(state, fault?.Error);
        byte[] own = ReportWriter.Serialise(part, withCoefficients: true);
        byte[]? model = part is { State: JobState.Done, Result: not null } ? ReportWriter.SerialiseModel(part) : null;
        Write(entry.Id, "report.json", own);
        if (model is not null)
        {
            Write(entry.Id, "model.json", model);
        }

        byte[] shared = ReportWriter.Serialise(part, config.Policy.ShareCoefficientsWithSubmitter, withQuantiles: false);
        JobOutcome outcome = new()
        {
            Job = entry.Id,
            Attempt = entry.Attempt,
            State = state,
            Error = fault?.Error,
            Report = ReportSeal.Seal(entry.Id, config.Name, identity, entry.Job.Submitter, shared),
        };
        // The store holds coefficients in one place, the model, so that deleting that erases them.
        byte[] kept = model is null ? own : ReportWriter.Serialise(part, withCoefficients: false);
        PartyResult result = new(state, fault?.Error, kept, model, [.. part.Ledger], outcome.ToByteArray(), Now());
        await store.SaveResultAsync(entry.Id, entry.Attempt, result, CancellationToken.None);
        if (model is not null)
        {
            await store.BindModelAsync(entry.Id, part.TranscriptRoot!, CancellationToken.None);
        }

        relay.SendOutcome(outcome);
        string status = ReportWriter.StatusName(outcome.State);
        log.Ended(entry.Id, status, fault?.Error);
        progress.JobEnded(entry.Id, status, fault?.Error);
    }

    /// <summary>Keeps the scores before anyone hears that the job is done. They are in no other place.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Storage"/>: the file cannot be written.</exception>
    private void KeepScores(JobEntry entry, PreparedInput input, SessionRecord record)
    {
        if (record.Score is not { } score || input.Model is not { } model)
        {
            return;
        }

        ScoreCounts counts;
        if (score.Scores is { } scores)
        {
            string folder = Path.Combine(config.DataDirectory, "jobs", entry.Id);
            AtomicFile.CreateFolder(folder);
            counts = ScoreFile.Write(
                Path.Combine(folder, ScoreFile.Name), config.Data.Id, input.Table.Ids, input.Ids.SourceRows, record.AlignedRows, scores);
        }
        else
        {
            counts = new ScoreCounts(score.Rows, input.Ids.Ids.Count - score.Rows, input.Table.Rows - input.Ids.Ids.Count);
        }

        record.ScorePart = new ScorePart(
            model.Identity, model.Half.Family, counts, ScorePart.QuantilesOf(score.Scores), record.SecondsOf(Phase.Evaluate), record.EvaluateBytes, score.Disclosures);
    }

    private void Write(string job, string name, byte[] content)
    {
        try
        {
            string folder = Path.Combine(config.DataDirectory, "jobs", job);
            AtomicFile.CreateFolder(folder);
            AtomicFile.Write(Path.Combine(folder, name), content);
        }
        catch (VertFedException error)
        {
            // The store holds report and model as well; its own failure would be the job's.
            log.NotWritten(job, name, error.Message);
        }
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

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
