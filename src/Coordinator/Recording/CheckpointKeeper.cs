using Google.Protobuf;
using VertFed.Coordinator.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;
using VertFed.Transcript;

namespace VertFed.Coordinator.Recording;

/// <summary>
/// Signs a checkpoint over all entries up to and including a phase, once both senders have gone beyond it (or have closed). A phase in
/// which nobody sent anything has none. The entries of such a phase can no longer change: a sender's sequence only grows, and
/// its steps only move on to later phases. What a stopped process left undone is made up for at the start.
/// </summary>
internal sealed class CheckpointKeeper(JobHub hub, CheckpointQueue queue, CoordinatorKeys keys, TimeProvider time, ILogger<CheckpointKeeper> logger)
    : BackgroundService
{
    /// <summary>How long after a job's end its checkpoints are still proposed to its parties.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(7);

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private static readonly Phase[] Phases = [Phase.Session, Phase.Align, Phase.Train, Phase.Evaluate, Phase.Close];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (!await TakeUpAsync(stoppingToken))
                await Task.Delay(Retry, time, stoppingToken);
            while (true)
                await KeepAsync(await queue.NextAsync(stoppingToken), stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }

    /// <returns>False where the store failed.</returns>
    private async Task<bool> TakeUpAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (string job in await hub.Store.ListUnclosedAsync(time.GetUtcNow().Subtract(Kept).ToUnixTimeMilliseconds(), cancellationToken))
                queue.Add(job);
            return true;
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            Log.StoreFailed(logger, nameof(CheckpointKeeper), ReasonOf(exception));
            return false;
        }
    }

    /// <summary>An unexpected message is not for a log.</summary>
    private static string ReasonOf(Exception exception) => exception is VertFedException known ? known.Message : $"unexpected {exception.GetType().Name}";

    private async Task KeepAsync(string jobId, CancellationToken cancellationToken)
    {
        try
        {
            if (await hub.Store.FindJobAsync(jobId, cancellationToken) is { HasTranscript: true } job)
                await SignAsync(job, cancellationToken);
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            // A store that fails now may work later, and one job that fails is no reason to sign no other's checkpoints; each failure is in the log.
            Log.StoreFailed(logger, nameof(CheckpointKeeper), ReasonOf(exception));
            await Task.Delay(Retry, time, cancellationToken);
            queue.Add(jobId);
        }
    }

    private async Task SignAsync(JobRecord job, CancellationToken cancellationToken)
    {
        ITranscriptStore store = hub.Store;
        Phase finished = (Phase)Math.Min(
            (int)await FinishedAsync(job, Role.LabelParty, cancellationToken), (int)await FinishedAsync(job, Role.FeatureParty, cancellationToken));
        IReadOnlyList<StoredCheckpoint> known = await store.ReadCheckpointsAsync(job.Job, job.Attempt, cancellationToken);
        if (Phases.Where(phase => phase <= finished).All(phase => known.Any(checkpoint => checkpoint.Checkpoint.Phase == phase)))
            return;

        List<byte[]> leaves = await TranscriptTree.LeavesAsync(store, job.Job, job.Attempt, finished, cancellationToken);
        NewCheckpoint? before = null;
        bool added = false;
        foreach (Phase phase in Phases.Where(phase => phase <= finished))
        {
            NewCheckpoint? checkpoint = known.FirstOrDefault(checkpoint => checkpoint.Checkpoint.Phase == phase)?.Checkpoint;
            if (checkpoint is null)
            {
                long size = await store.CountEntriesAsync(job.Job, job.Attempt, phase, cancellationToken);
                if (size == (before?.TreeSize ?? 0))
                    continue;
                checkpoint = await AddAsync(job, phase, size, leaves, before, cancellationToken);
                added = true;
            }

            before = checkpoint;
        }

        if (added)
            hub.CheckpointsChanged(job);
    }

    private async Task<NewCheckpoint> AddAsync(
        JobRecord job, Phase phase, long size, List<byte[]> leaves, NewCheckpoint? before, CancellationToken cancellationToken)
    {
        var head = new Checkpoint(CheckpointNotes.OriginOf(job.Job, job.Attempt), size, TranscriptTree.Root(leaves, size));
        byte[][] proof = MerkleProofs.Consistency(leaves, before?.TreeSize ?? 0, size);
        var checkpoint = new NewCheckpoint(
            job.Job, job.Attempt, phase, size, CheckpointNotes.Sign(head, keys.Checkpoints), [.. proof.SelectMany(hash => hash)],
            time.GetUtcNow().ToUnixTimeMilliseconds());
        await hub.Store.RecordKeyAsync(job.Job, job.Attempt, Role.Unspecified, keys.Checkpoints.Key.ToByteArray(), cancellationToken);
        Log.Checkpoint(logger, job.Job, phase, size);
        return (await hub.Store.AddCheckpointAsync(checkpoint, cancellationToken)).Checkpoint;
    }

    /// <summary>The last phase that a sender is done with; unspecified: none.</summary>
    private async Task<Phase> FinishedAsync(JobRecord job, Role sender, CancellationToken cancellationToken)
    {
        StreamPosition position = await hub.Store.FindPositionAsync(job.Job, job.Attempt, sender, cancellationToken);
        if (position.NextSequence == 0)
            return Phase.Unspecified;
        StoredEnvelope last = (await hub.Store.ReadEnvelopesAsync(job.Job, job.Attempt, sender, position.NextSequence - 1, 1, cancellationToken))[0];
        return last.Step == Step.JobClose ? Phase.Close : last.Phase - 1;
    }
}
