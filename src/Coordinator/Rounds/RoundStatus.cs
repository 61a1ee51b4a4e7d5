using VertFed.Protocol;
using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Rounds;

/// <summary>A horizontal job as analysts see it.</summary>
internal static class RoundStatus
{
    /// <param name="live">What runs it; null where nothing does.</param>
    public static JobStatus Of(RoundJobRecord job, JobSpecification spec, RoundJob? live, long nowUnixMs)
    {
        JobStatus status = new()
        {
            Job = job.Job,
            State = job.State,
            Title = spec.Title,
            SubmittedUnixMs = job.SubmittedUnixMs,
            StartedUnixMs = job.StartedUnixMs,
            EndedUnixMs = job.EndedUnixMs,
            Round = live?.Round ?? job.Rounds,
            Rounds = (uint)spec.Horizontal!.Rounds,
            Bytes = job.Bytes,
            Kind = JobKind.Horizontal,
            Submitter = job.Submitter,
            Purpose = spec.Purpose,
            Error = job.Error?.Clone(),
        };
        status.NotCoSigned.AddRange(RoundAudit.NotCoSigned(job));
        status.Parties.AddRange(job.Parties.Select(party => party.Name));
        if (job.IsOpen && live is not null)
        {
            status.Awaited.AddRange(live.Awaited);
            status.AwaitingApproval.AddRange(live.Held);
            status.EtaSeconds = Eta(job, spec.Horizontal!, nowUnixMs);
        }

        return status;
    }

    // For all rounds that the spec allows, at the pace so far; the job may converge before.
    private static uint Eta(RoundJobRecord job, HorizontalSpecification spec, long nowUnixMs)
    {
        double done = job.Rounds;
        return done == 0 || job.StartedUnixMs == 0 ? 0 : (uint)Math.Clamp(Math.Ceiling((nowUnixMs - job.StartedUnixMs) / 1000.0 / done * (spec.Rounds - done)), 0, uint.MaxValue);
    }
}
