using VertFed.Cli.Audit;
using VertFed.Cli.Jobs;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Demo;

/// <summary>Fetches the demo's transcript once the parties have co-signed it.</summary>
internal static class DemoTranscript
{
    /// <summary>Waits for the last co-signatures and exports the file, with or without them.</summary>
    /// <returns>The job's last status.</returns>
    /// <exception cref="VertFedException">The coordinator cannot be asked, or the file cannot be written.</exception>
    public static async Task<JobStatus> ExportAsync(JobClient jobs, CoordinatorAccess access, string job, string path, CancellationToken cancellationToken)
    {
        JobStatus status = await jobs.SettleAsync(job, cancellationToken);
        using AuditClient audit = new(access);
        await audit.ExportAsync(job, path, _ => { }, cancellationToken);
        return status;
    }
}
