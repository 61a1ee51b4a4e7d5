using System.Globalization;
using VertFed.Coordinator.Configuration;
using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Jobs;

/// <summary>
/// Ends jobs whose parties keep everyone waiting, and drops payloads and lines of the access log that are past their keep. A party is waited for while it
/// is away from a queued job, has not answered an offer, or is away from a running job; the job's deadline_seconds are counted from
/// then, and from the coordinator's own start. A party whose operator is asked has the time that it said instead. Where both are connected the parties watch each other (they know whose turn it is); only when
/// nothing at all happened for the deadline and a grace does the coordinator end the job.
/// </summary>
internal sealed class DeadlineMonitor(JobHub hub, CoordinatorConfig config, TimeProvider time, ILogger<DeadlineMonitor> logger) : BackgroundService
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan PrunePeriod = TimeSpan.FromMinutes(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Tick, time);
        long nextPrune = time.GetTimestamp();
        try
        {
            do
            {
                try
                {
                    foreach (LiveJob live in hub.LiveJobs)
                        await CheckAsync(live, stoppingToken);
                    if (time.GetTimestamp() >= nextPrune)
                    {
                        nextPrune = time.GetTimestamp() + (long)(PrunePeriod.TotalSeconds * time.TimestampFrequency);
                        await PruneAsync(stoppingToken);
                    }
                }
                catch (VertFedException exception)
                {
                    // A store that fails now may work at the next tick; each failure is in the log.
                    Log.StoreFailed(logger, nameof(DeadlineMonitor), exception.Message);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host is stopping.
        }
    }

    private async Task CheckAsync(LiveJob live, CancellationToken cancellationToken)
    {
        JobRecord job = live.Record;
        TimeSpan deadline = TimeSpan.FromSeconds(job.DeadlineSeconds);
        foreach (Role role in hub.Awaited(job).ToArray())
        {
            string party = job.PartyName(role);
            long? awaySince = hub.AwaySince(party);
            TimeSpan waited = time.GetElapsedTime(live.LastActivity);
            TimeSpan allowed = deadline;
            LiveJob.Hold? hold = live.HoldOf(role);
            if (hold is { } asked)
            {
                waited = time.GetElapsedTime(asked.Since);
                allowed = asked.Allowed;
            }
            else if (job.State == JobState.Queued)
            {
                // It may have come in the meantime.
                waited = awaySince is { } since ? Shorter(time.GetElapsedTime(since), time.GetElapsedTime(live.KnownSince)) : TimeSpan.Zero;
            }
            else if (job.State == JobState.Running)
            {
                // A party that is away is waited for since it left, or since the job began to need it.
                if (awaySince is { } since)
                    waited = Shorter(time.GetElapsedTime(since), time.GetElapsedTime(live.RunningSince));
                else
                    allowed += Grace;
            }
            else
            {
                waited = time.GetElapsedTime(live.OfferedSince);
            }

            if (waited < allowed)
                continue;
            string step = hold is null ? await AwaitedStepAsync(job, role, cancellationToken) : "approval";
            string where = awaySince is null ? "connected but silent" : "not connected";
            await hub.ExpireAsync(
                job,
                new JobError
                {
                    Code = nameof(ErrorCode.PeerUnavailable),
                    Party = party,
                    Step = step,
                    Message = string.Create(CultureInfo.InvariantCulture, $"waited {waited.TotalSeconds:0} s for '{party}' at {step}; it is {where}"),
                },
                cancellationToken);
            return;
        }
    }

    private static TimeSpan Shorter(TimeSpan a, TimeSpan b) => a < b ? a : b;

    private async Task<string> AwaitedStepAsync(JobRecord job, Role role, CancellationToken cancellationToken)
    {
        if (job.State == JobState.Queued)
            return "connection";
        if (job.State == JobState.Offered)
            return "answer to the offer";
        StreamPosition position = await hub.Store.FindPositionAsync(job.Job, job.Attempt, role, cancellationToken);
        if (position.NextSequence == 0)
            return nameof(Step.KeyExchange);
        StoredEnvelope last = (await hub.Store.ReadEnvelopesAsync(job.Job, job.Attempt, role, position.NextSequence - 1, 1, cancellationToken))[0];
        if (last.Step == Step.JobClose)
            return "outcome";
        Step[] next = PhaseGrammar.Table.Where(arrow => arrow.Sender == role && arrow.From == last.Step).Select(arrow => arrow.To).Distinct().ToArray();
        return string.Join(" or ", next);
    }

    private async Task PruneAsync(CancellationToken cancellationToken)
    {
        long before = time.GetUtcNow().AddDays(-config.Limits.RetainPayloadDays).ToUnixTimeMilliseconds();
        while (await hub.Store.PrunePayloadsAsync(before, cancellationToken) > 0)
        {
        }

        long logged = time.GetUtcNow().AddDays(-config.Limits.RetainAccessDays).ToUnixTimeMilliseconds();
        while (await hub.Store.PruneAccessAsync(logged, cancellationToken) > 0)
        {
        }
    }
}
