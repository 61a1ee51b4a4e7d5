using System.Collections.Concurrent;
using System.Threading.Channels;
using VertFed.PartyNode.Configuration;
using VertFed.PartyNode.Policies;
using VertFed.PartyNode.Relay;
using VertFed.PartyNode.Sessions;
using VertFed.PartyNode.Witness;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.PartyNode.Hosting;

/// <summary>
/// A running party node. An event loop listens to the coordinator: it checks offers against the policy, starts and ends jobs, and
/// takes up those that were running when the node went down. A worker runs the accepted jobs one after the other. A job that
/// fails ends that job only.
/// </summary>
public sealed class PartyHost : IDisposable
{
    private const int MaxQueued = 64;
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(2);

    private readonly PartyConfig _config;
    private readonly Credential _credential;
    private readonly IPartyStore _store;
    private readonly ProgressWriter _progress;
    private readonly NodeLog _log;
    private readonly TimeProvider _time;
    private readonly RelayClient _relay;
    private readonly JobWorker _worker;
    private readonly WatchedJournal _journal;
    private readonly CheckpointWitness _witness;
    private readonly ConcurrentDictionary<string, JobEntry> _entries = new(StringComparer.Ordinal);
    private readonly Channel<JobEntry> _queue = Channel.CreateBounded<JobEntry>(MaxQueued);
    private bool _wasReady;

    /// <param name="credential">Stays the caller's to dispose, as the checkpoint key and the store do.</param>
    /// <param name="relay">Null: how the configuration says.</param>
    public PartyHost(
        PartyConfig config, Credential credential, CheckpointSigner checkpoints, IPartyStore store, ProgressWriter progress, NodeLog log, TimeProvider time,
        RelayOptions? relay = null)
    {
        (_config, _credential, _store, _progress, _log, _time) = (config, credential, store, progress, log, time);
        relay ??= new RelayOptions { Coordinator = config.Coordinator, CoordinatorFingerprints = config.CoordinatorFingerprints, Party = config.Name };
        _relay = new RelayClient(relay, credential, checkpoints.Key);
        _journal = new WatchedJournal(store);
        _worker = new JobWorker(config, credential.Identity, store, _journal, _relay, progress, log, time);
        _witness = new CheckpointWitness(config, checkpoints, store, _journal, _relay, log, time, EndOnBreach);
    }

    /// <summary>Runs until stopped; then ends open jobs as cancelled, tells the coordinator, and returns.</summary>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Refused"/>: the coordinator does not admit this party.
    /// <see cref="ErrorCode.Storage"/>: the store fails.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        using CancellationTokenSource connection = new();
        Task relay = _relay.RunAsync(connection.Token);
        Task events = ListenAsync(connection.Token);
        Task work = WorkAsync();
        Task retention = new Retention(_store, TimeSpan.FromDays(_config.RetainDays), _time, _log).RunAsync(connection.Token);
        Task stopped = Task.Delay(Timeout.Infinite, stop);
        Task first = await Task.WhenAny(relay, events, work, stopped);
        foreach (JobEntry entry in _entries.Values)
        {
            entry.Stop();
        }

        _queue.Writer.TryComplete();
        await Task.WhenAny(work, Task.Delay(StopPatience, CancellationToken.None));
        if (first == stopped)
        {
            // What is proposed and can be judged at once is co-signed before the node goes.
            await Task.WhenAny(_witness.IdleAsync(), Task.Delay(StopPatience, CancellationToken.None));
            if (!work.IsCompleted)
            {
                AbandonOpenJobs();
            }

            using CancellationTokenSource patience = new(StopPatience);
            await Quietly(_relay.DrainAsync(patience.Token));
        }

