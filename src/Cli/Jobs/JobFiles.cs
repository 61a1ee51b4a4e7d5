using System.Text;
using VertFed.Horizontal.Service;
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
        RequirePlan(path, specification);
        job = specification.Job;
        return SignedJob.Create(specification, analyst).Message;
    }

    // The coordinator would refuse what these words do not mean, but not by file, and as a message that breaks the protocol.
    private static void RequirePlan(string path, JobSpecification specification)
    {
        if (specification.Horizontal is null)
        {
            return;
        }

        try
        {
            _ = JobPlan.Of(specification);
        }
        catch (VertFedException e) when (e.Code == ErrorCode.ProtocolViolation)
        {
            throw new VertFedException(ErrorCode.Usage, $"{path}: {e.Message}", e);
        }
    }

    /// <summary>The submitter's signature over "vertfed/v1/cancel" || job id (ASCII), which a cancellation carries.</summary>
    public static byte[] SignCancellation(string job, Identity analyst) =>
        analyst.Sign([.. "vertfed/v1/cancel"u8, .. Encoding.ASCII.GetBytes(job)]);
}
