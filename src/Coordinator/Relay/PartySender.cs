using System.Collections.Concurrent;
using System.Threading.Channels;
using Google.Protobuf;
using Grpc.Core;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Recording;
using VertFed.Coordinator.Rounds;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Relay;

/// <summary>
/// Everything that goes to one party: acknowledgements first, then what the jobs ask for (offers, starts, ends, checkpoints), then envelopes, one
/// at a time and job by job in turn. What to say is worked out from the store whenever a job changed, so a reconnect or a
/// restart needs no memory. The one writer of the stream; an envelope's chunks are never interrupted.
/// </summary>
internal sealed class PartySender(
    string party, PartyKeys keys, JobHub hub, RoundHub rounds, IServerStreamWriter<CoordinatorFrame> writer, TimeProvider time, ILogger logger)
{
    /// <summary>Envelopes of a job that may be on their way without an acknowledgement.</summary>
    private const int WindowEnvelopes = 16;
    private const long WindowBytes = 32L * 1024 * 1024;
    private const int MaxAcknowledgements = 64;
    private const int MaxPreflights = 16;
    private static readonly TimeSpan EndKept = CheckpointKeeper.Kept;

    private readonly Channel<EnvelopeRef> _acknowledgements =
        Channel.CreateBounded<EnvelopeRef>(new BoundedChannelOptions(MaxAcknowledgements) { SingleReader = true });

    private readonly Channel<bool> _wake =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    private readonly ConcurrentDictionary<string, bool> _changed = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, JobView> _views = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _endAsked = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> _proposals = new(StringComparer.Ordinal);
    private readonly Channel<PreflightRequest> _preflights = Channel.CreateBounded<PreflightRequest>(
        new BoundedChannelOptions(MaxPreflights) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });

    private readonly RoundOutbox _rounds = new();
    private readonly HashSet<(string Job, Phase Phase)> _proposed = [];
    private readonly Queue<string> _turns = new();

    /// <summary>Questions that wait to be sent.</summary>
    public int Questions => _preflights.Reader.Count;

    public void JobChanged(string job)
    {
        _changed[job] = true;
        _wake.Writer.TryWrite(true);
    }

    public void CheckpointsChanged(string job)
    {
        _proposals[job] = true;
        _wake.Writer.TryWrite(true);
    }

    /// <summary>Tells the party of a job's end, also if this connection never spoke of that job.</summary>
    public void RepeatEnd(string job)
    {
        _endAsked[job] = true;
        JobChanged(job);
    }

    /// <summary>Sends a question about a job. A party that does not read is left the newest 16: nobody waits for answers to older ones any more.</summary>
    public void AskPreflight(PreflightRequest request)
    {
        _preflights.Writer.TryWrite(request);
        _wake.Writer.TryWrite(true);
    }

    /// <summary>Sends a frame of a horizontal job after those before it.</summary>
    public void Send(CoordinatorFrame frame)
    {
        _rounds.Add(frame);
        _wake.Writer.TryWrite(true);
    }

    public async ValueTask AcknowledgeAsync(EnvelopeRef reference, CancellationToken cancellationToken)
    {
        await _acknowledgements.Writer.WriteAsync(reference, cancellationToken);
        _wake.Writer.TryWrite(true);
    }

    /// <summary>Whether an envelope went out on this connection or was acknowledged on an earlier one.</summary>
    public bool WasSent(string job, long sequence) =>
        // A job that has ended has no view any more; a late acknowledgement of it does no harm.
        !_views.TryGetValue(job, out JobView? view) || sequence < view.SentBelow;

    /// <summary>Whether an acknowledgement of this envelope would be the first on this connection.</summary>
    public bool Awaits(string job, long sequence) => _views.TryGetValue(job, out JobView? view) && sequence >= view.Acknowledged;

    public void Acknowledged(string job, long sequence)
    {
        if (_views.TryGetValue(job, out JobView? view))
        {
            view.Acknowledge(sequence);
            JobChanged(job);
        }
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<JobRecord> mine = await hub.Store.ListOpenJobsAsync(party, cancellationToken);
        long since = time.GetUtcNow().Subtract(EndKept).ToUnixTimeMilliseconds();
        IReadOnlyList<JobRecord> ended = await hub.Store.ListEndedWithoutWordAsync(party, since, cancellationToken);
        foreach (string job in await hub.Store.ListUnansweredAsync(party, since, cancellationToken))
            _proposals[job] = true;
        var registered = new Registered();
        registered.RunningJobs.AddRange(mine.Where(job => job.State == JobState.Running).Select(job => job.Job));
        registered.RunningJobs.AddRange(rounds.RunningOf(party));
        await writer.WriteAsync(new CoordinatorFrame { Registered = registered }, cancellationToken);
        foreach (JobRecord job in ended)
            await SendEndAsync(job, cancellationToken);
        foreach (JobRecord job in mine)
            _changed[job.Job] = true;

        while (true)
        {
            while (_acknowledgements.Reader.TryRead(out EnvelopeRef? reference))
                await writer.WriteAsync(new CoordinatorFrame { Deposited = reference }, cancellationToken);
            while (_preflights.Reader.TryRead(out PreflightRequest? question))
                await writer.WriteAsync(new CoordinatorFrame { Preflight = question }, cancellationToken);
            while (_rounds.TryTake(out CoordinatorFrame? frame))
                await writer.WriteAsync(frame, cancellationToken);
            foreach (string job in _changed.Keys)
            {
                // Removed first: a change that comes while it is looked at is looked at again.
                _changed.TryRemove(job, out _);
                await LookAsync(job, cancellationToken);
            }

            foreach (string job in _proposals.Keys)
            {
                _proposals.TryRemove(job, out _);
                await ProposeAsync(job, cancellationToken);
            }

            if (!await SendNextAsync(cancellationToken))
                await _wake.Reader.ReadAsync(cancellationToken);
        }
    }

    private async Task LookAsync(string jobId, CancellationToken cancellationToken)
    {
        JobRecord? job = await hub.Store.FindJobAsync(jobId, cancellationToken);
        // A queued job is not yet the party's business.
        if (job is null || job.RoleOf(party) == Role.Unspecified || job.State == JobState.Queued)
            return;
        if (!_views.TryGetValue(jobId, out JobView? view))
        {
            if (!job.IsOpen)
            {
                if (_endAsked.TryRemove(jobId, out _))
                    await SendEndAsync(job, cancellationToken);
                return;
            }

            _views[jobId] = view = new JobView(jobId, job.Attempt, job.RoleOf(party));
            _turns.Enqueue(jobId);
        }

        view.IsRunning = job.State == JobState.Running;
        switch (job.State)
        {
            case JobState.Offered:
                if (!view.OfferSent && job.AnswerOf(view.Role) == Answer.None)
                {
                    view.OfferSent = true;
                    await writer.WriteAsync(
                        new CoordinatorFrame { Offer = new JobOffer { Job = SignedJobSpec.Parser.ParseFrom(job.SignedSpec), Attempt = job.Attempt } }, cancellationToken);
                }

                break;
            case JobState.Running:
                if (!view.StartSent)
                {
                    view.StartSent = true;
                    await writer.WriteAsync(new CoordinatorFrame { Start = new JobStart { Job = jobId, Attempt = job.Attempt, StartedUnixMs = job.StartedUnixMs } }, cancellationToken);
                }

                await RefillAsync(view, cancellationToken);
                break;
            default:
                _views.TryRemove(jobId, out _);
                _endAsked.TryRemove(jobId, out _);
                await SendEndAsync(job, cancellationToken);
                break;
        }
    }

    private async Task RefillAsync(JobView view, CancellationToken cancellationToken)
    {
        while (view.InFlight.TryPeek(out StoredEnvelope? oldest) && oldest.Key.Sequence < view.Acknowledged)
            view.InFlightBytes -= view.InFlight.Dequeue().PayloadSize;
        if (view.Pending.Count > 0)
            return;
        if (view.Cursor < 0)
        {
            // The first look of this connection: all that was not acknowledged goes out again.
            StreamPosition position = await hub.Store.FindPositionAsync(view.Job, view.Attempt, view.Peer, cancellationToken);
            view.Cursor = position.NextToDeliver;
            view.SentBelow = position.NextToDeliver;
            view.Acknowledge(position.NextToDeliver - 1);
        }

        foreach (StoredEnvelope envelope in await hub.Store.ReadEnvelopesAsync(view.Job, view.Attempt, view.Peer, view.Cursor, WindowEnvelopes, cancellationToken))
        {
            view.Pending.Enqueue(envelope);
            view.Cursor = envelope.Key.Sequence + 1;
        }
    }

    /// <summary>Sends one envelope of the job whose turn it is.</summary>
    /// <returns>False where none is ready.</returns>
    private async Task<bool> SendNextAsync(CancellationToken cancellationToken)
    {
        for (int i = _turns.Count; i > 0; i--)
        {
            string job = _turns.Dequeue();
            if (!_views.TryGetValue(job, out JobView? view))
                continue;
            _turns.Enqueue(job);
            bool hasRoom = view.InFlight.Count < WindowEnvelopes && view.InFlightBytes < WindowBytes;
            if (!view.IsRunning || !hasRoom || !view.Pending.TryDequeue(out StoredEnvelope? envelope))
                continue;
            view.InFlight.Enqueue(envelope);
            view.InFlightBytes += envelope.PayloadSize;
            view.SentBelow = envelope.Key.Sequence + 1;
            await SendEnvelopeAsync(envelope, cancellationToken);
            if (view.Pending.Count == 0)
                _changed[job] = true;
            return true;
        }

        return false;
    }

    /// <summary>Proposes the checkpoints that this party has not answered and that were not proposed on this connection, in order.</summary>
    private async Task ProposeAsync(string jobId, CancellationToken cancellationToken)
    {
        JobRecord? job = await hub.Store.FindJobAsync(jobId, cancellationToken);
        if (job is null || job.RoleOf(party) is var role && role == Role.Unspecified)
            return;
        if (await hub.Store.FindKeyAsync(jobId, job.Attempt, role, cancellationToken) is not { } known || !known.AsSpan().SequenceEqual(keys.For(job).CheckpointKey))
        {
            Log.OtherCheckpointKey(logger, jobId, party);
            return;
        }

        foreach (StoredCheckpoint stored in await hub.Store.ReadCheckpointsAsync(jobId, job.Attempt, cancellationToken))
        {
            NewCheckpoint checkpoint = stored.Checkpoint;
            if (stored.WordOf(role) is not null || !_proposed.Add((jobId, checkpoint.Phase)))
                continue;
            var proposal = new CheckpointProposal
            {
                Job = jobId, Attempt = job.Attempt, Phase = checkpoint.Phase, Note = UnsafeByteOperations.UnsafeWrap(checkpoint.Note),
            };
            proposal.ConsistencyProof.AddRange(checkpoint.ConsistencyProof.Chunk(MerkleTree.HashBytes).Select(hash => UnsafeByteOperations.UnsafeWrap(hash)));
            await writer.WriteAsync(new CoordinatorFrame { Checkpoint = proposal }, cancellationToken);
        }
    }

    private async Task SendEnvelopeAsync(StoredEnvelope envelope, CancellationToken cancellationToken)
    {
        hub.Telemetry.HandedOn(envelope);
        await writer.WriteAsync(
            new CoordinatorFrame
            {
                Begin = new EnvelopeBegin
                {
                    Core = UnsafeByteOperations.UnsafeWrap(envelope.Core),
                    Attestation = UnsafeByteOperations.UnsafeWrap(envelope.Attestation),
                },
            },
            cancellationToken);
        for (int part = 0; part < envelope.Parts; part++)
        {
            byte[] data = await hub.Store.ReadPayloadPartAsync(envelope.Key, part, cancellationToken);
            await writer.WriteAsync(new CoordinatorFrame { Chunk = new PayloadChunk { Data = UnsafeByteOperations.UnsafeWrap(data) } }, cancellationToken);
        }
    }

    private Task SendEndAsync(JobRecord job, CancellationToken cancellationToken) =>
        writer.WriteAsync(new CoordinatorFrame { End = new JobEnd { Job = job.Job, State = job.State, Error = job.Error } }, cancellationToken);
}
