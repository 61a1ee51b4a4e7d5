using VertFed.Cli.Audit;
using VertFed.Cli.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Demo;

/// <summary>Fetches the demo's transcript once the parties have co-signed it.</summary>
internal static class DemoTranscript
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Waits for the last co-signatures, which come within moments of the job's end, and exports the file with or without them.</summary>
    /// <returns>The job's status as of the export.</returns>
    /// <exception cref="VertFedException">The coordinator cannot be asked, or the file cannot be written.</exception>
    public static async Task<JobStatus> ExportAsync(JobClient jobs, Uri address, string job, string path, CancellationToken cancellationToken)
    {
        long start = TimeProvider.System.GetTimestamp();
        JobStatus status = await jobs.GetAsync(job, cancellationToken);
        while (status is { State: JobState.Done, NotCoSigned.Count: > 0 } && TimeProvider.System.GetElapsedTime(start) < s_patience)
        {
            await Task.Delay(s_pause, cancellationToken);
            status = await jobs.GetAsync(job, cancellationToken);
        }

        using AuditClient audit = new(address);
        await audit.ExportAsync(job, path, _ => { }, cancellationToken);
        return status;
    }
}