        await connection.CancelAsync();
        await Quietly(Task.WhenAll(relay, events, retention));
        await _witness.StopAsync();
        if (first != stopped)
        {
            await first;
        }
    }

    public void Dispose() => _witness.Dispose();

    /// <summary>A computation that does not end in time is left behind; the coordinator hears of the end without a report.</summary>
    private void AbandonOpenJobs()
    {
        foreach (JobEntry entry in _entries.Values)
        {
            JobFault fault = JobFault.Make(ErrorCode.Cancelled, _config.Name, "", JobWorker.StoppedMessage(_config.Name));
            _relay.Close(entry.Id);
            _relay.SendOutcome(new JobOutcome { Job = entry.Id, Attempt = entry.Attempt, State = fault.State, Error = fault.Error });
        }
    }

    private static Task Quietly(Task task) =>
        task.ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    private async Task WorkAsync()
    {
        await foreach (JobEntry entry in _queue.Reader.ReadAllAsync(CancellationToken.None))
        {
            await _worker.RunAsync(entry);
            _journal.Ended(entry.Id);
            if (_entries.TryRemove(entry.Id, out _))
            {
                entry.Dispose();
            }
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

        foreach (string job in registered.RunningJobs.Where(job => !_entries.ContainsKey(job)))
        {
            await ResumeAsync(job, cancellationToken);
        }
    }

    /// <summary>A job that the coordinator holds as running and this run of the node has not seen yet.</summary>
    private async Task ResumeAsync(string job, CancellationToken cancellationToken)
    {
        PartyJob? known = EnvelopeCodec.IsJobId(job) ? await _store.FindJobAsync(job, cancellationToken) : null;
        if (known is null)
        {
            // Nothing to run and no attempt to answer for: the coordinator's deadline ends the job.
            _log.UnknownRunningJob(job);
            return;
        }

        if (await _store.ReadResultAsync(job, known.Attempt, cancellationToken) is { } result)
        {
            _relay.SendOutcome(JobOutcome.Parser.ParseFrom(result.Outcome));
            return;
        }

        _log.Resuming(job, known.Attempt);
        Enqueue(new JobEntry(SignedJob.Verify(SignedJobSpec.Parser.ParseFrom(known.SignedSpec)), known.Attempt, isResumed: true));
    }

    private async Task OnStartAsync(StartEvent start, CancellationToken cancellationToken)
    {
        if (!_entries.TryGetValue(start.Job, out JobEntry? entry))
        {
            // Accepted by an earlier run of this node, and started only now that the peer has accepted too.
            await ResumeAsync(start.Job, cancellationToken);
        }
        else if (entry.Attempt == start.Attempt)
        {
            entry.Start();
        }
    }

    private async Task OnOfferAsync(OfferEvent offer, CancellationToken cancellationToken)
    {
        SignedJob job;
        try
        {
            job = SignedJob.Verify(offer.Job);
        }
        catch (VertFedException error)
        {
            RefuseUnreadable(offer, error);
            return;
        }

        string id = job.Specification.Job;
        if (_entries.ContainsKey(id))
        {
            _log.OfferRepeated(id);
            return;
        }

        _log.Offered(id, job.Specification.Title);
        JobEntry entry = new(job, offer.Attempt, isResumed: false);
        try
        {
            PartyJob? known = await _store.FindJobAsync(id, cancellationToken);
            RequireSame(known, offer);
            JoinRules.Check(new JobProposal(job.Specification, job.Submitter.Fingerprint, _credential.Fingerprint, _config));
        }
        catch (VertFedException error) when (error.Code != ErrorCode.Storage)
        {
            await _worker.RefuseAsync(entry, JobFault.From(error, _config.Name));
            entry.Dispose();
            return;
        }

        if (!Enqueue(entry))
        {
            await _worker.RefuseAsync(entry, JobFault.Make(ErrorCode.Refused, _config.Name, "", $"busy: {MaxQueued} jobs are waiting"));
            entry.Dispose();
        }
    }

    private bool Enqueue(JobEntry entry)
    {
        _entries[entry.Id] = entry;
        if (_queue.Writer.TryWrite(entry))
        {
            return true;
        }

        _entries.TryRemove(entry.Id, out _);
        return false;
    }

    /// <summary>An id stands for one spec and one attempt for ever.</summary>
    private void RequireSame(PartyJob? known, OfferEvent offer)
    {
        if (known is null)
        {
            return;
        }

        SignedJobSpec before = SignedJobSpec.Parser.ParseFrom(known.SignedSpec);
        if (before.Spec != offer.Job.Spec || known.Attempt != offer.Attempt)
        {
            throw new VertFedException(ErrorCode.Refused, "policy rule 'one-spec-per-job': another spec or attempt was offered under this job id before")
            {
                Party = _config.Name,
            };
        }

        if (known.State is not (JobState.Offered or JobState.Running))
        {
            throw new VertFedException(ErrorCode.Refused, "policy rule 'one-spec-per-job': this job has ended here before") { Party = _config.Name };
        }
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
            _relay.SendOutcome(new JobOutcome { Job = end.Job, Attempt = known.Attempt, State = fault.State, Error = fault.Error });
        }
    }

    private void RefuseUnreadable(OfferEvent offer, VertFedException error)
    {
        _log.OfferUnreadable(error.Message);
        try
        {
            JobSpec spec = JobSpec.Parser.ParseFrom(offer.Job.Spec);
            if (EnvelopeCodec.IsJobId(spec.Job))
            {
                JobFault fault = JobFault.From(error, _config.Name);
                _relay.Answer(new JobAnswer { Job = spec.Job, Attempt = offer.Attempt, Accepted = false, Error = fault.Error });
            }
        }
        catch (Google.Protobuf.InvalidProtocolBufferException)
        {
            // Not even a job id to answer for; the line above is in the log.
        }
    }
}
