using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>A job's status for programs: the fields of V1.JobStatus with words for enums and ISO 8601 times.</summary>
internal sealed record JobStatusView(
    string Job,
    string State,
    string Title,
    string? Submitted,
    string? Ended,
    string Phase,
    string Step,
    uint Round,
    ulong Bytes,
    ulong Envelopes,
    IReadOnlyList<string> Awaited,
    Reports.ReportError? Error,
    string LabelParty,
    string FeatureParty,
    IReadOnlyList<string> NotCoSigned,
    string Kind,
    string Purpose,
    string Submitter,
    string? Started,
    uint QueuePosition,
    uint EtaSeconds,
    IReadOnlyList<string> AwaitingApproval,
    IReadOnlyList<string> Parties,
    uint Rounds)
{
    public static JobStatusView Of(JobStatus status) => new(
        status.Job,
        JobOutcomes.Word(status.State),
        status.Title,
        Time(status.SubmittedUnixMs),
        Time(status.EndedUnixMs),
        JobOutcomes.Name(status.Phase),
        JobOutcomes.Name(status.Step),
        status.Round,
        status.Bytes,
        status.Envelopes,
        [.. status.Awaited],
        status.Error is { } error && (error.Code.Length > 0 || error.Message.Length > 0)
            ? new Reports.ReportError(error.Code, error.Party, error.Step, error.Message)
            : null,
        status.LabelParty,
        status.FeatureParty,
        [.. status.NotCoSigned],
        status.Kind == JobKind.Unspecified ? "" : status.Kind.ToString().ToLowerInvariant(),
        status.Purpose,
        status.Submitter,
        Time(status.StartedUnixMs),
        status.QueuePosition,
        status.EtaSeconds,
        [.. status.AwaitingApproval],
        [.. status.Parties],
        status.Rounds);

    internal static string? Time(long unixMilliseconds) => unixMilliseconds <= 0
        ? null
        : DateTimeOffset.FromUnixTimeMilliseconds(unixMilliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}

internal sealed record JobListView(IReadOnlyList<JobStatusView> Jobs);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(JobStatusView))]
[JsonSerializable(typeof(JobListView))]
internal sealed partial class JobJson : JsonSerializerContext;

/// <summary>Prints statuses: one line of JSON, a table, or a line of progress.</summary>
internal static class JobStatusText
{
    public static string Json(JobStatus status) => JsonSerializer.Serialize(JobStatusView.Of(status), JobJson.Default.JobStatusView);

    public static string Json(IEnumerable<JobStatus> jobs) =>
        JsonSerializer.Serialize(new JobListView([.. jobs.Select(JobStatusView.Of)]), JobJson.Default.JobListView);

    public static Table Table(IEnumerable<JobStatus> jobs)
    {
        Table table = new Table().Border(TableBorder.Simple);
        table.AddColumns("Job", "State", "Submitted (UTC)", "Parties", "At", "MB", "Title");
        foreach (JobStatus job in jobs)
        {
            table.AddRow(
                Markup.Escape(job.Job),
                Markup.Escape(Error.OneLine(JobOutcomes.Describe(job))),
                DateTimeOffset.FromUnixTimeMilliseconds(job.SubmittedUnixMs).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
                Markup.Escape(Error.OneLine(job.Kind == JobKind.Horizontal ? string.Join(", ", job.Parties) : $"{job.LabelParty}, {job.FeatureParty}")),
                Markup.Escape(At(job)),
                (job.Bytes / 1e6).ToString("0.0", CultureInfo.InvariantCulture),
                Markup.Escape(Error.OneLine(job.Title)));
        }

        return table;
    }

    /// <summary>One line for people.</summary>
    public static string Line(JobStatus status)
    {
        string line = string.Create(CultureInfo.InvariantCulture, $"{status.Job}  {JobOutcomes.Describe(status)}");
        if (!JobOutcomes.HasEnded(status.State))
        {
            if (At(status).Length > 0)
            {
                line += "  " + At(status);
            }

            line += Waiting(status);
        }

        if (status.Kind == JobKind.Horizontal)
        {
            line += status.Bytes < 1e6
                ? string.Create(CultureInfo.InvariantCulture, $"  {status.Bytes / 1e3:0.0} kB")
                : string.Create(CultureInfo.InvariantCulture, $"  {status.Bytes / 1e6:0.0} MB");
            return Error.OneLine(status.Error is { Message.Length: > 0 } fault ? $"{line}  {Describe(fault)}" : line);
        }

        line += string.Create(CultureInfo.InvariantCulture, $"  {status.Bytes / 1e6:0.0} MB in {status.Envelopes} envelopes");
        return Error.OneLine(status.Error is { Message.Length: > 0 } error ? $"{line}  {Describe(error)}" : line);
    }

    /// <summary>What holds the job up, and for how long it may take; empty where there is nothing to say.</summary>
    private static string Waiting(JobStatus status)
    {
        string line = status.QueuePosition > 0 ? string.Create(CultureInfo.InvariantCulture, $"  place {status.QueuePosition} in the queue") : "";
        string[] others = [.. status.Awaited.Except(status.AwaitingApproval, StringComparer.Ordinal)];
        if (others.Length > 0)
        {
            line += "  waiting for " + string.Join(", ", others);
        }

        if (status.AwaitingApproval.Count > 0)
        {
            line += "  held for approval by " + string.Join(", ", status.AwaitingApproval);
        }

        return status.EtaSeconds > 0 ? line + string.Create(CultureInfo.InvariantCulture, $"  at most about {status.EtaSeconds} s more") : line;
    }

    /// <summary>Who raised an error, where, and its message.</summary>
    public static string Describe(JobError error)
    {
        string where = error.Step.Length > 0 ? $" at {error.Step}" : "";
        return Error.OneLine(error.Party.Length > 0 ? $"{error.Party}{where}: {error.Message}" : error.Message);
    }

    private static string At(JobStatus job)
    {
        if (job.Kind == JobKind.Horizontal)
        {
            return job.Round > 0 ? string.Create(CultureInfo.InvariantCulture, $"round {job.Round} of {job.Rounds}") : "";
        }

        string step = JobOutcomes.Name(job.Step);
        return job.Round > 0 ? string.Create(CultureInfo.InvariantCulture, $"{step} {job.Round}") : step;
    }
}
