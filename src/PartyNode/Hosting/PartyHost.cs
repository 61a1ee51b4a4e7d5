using System.Collections.Concurrent;
using Google.Protobuf;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Control;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Reporting;
using VertFed.PartyNode.Scoring;
using VertFed.PartyNode.Sessions;
using VertFed.PartyNode.Witness;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Vertical;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// A running party node. An event loop listens to the coordinator: it checks offers against the policy, starts and ends jobs, and
/// takes up those that were running when the node went down. Lanes run the accepted jobs, several at once. A job that
/// fails ends that job only.
/// </summary>
public sealed class PartyHost : IDisposable
{
    /// <summary>Jobs that run, wait for a lane, for their peer or for the operator; further offers are refused.</summary>
    internal const int MostOpen = 128;

    private static readonly TimeSpan Day = TimeSpan.FromDays(1);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);

    private readonly PartyConfig _config;
    private readonly IPartyStore _store;
    private readonly ProgressWriter _progress;
    private readonly NodeLog _log;
    private readonly TimeProvider _time;
    private readonly RelayClient _relay;
    private readonly JobWorker _worker;
    private readonly JobLanes _lanes;
    private readonly Preflight _preflight;
    private readonly DryRuns _dryRuns;
    private readonly WatchedJournal _journal;
    private readonly CheckpointWitness _witness;
    private readonly ConcurrentDictionary<string, JobEntry> _entries = new(StringComparer.Ordinal);
    private readonly ModelDesk _models;
    private readonly Reloader _reloader;
    private bool _wasReady;
    private volatile bool _isDraining;

    /// <param name="keys">Stay the caller's to dispose, as the store does.</param>
    /// <param name="relay">Null: how the configuration says.</param>
    /// <param name="patience">Null: the default.</param>
    public PartyHost(
        PartyConfig config, NodeKeys keys, IPartyStore store, ProgressWriter progress, NodeLog log, TimeProvider time,
        RelayOptions? relay = null, LanePatience? patience = null)
    {
        (_config, _store, _progress, _log, _time) = (config, store, progress, log, time);
        relay ??= new RelayOptions { Coordinator = config.Coordinator, CoordinatorFingerprints = config.CoordinatorFingerprints, Party = config.Name, Time = time };
        _relay = new RelayClient(relay, keys);
        _journal = new WatchedJournal(store);
        _worker = new JobWorker(config, keys, store, _journal, _relay, progress, log, time) { Patience = patience ?? new LanePatience() };
        _lanes = new JobLanes(_worker, config.MaxRunningJobs, Ended);
        _preflight = new Preflight(config, keys);
        _dryRuns = new DryRuns(config, keys, store, _preflight, _relay, log, time);
        _models = new ModelDesk(config.Name, store, config.DataDirectory, log, _relay.TellModel);
        _reloader = new Reloader(config, keys, _relay, _entries, log);
        Jobs = new JobControl(config, store, _entries, log, time);
        _witness = new CheckpointWitness(config, keys, store, _journal, _relay, log, time, EndOnBreach);
    }

    /// <summary>What the coordinator says comes through here.</summary>
    internal RelayClient Relay => _relay;

    /// <summary>What the operator can see and say of the jobs.</summary>
    internal IJobControl Jobs { get; }

    /// <summary>What the operator can see and say of the models.</summary>
    internal IModelControl Models => _models;

    /// <summary>Takes identities and trust from the configuration's file as they are now.</summary>
    /// <returns>False where it is wrong, and nothing has changed.</returns>
    public bool ReloadFrom(string file) => _reloader.ReloadFrom(file);

    /// <summary>The files whose change is reason to read identities and trust again.</summary>
    public IEnumerable<string> FilesOf(string file) => _reloader.FilesOf(file);

    /// <summary>Whether the node was told to stop and takes no more jobs.</summary>
    public bool IsDraining => _isDraining;

    /// <summary>Open jobs by where they stand.</summary>
    public IEnumerable<(string State, int Count)> JobsByState()
    {
        JobEntry[] open = [.. _entries.Values];
        int running = open.Count(entry => entry.IsRunning);
        int held = open.Count(entry => !entry.IsRunning && entry.DecideBeforeUnixMs > 0);
        return [("running", running), ("held", held), ("waiting", open.Length - running - held)];
    }

    /// <summary>Begins no more jobs, and waits for those that run. All others are left as they are: an offer that comes meanwhile has no answer, a job that
    /// waits goes on waiting, and the node's next run takes them up.</summary>
    /// <param name="patience">How long; what runs then is the caller's to stop.</param>
    /// <param name="hurry">Ends the waiting.</param>
    public async Task DrainAsync(TimeSpan patience, CancellationToken hurry)
    {
        _isDraining = true;
        _log.Draining(patience.TotalSeconds);
        _lanes.Pause();
        foreach (JobEntry entry in _entries.Values.Where(entry => !entry.IsRunning))
        {
            entry.Leave();
        }

        long start = _time.GetTimestamp();
        using PeriodicTimer timer = new(TimeSpan.FromMilliseconds(100), _time);
        try
        {
            while (_entries.Values.Any(entry => entry.IsRunning) && _time.GetElapsedTime(start) < patience)
            {
                await timer.WaitForNextTickAsync(hurry);
            }
        }
        catch (OperationCanceledException) when (hurry.IsCancellationRequested)
        {
            // Told twice: at once, then.
        }
    }

    /// <summary>Runs until stopped; then leaves the open jobs as the store has them, for the node's next run, and returns.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: the coordinator does not admit this party.
    /// <see cref="ErrorCode.Storage"/>: the store fails.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        _log.Loosened([.. _config.Policy.Loosened().Select(value => value.Name)]);
        await _models.CatchUpAsync(CancellationToken.None);
        using CancellationTokenSource connection = new();
        Task relay = _relay.RunAsync(connection.Token);
        Task events = ListenAsync(connection.Token);
        Task work = _lanes.RunAsync();
        Task dryRuns = _dryRuns.RunAsync(connection.Token);
        Task retention = new Retention(_store, _worker.History, TimeSpan.FromDays(_config.RetainDays), _time, _log)
            .RunAsync(connection.Token);
        Task stopped = Task.Delay(Timeout.Infinite, stop);
        Task first = await Task.WhenAny(relay, events, work, stopped);
        _isDraining = true;
        foreach (JobEntry entry in _entries.Values)
        {
            entry.Leave();
        }

        _lanes.Close();
        await Task.WhenAny(work, Task.Delay(StopPatience, CancellationToken.None));
        if (first == stopped)
        {
            // What is proposed and can be judged at once is co-signed before the node goes.
            await Task.WhenAny(_witness.IdleAsync(), Task.Delay(StopPatience, CancellationToken.None));
            using CancellationTokenSource patience = new(StopPatience);
            await Quietly(_relay.DrainAsync(patience.Token));
        }

        await connection.CancelAsync();
        await Quietly(Task.WhenAll(relay, events, dryRuns, retention));
        await _witness.StopAsync();
        if (first != stopped)
        {
            await first;
        }
    }

    public void Dispose() => _witness.Dispose();

    private static Task Quietly(Task task) =>
        task.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    private void Ended(JobEntry entry)
    {
        _journal.Ended(entry.Id);
        if (_entries.TryRemove(entry.Id, out _))
        {
            entry.Dispose();
        }
    }

    private async Task ListenAsync(CancellationToken cancellationToken)
    {
        await foreach (RelayEvent message in _relay.Events.ReadAllAsync(cancellationToken))
        {
            switch (message)
            {
                case RegisteredEvent registered:
                    await OnRegisteredAsync(registered, cancellationToken);
                    break;
                case DisconnectedEvent lost:
                    _log.Disconnected(lost.Reason, lost.RetryIn);
                    _progress.Disconnected(lost.Reason, lost.RetryIn);
                    break;
                case OfferEvent offer:
                    await OnOfferAsync(offer, cancellationToken);
                    break;
                case StartEvent start:
                    await OnStartAsync(start, cancellationToken);
                    break;
                case PreflightEvent preflight:
                    _dryRuns.Take(preflight);
                    break;
                case CheckpointEvent checkpoint:
                    _witness.Take(checkpoint);
                    break;
                case EndEvent end:
                    await OnEndAsync(end.End, cancellationToken);
                    break;
            }
        }
    }

    private void EndOnBreach(string job, VertFedException breach)
    {
        if (_entries.TryGetValue(job, out JobEntry? entry))
        {
            entry.EndOnBreach(breach);
        }
    }

    private async Task OnRegisteredAsync(RegisteredEvent registered, CancellationToken cancellationToken)
    {
        _log.Registered(registered.CoordinatorVersion, registered.RunningJobs.Count);
        if (!_wasReady)
        {
            _wasReady = true;
            _progress.Ready(_config.Name, SoftwareVersion.Current);
        }
        else
        {
            _progress.Connected();
        }

        foreach (JobEntry entry in _entries.Values)
        {
            _worker.SayHeld(entry);
        }

        foreach (string job in registered.RunningJobs.Where(job => !_entries.ContainsKey(job)))
        {
            await ResumeAsync(job, cancellationToken);
        }
    }

    /// <summary>A job that the coordinator holds as running and this run of the node has not seen yet.</summary>
    private async Task ResumeAsync(string job, CancellationToken cancellationToken)
    {
        if (!await TakeUpAsync(job, cancellationToken))
        {
            // What has come of its envelopes goes with it.
            _relay.Close(job);
        }
    }

    /// <returns>False: nothing of it runs here.</returns>
    private async Task<bool> TakeUpAsync(string job, CancellationToken cancellationToken)
    {
        if (_isDraining)
        {
            _log.OfferLeft(job);
            return false;
        }

        PartyJob? known = EnvelopeCodec.IsJobId(job) ? await _store.FindJobAsync(job, cancellationToken) : null;
        if (known is null)
        {
            // Nothing to run and no attempt to answer for: the coordinator's deadline ends the job.
            _log.UnknownRunningJob(job);
            return false;
        }

        if (await _store.ReadResultAsync(job, known.Attempt, cancellationToken) is { } result)
        {
            _relay.SendOutcome(JobOutcome.Parser.ParseFrom(result.Outcome));
            return false;
        }

        if (known.State is not (JobState.Offered or JobState.Running))
        {
            // It was refused here or has ended here, whatever the coordinator says: the word on it is said again, and nothing runs.
            _log.NotResumed(job);
            _relay.SendOutcome(Offers.LastWord(known, _config.Name));
            return false;
        }

        try
        {
            return await GoOnAsync(known, cancellationToken);
        }
        catch (Exception error) when (error is InvalidProtocolBufferException or VertFedException { Code: not ErrorCode.Storage })
        {
            // This version of the node cannot take it for what it was; the other jobs, and the node's next start, are none the worse for it.
            JobFault fault = JobFault.From(error, _config.Name);
            await _store.SetStateAsync(job, JobState.Failed, fault.Error, _time.GetUtcNow().ToUnixTimeMilliseconds(), cancellationToken);
            _relay.SendOutcome(new JobOutcome { Job = job, Attempt = known.Attempt, State = JobState.Failed, Error = fault.Shared });
            string status = ReportWriter.StatusName(JobState.Failed);
            _log.Ended(job, status, fault.Error);
            _progress.JobEnded(job, status, fault.Error);
            return false;
        }
    }

    /// <summary>Queues a job that the store has as open.</summary>
    /// <returns>False: the operator has not approved it.</returns>
    private async Task<bool> GoOnAsync(PartyJob known, CancellationToken cancellationToken)
    {
        SignedJob signed = SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(known.SignedSpec));
        if (known.State == JobState.Offered && !await IsApprovedAsync(signed, known, cancellationToken))
        {
            _log.NotResumed(known.Job);
            return false;
        }

        _log.Resuming(known.Job, known.Attempt);
        Enqueue(new JobEntry(signed, known.Attempt, isResumed: true)
        {
            HasRun = known.State == JobState.Running,
            Facts = await FactsAsync(signed, cancellationToken),
        });
        return true;
    }

    /// <summary>Whether an offered job that an earlier run of this node knew is one that the operator need not be asked about, or has approved.</summary>
    private async Task<bool> IsApprovedAsync(SignedJob job, PartyJob known, CancellationToken cancellationToken)
    {
        bool asks = known.HeldUnixMs > 0
            || _config.Policy.AsksOperator(job.Specification, job.Submitter.Fingerprint, _preflight.PeerOf(job));
        return !asks || await _store.FindDecisionAsync(known.Job, known.Attempt, cancellationToken) is { IsApproved: true };
    }

    private async Task OnStartAsync(StartEvent start, CancellationToken cancellationToken)
    {
        if (!_entries.TryGetValue(start.Job, out JobEntry? entry))
        {
            // Accepted by an earlier run of this node, and started only now that the peer has accepted too.
            await ResumeAsync(start.Job, cancellationToken);
            _entries.TryGetValue(start.Job, out entry);
        }

        if (entry is not null && entry.Attempt == start.Attempt)
        {
            entry.Start(start.StartedUnixMs);
        }
    }

    private async Task OnOfferAsync(OfferEvent offer, CancellationToken cancellationToken)
    {
        SignedJob job;
        try
        {
            job = SignedJob.Verify(offer.Job);
            if (offer.Attempt == 0)
            {
                throw new VertFedException(ErrorCode.ProtocolViolation, "the attempts of a job count from 1");
            }
        }
        catch (VertFedException error)
        {
            _log.OfferUnreadable(error.Message);
            if (Offers.RefusalOfUnreadable(offer, error, _config.Name) is { } answer)
            {
                _relay.Answer(answer);
            }

            return;
        }

        string id = job.Specification.Job;
        if (_entries.ContainsKey(id))
        {
            _log.OfferRepeated(id);
            return;
        }

        if (_isDraining)
        {
            _log.OfferLeft(id);
            return;
        }

        _log.Offered(id, job.Specification.Title);
        JobEntry entry = new(job, offer.Attempt, isResumed: false);
        try
        {
            entry.Facts = await FactsAsync(job, cancellationToken) with { Conflict = Offers.ConflictOf(await _store.FindJobAsync(id, cancellationToken), offer) };
            entry.Preflight = _preflight.OfOffer(job, entry.Facts);
            foreach (RuleFinding warning in entry.Preflight.Findings.Where(finding => finding.Verdict == GuardVerdicts.Warn))
            {
                _log.RuleWarns(id, warning.Rule, warning.Reason);
            }

            RuleFinding.Require(entry.Preflight.Findings, _config.Name);
        }
        catch (VertFedException error) when (error.Code != ErrorCode.Storage)
        {
            await RefuseAsync(entry, JobFault.From(error, _config.Name));
            return;
        }

        if (_entries.Count >= MostOpen)
        {
            await RefuseAsync(entry, JobFault.Make(ErrorCode.Refused, _config.Name, "", $"busy: {MostOpen} jobs are open here"));
            return;
        }

        Enqueue(entry);
    }

    private async Task RefuseAsync(JobEntry entry, JobFault fault)
    {
        await _worker.RefuseAsync(entry, fault);
        entry.Dispose();
    }

    private void Enqueue(JobEntry entry)
    {
        _entries[entry.Id] = entry;
        _lanes.TryEnqueue(entry);
    }

    private async Task<PartyFacts> FactsAsync(SignedJob job, CancellationToken cancellationToken)
    {
        // Jobs on their way to their first run are not in the store's count yet.
        int underWay = _entries.Values.Count(entry => !entry.HasRun);
        int ran = await _store.CountJobsSinceAsync(_time.GetUtcNow().Subtract(Day).ToUnixTimeMilliseconds(), cancellationToken);
        return new PartyFacts(ran + underWay, Conflict: null) { ModelFamily = await Offers.ModelFamilyAsync(_store, job.Specification, cancellationToken) };
    }

    private async Task OnEndAsync(JobEnd end, CancellationToken cancellationToken)
    {
        _log.EndedAtCoordinator(end.Job, end.State);
        if (_entries.TryGetValue(end.Job, out JobEntry? entry))
        {
            entry.EndEarly(end);
            _relay.ForgetIfSaid(end.Job);
            return;
        }

        _relay.Forget(end.Job);
        PartyJob? known = EnvelopeCodec.IsJobId(end.Job) ? await _store.FindJobAsync(end.Job, cancellationToken) : null;
        if (known is { State: JobState.Offered or JobState.Running })
        {
            // It ended while this node was away: the last word is owed, and there is no run to report on.
            JobFault fault = JobFault.From(end, _config.Name);
            await _store.SetStateAsync(end.Job, fault.State, fault.Error, _time.GetUtcNow().ToUnixTimeMilliseconds(), cancellationToken);
            _relay.SendOutcome(new JobOutcome { Job = end.Job, Attempt = known.Attempt, State = fault.State, Error = fault.Shared });
        }
    }
}
