using Google.Protobuf;
using Grpc.Core;
using VertFed.Coordinator.Jobs;
using VertFed.Coordinator.Recording;
using VertFed.Coordinator.Rounds;
using VertFed.Coordinator.Security;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Services;

/// <summary>What auditors call, and a job's submitter and parties. What is read proves itself by its signatures; who may read is decided
/// all the same. Calls that read a whole job share the places of the watchers.</summary>
internal sealed class AuditEndpoint(JobHub hub, RoundAudit rounds, CoordinatorKeys keys, WatchGate watchers, IHostApplicationLifetime lifetime) : AuditService.AuditServiceBase
{
    private const int DefaultLines = 100;
    private const int MostLines = 1000;

    public override async Task<ListTranscriptsResponse> List(ListTranscriptsRequest request, ServerCallContext context)
    {
        Caller caller = Caller.Of(context);
        MergedPage page = await MergedPage.ReadAsync(
            request.PageSize,
            request.PageToken,
            (size, before) => JobPages.VerticalAsync(hub, size, before, new JobFilter { Sight = caller.AuditSight }, context.CancellationToken),
            (size, before) => rounds.ListAsync(caller, size, before, context.CancellationToken));
        IReadOnlyDictionary<long, Phase> checkpoints = await hub.Store.LastCheckpointsAsync(
            [.. page.Jobs.Select(job => job.Vertical).OfType<JobRecord>().Select(job => job.Ordinal)], context.CancellationToken);
        var response = new ListTranscriptsResponse { NextPageToken = page.NextToken };
        foreach ((JobRecord? vertical, RoundJobRecord? horizontal) in page.Jobs)
        {
            if (horizontal is not null && await rounds.SummaryAsync(horizontal, context.CancellationToken) is { } rounded)
                response.Transcripts.Add(rounded);
            if (vertical is not { HasTranscript: true } job)
                continue;
            var summary = new TranscriptSummary
            {
                Job = job.Job, Attempt = job.Attempt, State = job.State, Entries = (ulong)job.Envelopes, Bytes = (ulong)job.Bytes, Payloads = job.Payloads,
                Checkpoint = checkpoints.GetValueOrDefault(job.Ordinal),
            };
            summary.NotCoSigned.AddRange(StatusMapper.NotCoSigned(job));
            response.Transcripts.Add(summary);
        }

        return response;
    }

    public override async Task Entries(EntriesRequest request, IServerStreamWriter<TranscriptEntry> responseStream, ServerCallContext context)
    {
        using IDisposable place = watchers.Enter(Caller.Of(context));
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        if (await rounds.FindEndedAsync(request.Job, Caller.Of(context), ending.Token) is { } horizontal)
        {
            await Caller.Of(context).AllowedAsync(horizontal.Job);
            await rounds.EntriesAsync(horizontal, request, responseStream, ending.Token);
            return;
        }

        JobRecord job = await FindEndedAsync(request.Job, Caller.Of(context), ending.Token);
        await Caller.Of(context).AllowedAsync(job.Job);
        if (request.First >= (ulong)job.Envelopes)
            return;
        EntryPlace? after = request.First == 0
            ? null
            : EntryPlace.Of((await hub.Store.FindEntryAsync(job.Job, job.Attempt, (long)request.First - 1, ending.Token))!);
        ulong left = request.Limit == 0 ? ulong.MaxValue : request.Limit;
        await foreach (StoredEnvelope entry in TranscriptTree.EntriesAsync(hub.Store, job.Job, job.Attempt, Phase.Close, after, ending.Token))
        {
            if (left-- == 0)
                return;
            await responseStream.WriteAsync(
                new TranscriptEntry { Core = UnsafeByteOperations.UnsafeWrap(entry.Core), Attestation = UnsafeByteOperations.UnsafeWrap(entry.Attestation) },
                ending.Token);
        }
    }

    public override async Task<CheckpointsResponse> Checkpoints(TranscriptRequest request, ServerCallContext context)
    {
        if (await rounds.FindAsync(request.Job, Caller.Of(context), context.CancellationToken) is { } horizontal)
            return await rounds.CheckpointsAsync(horizontal, context.CancellationToken);
        JobRecord job = await FindAsync(request.Job, Caller.Of(context), context.CancellationToken);
        return new CheckpointsResponse { Checkpoints = { await TranscriptExport.CheckpointsAsync(hub.Store, job, context.CancellationToken) } };
    }

    public override async Task<ProofResponse> InclusionProof(InclusionProofRequest request, ServerCallContext context)
    {
        using IDisposable place = watchers.Enter(Caller.Of(context));
        if (request.Index >= request.TreeSize)
            throw new VertFedException(ErrorCode.Usage, "index is not below tree_size");
        if (await rounds.FindAsync(request.Job, Caller.Of(context), context.CancellationToken) is { } horizontal)
        {
            List<byte[]> all = await rounds.LeavesAsync(horizontal, request.TreeSize, "tree_size", context.CancellationToken);
            return ToResponse(MerkleProofs.Inclusion(all, (long)request.Index, (long)request.TreeSize));
        }

        JobRecord job = await FindAsync(request.Job, Caller.Of(context), context.CancellationToken);
        Phase last = await PhaseOfAsync(job, request.TreeSize, "tree_size", context.CancellationToken);
        List<byte[]> leaves = await TranscriptTree.LeavesAsync(hub.Store, job.Job, job.Attempt, last, context.CancellationToken);
        return ToResponse(MerkleProofs.Inclusion(leaves, (long)request.Index, (long)request.TreeSize));
    }

