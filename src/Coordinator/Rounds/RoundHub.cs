using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using VertFed.Coordinator.Configuration;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Recording;
using VertFed.Coordinator.Relay;
using VertFed.Coordinator.Security;
using VertFed.Coordinator.Services;
using VertFed.Horizontal.Service;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Rounds;

/// <summary>
/// The coordinator's horizontal jobs: takes them on, runs each in a task of its own, and hands what the parties' connections say to the job that it
/// is about. Not queued: a job is offered as it is submitted. At a start it takes up those that were open.
/// </summary>
internal sealed class RoundHub(
    JobHub hub, OpenPlaces places, TrustBook trust, ICoordinatorStore store, CoordinatorKeys keys, TimeProvider time, ILogger<RoundHub> logger)
    : IHostedService, IDisposable
{
    private static readonly TimeSpan StoreWait = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan CancelPatience = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, RoundJob> _live = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Task> _tasks = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();

    private static ReadOnlySpan<byte> CancelLabel => "vertfed/v1/cancel"u8;

    /// <summary>Whether a submitted spec is of a horizontal job. One that cannot be read is not: whoever verifies it says what is wrong.</summary>
    public static bool IsHorizontal(SignedJobSpec job)
    {
        try
        {
            return JobSpec.Parser.ParseFrom(job.Spec).Kind == JobKind.Horizontal;
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (RoundJobRecord job in await store.ListOpenRoundJobsAsync(cancellationToken))
        {
            string owner = trust.Current.Find(job.Submitter)?.Name ?? job.Submitter;
            TakeUp(job, owner, hasPlace: false);
        }
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_tasks.Values);
    }

    public void Dispose() => _stop.Dispose();

    /// <summary>Keeps a job and offers it; a repeated request returns the job of the first.</summary>
    public async Task<RoundJobRecord> SubmitAsync(SignedJobSpec message, string? clientToken, Caller caller, CancellationToken cancellationToken)
    {
        SignedJob signed = hub.Check(message, caller);
        JobSpecification spec = signed.Specification;
        JobPlan plan = JobPlan.Of(spec);
        RequireBudget(plan);
        string submitter = signed.Submitter.Fingerprint;
        byte[] hash = SHA256.HashData([.. signed.SpecHash, .. signed.Submitter.SubjectPublicKeyInfo]);
        RoundJobRecord? known = await store.FindRoundJobAsync(spec.Job, cancellationToken);
        if (await store.FindJobAsync(spec.Job, cancellationToken) is not null || (known is not null && !MaySee(caller, known)))
            throw new VertFedException(ErrorCode.Refused, "this job id cannot be used; draw another at random");
        if (known is null)
            places.Take(caller.Name);
        AddJobOutcome outcome = AddJobOutcome.Different;
        RoundJobRecord job;
        try
        {
            await caller.AllowedAsync(spec.Job);
            (outcome, job) = await store.AddRoundJobAsync(
                new NewRoundJob(spec.Job, message.ToByteArray(), hash, submitter, clientToken, [.. spec.Parties.Select(party => party.Name)], time.GetUtcNow().ToUnixTimeMilliseconds()),
                CancellationToken.None);
        }
        finally
        {
            if (known is null && outcome != AddJobOutcome.Added)
                places.GiveBack(caller.Name);
        }

        if (outcome == AddJobOutcome.Different)
            throw GrpcErrors.Make(Grpc.Core.StatusCode.AlreadyExists, ErrorCode.Refused, "another spec was submitted under this job id or client token before");
        if (TakeUp(job, caller.Name, hasPlace: outcome == AddJobOutcome.Added))
            Log.RoundJobSubmitted(logger, job.Job, job.Parties.Count);
        return job;
    }

    public async Task<RoundJobRecord> CancelAsync(RoundJobRecord job, ByteString signature, Caller caller)
    {
        bool byOperator = caller.Is(CallerRoles.Operator);
        if (!byOperator && !caller.Submitted(job.Submitter))
            throw GrpcErrors.UnknownJob();
        byte[] signed = [.. CancelLabel, .. Encoding.ASCII.GetBytes(job.Job)];
        PeerIdentity submitter = SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(job.SignedSpec)).Submitter;
        if (!byOperator && !submitter.Verify(signed, signature.Span) && !caller.Key.Verify(signed, signature.Span))
            throw new VertFedException(ErrorCode.DoesNotVerify, "the cancellation is not signed by the job's submitter");
        await caller.AllowedAsync(job.Job);
        string by = caller.Submitted(job.Submitter) ? "the submitter" : "the coordinator's operator";
        JobError why = new() { Code = nameof(ErrorCode.Cancelled), Party = "coordinator", Message = $"cancelled by {by}" };

        // One that is open and runs nowhere is one whose first write was reported as failed and kept all the same.
        if (job.IsOpen && !_live.ContainsKey(job.Job))
            await store.MoveRoundJobAsync(job.Job, JobState.Cancelled, why, time.GetUtcNow().ToUnixTimeMilliseconds(), CancellationToken.None);
        if (_live.TryGetValue(job.Job, out RoundJob? live))
        {
            live.Cancel(why);

            // It may have been taken up again in between, without having heard of it.
            if (_live.TryGetValue(job.Job, out RoundJob? now) && now != live)
                now.Cancel(why);
            if (_tasks.TryGetValue(job.Job, out Task? task))
                await EndOfAsync(task);
        }

        return (await store.FindRoundJobAsync(job.Job, CancellationToken.None))!;
    }

    private async Task EndOfAsync(Task task)
    {
        try
        {
            await task.WaitAsync(CancelPatience, time);
        }
        catch (TimeoutException error)
        {
            throw new VertFedException(ErrorCode.Storage, "the job is cancelled, and ends as soon as the store can keep that", error);
        }
    }

    /// <summary>The job, if the caller may see it; null where it is no horizontal job or not the caller's to see.</summary>
    public async Task<RoundJobRecord?> FindAsync(string job, Caller caller, CancellationToken cancellationToken) =>
        EnvelopeCodec.IsJobId(job) && await store.FindRoundJobAsync(job, cancellationToken) is { } record && MaySee(caller, record) ? record : null;

    /// <summary>Jobs that the caller may see, newest first, and from where the next page goes on; null after the last.</summary>
    /// <param name="limit">Most jobs that are looked at.</param>
    public async Task<(IReadOnlyList<RoundJobRecord> Jobs, long? Before)> ListAsync(
        Caller caller, JobFilter filter, int limit, long? before, CancellationToken cancellationToken)
    {
        IReadOnlyList<RoundJobRecord> page = await store.ListRoundJobsAsync(limit, before, cancellationToken);
        RoundJobRecord[] seen =
        [
            .. page.Where(job => MaySee(caller, job)
                && (filter.State is null || job.State == filter.State) && (filter.Party is null || job.PlaceOf(filter.Party) > 0)
                && (filter.Submitter is null || job.Submitter == filter.Submitter)),
        ];
        return (seen, page.Count < limit ? null : page[^1].Ordinal);
    }

    /// <summary>What tells of an open job's changes; null where it is not open.</summary>
    public Pulse? ChangesOf(string job) => _live.TryGetValue(job, out RoundJob? live) ? live.Changed : null;

    public JobStatus Describe(RoundJobRecord job) =>
        RoundStatus.Of(job, SpecOf(job), _live.GetValueOrDefault(job.Job), time.GetUtcNow().ToUnixTimeMilliseconds());

    /// <summary>The parties' sealed parts and, for the submitter and operators, the coordinator's own: what a round's figures tell of one party is not for the others.</summary>
    public async Task<ReportResponse> ReportAsync(RoundJobRecord job, Caller caller, CancellationToken cancellationToken)
    {
        ReportResponse response = new() { Status = Describe(job) };
        if (caller.Submitted(job.Submitter) || caller.Is(CallerRoles.Operator))
        {
            // A round that ends between the two reads is not told of yet.
            IEnumerable<RoundSummary> summaries = (await store.ReadRoundSummariesAsync(job.Job, cancellationToken)).Where(round => round.Round <= job.Rounds);
            response.Rounds = ByteString.CopyFrom(RoundReport.Of(job, SpecOf(job), summaries));
        }

        response.Parts.AddRange(job.Parties.Select(party => party.Outcome?.Report).OfType<SealedReport>());
        return response;
    }

    /// <summary>Whether frames about a job belong here: it is open or known as a horizontal one of this party.</summary>
    public async ValueTask<RoundJobRecord?> OwnAsync(string job, string party, CancellationToken cancellationToken)
    {
        if (!EnvelopeCodec.IsJobId(job))
            return null;
        RoundJobRecord? record = _live.TryGetValue(job, out RoundJob? live) ? live.Record : await store.FindRoundJobAsync(job, cancellationToken);
        return record?.PlaceOf(party) > 0 ? record : null;
    }

    /// <summary>Hands on what a party's connection said; a job that has ended says its end again.</summary>
    public async ValueTask TellAsync(RoundJobRecord job, string party, RoundEvent what, CancellationToken cancellationToken)
    {
        _ = _live.TryGetValue(job.Job, out RoundJob? live);
        if (live is not null && await live.TellAsync(what, cancellationToken))
            return;
        if (what is OutcomeEvent { Outcome: var outcome })
            await store.SaveRoundOutcomeAsync(job.Job, what.Place, outcome, cancellationToken);
        else if (what is WordEvent { Word: var word })
            await RoundTree.TakeAsync(store, (await store.FindRoundJobAsync(job.Job, cancellationToken))!, what.Place, word, time.GetUtcNow().ToUnixTimeMilliseconds(), cancellationToken);

        // The store may have failed it in between: whoever takes it up again has perhaps read it before this was kept.
        if (_live.TryGetValue(job.Job, out RoundJob? again) && again != live && await again.TellAsync(what, cancellationToken))
            return;
        RoundJobRecord record = (await store.FindRoundJobAsync(job.Job, cancellationToken))!;
        if (!record.IsOpen)
            Send(party, new CoordinatorFrame { End = RoundJob.EndOf(record) });
    }

    /// <summary>The party's identity in a job, if its connection proved it.</summary>
    public static PartyKey? KeyOf(RoundJobRecord job, string party, PartyKeys proved)
    {
        uint place = job.PlaceOf(party);
        return place == 0 ? null : proved.Find(SpecOf(job).Parties[(int)place - 1].Fingerprint);
    }

    /// <summary>The states of the open jobs, and of those that end at this moment.</summary>
    public IEnumerable<JobState> States => _live.Values.Select(live => live.Record.State);

    /// <summary>Jobs that run and that the party takes part in.</summary>
    public IEnumerable<string> RunningOf(string party) =>
        _live.Values.Select(live => live.Record).Where(job => job.State == JobState.Running && job.PlaceOf(party) > 0).Select(job => job.Job);

    /// <summary>A party has connected: its open jobs say again what it is to know, and the ends that it has not answered are told.</summary>
    public async Task AttachedAsync(string party, CancellationToken cancellationToken)
    {
        long since = time.GetUtcNow().Subtract(CheckpointKeeper.Kept).ToUnixTimeMilliseconds();
        foreach (RoundJobRecord ended in await store.ListRoundJobsWithoutWordAsync(party, since, cancellationToken))
            Send(party, new CoordinatorFrame { End = RoundJob.EndOf(ended) });
        foreach (RoundJob live in _live.Values)
        {
            if (live.Record.PlaceOf(party) is > 0 and var place)
                await live.TellAsync(new AttachedEvent(place), cancellationToken);
        }
    }

    private static JobSpecification SpecOf(RoundJobRecord job) => JobSpecification.Parse(SignedJobSpec.Parser.ParseFrom(job.SignedSpec).Spec.Span);

    private static bool MaySee(Caller caller, RoundJobRecord job) => caller.MaySee(job.Submitter, [.. job.Parties.Select(party => party.Name)]);

    private static void RequireBudget(JobPlan plan)
    {
        if (plan.Privacy is not { } privacy)
            return;
        double epsilon = privacy.PartyEpsilon(plan.Specification.Rounds);
        if (epsilon > privacy.Budget)
        {
            throw new VertFedException(
                ErrorCode.Refused, FormattableString.Invariant($"the job would come to epsilon {epsilon:0.###} at delta {privacy.Delta:g2}, its budget is {privacy.Budget:0.###}"))
            {
                Field = "horizontal.privacy.budget",
            };
        }
    }

    /// <summary>Runs an open job: one that was kept just now, or whose first write was reported as failed and kept all the same, or that was open at a start.</summary>
    /// <returns>False: it has ended, or runs already.</returns>
    private bool TakeUp(RoundJobRecord job, string owner, bool hasPlace)
    {
        if (!hasPlace && (!job.IsOpen || _live.ContainsKey(job.Job)))
            return false;

        // Taken first: as soon as the job runs it may end, and give its place back.
        if (!hasPlace)
            places.TakeRegardless(owner);
        RoundJob live = Live(job, owner);
        if (!job.IsOpen || !_live.TryAdd(job.Job, live))
        {
            // Where an equal request was quicker, that took a place for the job itself.
            places.GiveBack(owner);
            live.Dispose();
            return false;
        }

        Run(live);
        return true;
    }

    private void Run(RoundJob live)
    {
        string job = live.Record.Job;
        Task task = Task.Run(() => RunAsync(live));
        _tasks[job] = task;
        // One that is over already did not find itself there to remove.
        if (task.IsCompleted)
            _tasks.TryRemove(job, out _);
    }

    private RoundJob Live(RoundJobRecord job, string owner) => new(job, store, keys.Credential.Identity, keys.Checkpoints, Send, time)
    {
        Owner = owner,
        Connected = party => hub.SessionOf(party) is not null,
        Concluded = hub.Telemetry.RoundConcluded,
    };

    private async Task RunAsync(RoundJob first)
    {
        try
        {
            for (RoundJob? live = first; live is not null && !await EndsAsync(live);)
                live = await AgainAsync(live);
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // Left open in the store, for the next start.
        }
        finally
        {
            _tasks.TryRemove(first.Record.Job, out _);
        }
    }

    /// <summary>Runs a job until it has ended or is left open by a stop.</summary>
    /// <returns>False: the store failed.</returns>
    private async Task<bool> EndsAsync(RoundJob live)
    {
        try
        {
            RoundJobRecord? ended;
            try
            {
                ended = await live.RunAsync(_stop.Token);
            }
            catch (Exception error) when (error is not VertFedException)
            {
                // A fault of this software: the job would meet it again at every start.
                string incident = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
                Log.Unexpected(logger, error, nameof(RoundJob), incident);
                ended = await live.FailAsync(incident);
            }

            if (ended is not null)
            {
                await live.KeepRestAsync(CancellationToken.None);
                Conclude(live, ended);
            }

            return true;
        }
        catch (VertFedException error)
        {
            Log.StoreFailed(logger, nameof(RoundJob), error.Message);
            return false;
        }
    }

    /// <summary>
    /// Takes a job up again from the store once that answers, as after a start: what the job carried may be ahead of what is kept. Parties are asked again
    /// and say the same again.
    /// </summary>
    /// <returns>Null: its end was kept after all.</returns>
    private async Task<RoundJob?> AgainAsync(RoundJob failed)
    {
        while (true)
        {
            await Task.Delay(StoreWait, time, _stop.Token);
            try
            {
                await failed.KeepRestAsync(_stop.Token);
                RoundJobRecord kept = (await store.FindRoundJobAsync(failed.Record.Job, _stop.Token))!;
                if (!kept.IsOpen)
                {
                    Conclude(failed, kept);
                    return null;
                }

                RoundJob again = _live[kept.Job] = Live(kept, failed.Owner);
                if (failed.Cancelled is { } why)
                    again.Cancel(why);
                failed.Changed.Signal();
                failed.Dispose();
                return again;
            }
            catch (VertFedException error)
            {
                Log.StoreFailed(logger, nameof(RoundJob), error.Message);
            }
        }
    }

    private void Conclude(RoundJob live, RoundJobRecord ended)
    {
        Log.RoundJobEnded(logger, ended.Job, ended.State, ended.Error?.Code ?? "", ended.Error?.Message ?? "");
        hub.Telemetry.HorizontalJobEnded(ended.State, ended.Job, ended.Error?.Code ?? "");
        places.GiveBack(live.Owner);
        _live.TryRemove(ended.Job, out _);
        live.Changed.Signal();
        live.Dispose();
    }

    private void Send(string party, CoordinatorFrame frame) => hub.SessionOf(party)?.Send(frame);
}
