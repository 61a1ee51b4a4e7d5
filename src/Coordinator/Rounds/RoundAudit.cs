using Google.Protobuf;
using Grpc.Core;
using VertFed.Coordinator.Recording;
using VertFed.Coordinator.Security;
using VertFed.Coordinator.Services;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Rounds;

/// <summary>What auditors ask about horizontal jobs, behind the same calls as for the others.</summary>
internal sealed class RoundAudit(ICoordinatorStore store, CoordinatorKeys keys)
{
    /// <summary>The job, if it is a horizontal one that the caller may audit; null where it is no horizontal job.</summary>
    public async Task<RoundJobRecord?> FindAsync(string job, Caller caller, CancellationToken cancellationToken)
    {
        RoundJobRecord? record = EnvelopeCodec.IsJobId(job) ? await store.FindRoundJobAsync(job, cancellationToken) : null;
        return record is null ? null
            : caller.MayAudit(record.Submitter, record.Parties.Select(party => party.Name)) ? record
            : throw GrpcErrors.UnknownJob();
    }

    /// <summary>The same, of a job that has ended.</summary>
    public async Task<RoundJobRecord?> FindEndedAsync(string job, Caller caller, CancellationToken cancellationToken) =>
        await FindAsync(job, caller, cancellationToken) is not { } record ? null
            : record.IsOpen ? throw GrpcErrors.Make(StatusCode.FailedPrecondition, ErrorCode.Usage, "the job is open; its transcript is complete when it has ended")
            : record;

    /// <summary>Jobs that the caller may audit, newest first, and from where the next page goes on; null after the last.</summary>
    /// <param name="limit">Most jobs that are looked at.</param>
    public async Task<(IReadOnlyList<RoundJobRecord> Jobs, long? Before)> ListAsync(Caller caller, int limit, long? before, CancellationToken cancellationToken)
    {
        IReadOnlyList<RoundJobRecord> page = await store.ListRoundJobsAsync(limit, before, cancellationToken);
        return ([.. page.Where(job => caller.MayAudit(job.Submitter, job.Parties.Select(party => party.Name)))], page.Count < limit ? null : page[^1].Ordinal);
    }

    /// <summary>A job's transcript as lists have it; null where nothing was exchanged.</summary>
    public async Task<TranscriptSummary?> SummaryAsync(RoundJobRecord job, CancellationToken cancellationToken)
    {
        (long entries, long bytes) = await store.CountRoundEntriesAsync(job.Job, cancellationToken);
        if (entries == 0)
            return null;
        TranscriptSummary summary = new() { Job = job.Job, Attempt = 1, State = job.State, Entries = (ulong)entries, Bytes = (ulong)bytes, Payloads = Payloads.Hashes };
        summary.NotCoSigned.AddRange(NotCoSigned(job));
        return summary;
    }

    /// <summary>Of a job that is done, the parties that have not co-signed its record.</summary>
    public static IEnumerable<string> NotCoSigned(RoundJobRecord job) =>
        job.State == JobState.Done ? job.Parties.Where(party => !party.CoSigned).Select(party => party.Name) : [];

    public async Task EntriesAsync(RoundJobRecord job, EntriesRequest request, IServerStreamWriter<TranscriptEntry> output, CancellationToken cancellationToken)
    {
        ulong index = 0;
        ulong end = request.Limit == 0 ? ulong.MaxValue : request.First + Math.Min(request.Limit, ulong.MaxValue - request.First);
        await foreach (RoundEntry entry in RoundTree.EntriesAsync(store, job.Job, cancellationToken))
        {
            if (index >= end)
                return;
            if (index++ >= request.First)
            {
                await output.WriteAsync(
                    new TranscriptEntry { Core = UnsafeByteOperations.UnsafeWrap(entry.Core), Attestation = UnsafeByteOperations.UnsafeWrap(entry.Attestation) }, cancellationToken);
            }
        }
    }

    public async Task<CheckpointsResponse> CheckpointsAsync(RoundJobRecord job, CancellationToken cancellationToken)
    {
        CheckpointsResponse response = new();
        foreach (StoredRoundHead head in await store.ReadRoundHeadsAsync(job.Job, cancellationToken))
            response.Checkpoints.Add(new TranscriptCheckpoint { Note = UnsafeByteOperations.UnsafeWrap(RoundExport.Note(job, head)) });
        return response;
    }

    /// <summary>The leaf hashes of the tree of this size, which must be a checkpoint's.</summary>
    public async Task<List<byte[]>> LeavesAsync(RoundJobRecord job, ulong size, string field, CancellationToken cancellationToken)
    {
        if ((await store.ReadRoundHeadsAsync(job.Job, cancellationToken)).All(head => (ulong)head.Head.Size != size))
            throw new VertFedException(ErrorCode.Usage, $"{field} is not the size of one of the job's checkpoints");
        List<byte[]> leaves = [];
        await foreach (RoundEntry entry in RoundTree.EntriesAsync(store, job.Job, cancellationToken))
        {
            if ((ulong)leaves.Count == size)
                break;
            leaves.Add(MerkleTree.HashLeaf(entry.Core));
        }

        return leaves;
    }

    /// <summary>Writes the file.</summary>
    public async Task ExportAsync(RoundJobRecord job, Stream output, CancellationToken cancellationToken)
    {
        if ((await store.CountRoundEntriesAsync(job.Job, cancellationToken)).Entries == 0)
            throw GrpcErrors.Make(StatusCode.FailedPrecondition, ErrorCode.Usage, "nothing was exchanged in this job: it has no transcript");
        await new RoundExport(store, keys.Credential.Identity, keys.Checkpoints).WriteAsync(job, output, cancellationToken);
    }
}
