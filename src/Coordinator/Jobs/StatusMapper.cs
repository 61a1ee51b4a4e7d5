using VertFed.Protocol.V1;
using VertFed.Storage;

namespace VertFed.Coordinator.Jobs;

/// <summary>A job as analysts see it.</summary>
internal static class StatusMapper
{
    public static JobStatus ToStatus(JobRecord job, IEnumerable<string> awaited)
    {
        var status = new JobStatus
        {
            Job = job.Job,
            State = job.State,
            Title = job.Title,
            SubmittedUnixMs = job.SubmittedUnixMs,
            EndedUnixMs = job.EndedUnixMs,
            Phase = job.Phase,
            Step = job.Step,
            Round = job.Round,
            Bytes = (ulong)job.Bytes,
            Envelopes = (ulong)job.Envelopes,
            LabelParty = job.LabelParty,
            FeatureParty = job.FeatureParty,
            Kind = job.Kind,
            Submitter = job.Submitter,
            Purpose = job.Purpose,
            StartedUnixMs = job.StartedUnixMs,
            Error = job.Error?.Clone(),
        };
        status.Awaited.AddRange(awaited);
        status.NotCoSigned.AddRange(NotCoSigned(job));
        return status;
    }

    /// <summary>The parties whose co-signature the closing checkpoint of a job lacks that is done.</summary>
    public static IEnumerable<string> NotCoSigned(JobRecord job) => job.State == JobState.Done
        ? new[] { Role.LabelParty, Role.FeatureParty }.Where(role => !job.IsCoSignedBy(role)).Select(job.PartyName)
        : [];
}
