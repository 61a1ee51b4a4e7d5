using System.Text;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>From a job specification file to what the coordinator takes: signed bytes.</summary>
internal static class JobFiles
{
    /// <summary>Reads and validates a specification, gives it a job id where it has none, and signs it.</summary>
    /// <param name="clientToken">The caller's name for the request, of which the id is made where there is one; null: it is drawn.</param>
    /// <exception cref="VertFedException"><see cref="ErrorCode.Usage"/>, naming file, line and field.</exception>
    public static SignedJobSpec LoadAndSign(string path, Identity analyst, string? clientToken, out string job)
    {
        JobSpecification specification = JobSpecificationYaml.Load(path, clientToken is { Length: > 0 } ? JobIds.OfRequest(analyst.Public, clientToken) : null);
        job = specification.Job;
        return SignedJob.Create(specification, analyst).Message;
    }

    /// <summary>The submitter's signature over "vertfed/v1/cancel" || job id (ASCII), which a cancellation carries.</summary>
    public static byte[] SignCancellation(string job, Identity analyst) =>
        analyst.Sign([.. "vertfed/v1/cancel"u8, .. Encoding.ASCII.GetBytes(job)]);
}
