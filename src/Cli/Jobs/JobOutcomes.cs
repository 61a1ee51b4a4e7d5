using VertFed.Cli.Reports;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>What a job's state means to a caller: whether it is over, its word in reports, its exit code.</summary>
internal static class JobOutcomes
{
    public static bool HasEnded(JobState state) =>
        state is JobState.Done or JobState.Failed or JobState.Refused or JobState.Cancelled;

    /// <summary>done, failed, refused, cancelled; queued, offered or running before the end.</summary>
    public static string Word(JobState state) => state switch
    {
        JobState.Queued => "queued",
        JobState.Offered => "offered",
        JobState.Running => "running",
        JobState.Done => ReportStatus.Done,
        JobState.Failed => ReportStatus.Failed,
        JobState.Refused => ReportStatus.Refused,
        JobState.Cancelled => ReportStatus.Cancelled,
        _ => "unknown",
    };

    /// <summary>The state's word; of a job that is done, also whose co-signature of its record is not there.</summary>
    public static string Describe(JobStatus status) => Describe(Word(status.State), status.State == JobState.Done ? status.NotCoSigned : []);

    /// <summary>done, or "complete, not co-signed by" these parties.</summary>
    public static string Describe(string word, IReadOnlyCollection<string> notCoSigned) =>
        notCoSigned.Count == 0 ? word : $"complete, not co-signed by {string.Join(" and ", notCoSigned)}";

    /// <summary>0 when done, 130 when cancelled, else the code that the job's error names.</summary>
    public static int ExitCode(JobStatus status) => status.State switch
    {
        JobState.Done => 0,
        JobState.Cancelled => (int)ErrorCode.Cancelled,
        JobState.Refused => (int)Code(status.Error?.Code, ErrorCode.Refused),
        _ => (int)Code(status.Error?.Code, ErrorCode.Internal),
    };

    /// <summary>The word in a report for a command that ended with this code.</summary>
    public static string Word(ErrorCode code) => code switch
    {
        ErrorCode.Cancelled => ReportStatus.Cancelled,
        ErrorCode.Refused => ReportStatus.Refused,
        _ => ReportStatus.Failed,
    };

    public static ErrorCode Code(string? name, ErrorCode otherwise) =>
        Enum.TryParse(name, ignoreCase: false, out ErrorCode code) && Enum.IsDefined(code) ? code : otherwise;

    /// <summary>The name of a generated enum value as the documents write it: KeyExchange, Align.</summary>
    public static string Name<T>(T value)
        where T : struct, Enum
        => Convert.ToInt32(value, System.Globalization.CultureInfo.InvariantCulture) == 0 ? "" : value.ToString();
}