    public override async Task<ProofResponse> ConsistencyProof(ConsistencyProofRequest request, ServerCallContext context)
    {
        using IDisposable place = watchers.Enter(Caller.Of(context));
        if (request.OldSize > request.NewSize)
            throw new VertFedException(ErrorCode.Usage, "old_size is above new_size");
        if (await rounds.FindAsync(request.Job, Caller.Of(context), context.CancellationToken) is { } horizontal)
        {
            _ = await rounds.LeavesAsync(horizontal, request.OldSize, "old_size", context.CancellationToken);
            List<byte[]> all = await rounds.LeavesAsync(horizontal, request.NewSize, "new_size", context.CancellationToken);
            return ToResponse(MerkleProofs.Consistency(all, (long)request.OldSize, (long)request.NewSize));
        }

        JobRecord job = await FindAsync(request.Job, Caller.Of(context), context.CancellationToken);
        _ = await PhaseOfAsync(job, request.OldSize, "old_size", context.CancellationToken);
        Phase last = await PhaseOfAsync(job, request.NewSize, "new_size", context.CancellationToken);
        List<byte[]> leaves = await TranscriptTree.LeavesAsync(hub.Store, job.Job, job.Attempt, last, context.CancellationToken);
        return ToResponse(MerkleProofs.Consistency(leaves, (long)request.OldSize, (long)request.NewSize));
    }

    public override async Task Export(TranscriptRequest request, IServerStreamWriter<ExportChunk> responseStream, ServerCallContext context)
    {
        using IDisposable place = watchers.Enter(Caller.Of(context));
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        if (await rounds.FindEndedAsync(request.Job, Caller.Of(context), ending.Token) is { } horizontal)
        {
            await Caller.Of(context).AllowedAsync(horizontal.Job);
            await using var chunks = new ExportStream(responseStream);
            await using var file = new BufferedStream(chunks, Limits.MaxChunkBytes);
            await rounds.ExportAsync(horizontal, file, ending.Token);
            return;
        }

        JobRecord job = await FindEndedAsync(request.Job, Caller.Of(context), ending.Token);
        if (job.Envelopes == 0)
            throw GrpcErrors.Make(StatusCode.FailedPrecondition, ErrorCode.Usage, "nothing was exchanged in this job: it has no transcript");
        await Caller.Of(context).AllowedAsync(job.Job);
        await using var pieces = new ExportStream(responseStream);
        await using var buffered = new BufferedStream(pieces, Limits.MaxChunkBytes);
        await new TranscriptExport(hub.Store, keys).WriteAsync(job, buffered, ending.Token);
    }

    public override async Task<AccessResponse> Access(AccessRequest request, ServerCallContext context)
    {
        if (request.Limit > MostLines)
            throw GrpcErrors.BadField("limit", "is at most 1000");
        if (request.First > long.MaxValue)
            throw GrpcErrors.BadField("first", "is out of range");
        int limit = request.Limit == 0 ? DefaultLines : (int)request.Limit;
        var response = new AccessResponse();
        foreach (AccessEntry entry in await hub.Store.ReadAccessAsync(Math.Max(1, (long)request.First), limit, context.CancellationToken))
        {
            response.Lines.Add(new AccessLine
            {
                Ordinal = (ulong)entry.Ordinal, TimeUnixMs = entry.TimeUnixMs, Fingerprint = entry.Fingerprint, Name = entry.Name, Role = entry.Role,
                Call = entry.Call, Job = entry.Job, Allowed = entry.Allowed, Detail = entry.Detail,
            });
        }

        return response;
    }

    private static ProofResponse ToResponse(byte[][] proof) => new() { Hashes = { proof.Select(hash => UnsafeByteOperations.UnsafeWrap(hash)) } };

    /// <summary>The phase whose checkpoint has this size: what lies between checkpoints is not fixed yet.</summary>
    private async Task<Phase> PhaseOfAsync(JobRecord job, ulong size, string field, CancellationToken cancellationToken) =>
        (await hub.Store.ReadCheckpointsAsync(job.Job, job.Attempt, cancellationToken))
            .FirstOrDefault(checkpoint => (ulong)checkpoint.Checkpoint.TreeSize == size)?.Checkpoint.Phase
        ?? throw new VertFedException(ErrorCode.Usage, $"{field} is not the size of one of the job's checkpoints");

    private async Task<JobRecord> FindEndedAsync(string job, Caller caller, CancellationToken cancellationToken)
    {
        JobRecord record = await FindAsync(job, caller, cancellationToken);
        return record.IsOpen
            ? throw GrpcErrors.Make(StatusCode.FailedPrecondition, ErrorCode.Usage, "the job is open; its transcript is complete when it has ended")
            : record;
    }

    private async Task<JobRecord> FindAsync(string job, Caller caller, CancellationToken cancellationToken)
    {
        JobRecord? record = EnvelopeCodec.IsJobId(job) ? await hub.Store.FindJobAsync(job, cancellationToken) : null;
        if (record is null || !caller.MayAudit(record))
            throw GrpcErrors.UnknownJob();
        return record.HasTranscript
            ? record
            : throw GrpcErrors.Make(StatusCode.FailedPrecondition, ErrorCode.Usage, "the job ran under a coordinator that kept no transcripts");
    }
}
