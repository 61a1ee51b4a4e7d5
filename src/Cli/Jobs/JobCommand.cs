using System.CommandLine;
using VertFed.Cli.Reports;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>`job submit|list|watch|report|cancel`: what an analyst does at the coordinator, over gRPC.</summary>
internal static class JobCommand
{
    public static Command Create(Terminal terminal) => new("job", "Submit, list, watch, cancel jobs and read their reports.")
    {
        CreateSubmit(terminal),
        CreateList(terminal),
        CreateWatch(terminal),
        CreateReport(terminal),
        CreateCancel(terminal),
    };

    private static Command CreateSubmit(Terminal terminal)
    {
        Argument<string> spec = new("SPEC") { Description = "The job specification (YAML)." };
        AccessOptions access = new();
        Option<bool> wait = new("--watch") { Description = "Follow the job to its end; the exit code is the job's." };
        Option<bool> json = CommandLine.Json();
        Command command = new("submit", "Sign a job specification and submit it; prints the job's id.") { spec, wait, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            SignedJobSpec signed = JobFiles.LoadAndSign(result.GetRequiredValue(spec), caller.Identity, out string job);
            using JobClient client = new(caller);
            JobStatus status = await client.SubmitAsync(signed, cancellationToken);
            bool asJson = result.GetValue(json);
            terminal.Output.WriteLine(asJson ? JobStatusText.Json(status) : job);
            return result.GetValue(wait) ? await FollowAsync(client, job, asJson, terminal, cancellationToken) : 0;
        });
        return command;
    }

    private static Command CreateList(Terminal terminal)
    {
        AccessOptions access = new();
        Option<int> limit = Numbers.Between("--limit", "How many of the newest jobs.", 100, 1, 100_000);
        Option<bool> json = CommandLine.Json();
        Command command = new("list", "List jobs, newest first.") { limit, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            using JobClient client = new(caller);
            List<JobStatus> jobs = await ListAsync(client, result.GetValue(limit), cancellationToken);
            if (result.GetValue(json))
            {
                terminal.Output.WriteLine(JobStatusText.Json(jobs));
            }
            else
            {
                terminal.OutputConsole().Write(JobStatusText.Table(jobs));
            }

            return 0;
        });
        return command;
    }

    private static Command CreateWatch(Terminal terminal)
    {
        Argument<string> id = CommandLine.JobId();
        AccessOptions access = new();
        Option<bool> json = CommandLine.Json();
        Command command = new("watch", "Follow a job to its end; the exit code is the job's.") { id, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            using JobClient client = new(caller);
            return await FollowAsync(client, result.GetRequiredValue(id), result.GetValue(json), terminal, cancellationToken);
        });
        return command;
    }

    private static Command CreateReport(Terminal terminal)
    {
        Argument<string> id = CommandLine.JobId();
        AccessOptions access = new();
        Option<string?> output = new("--out") { Description = "Write the report (JSON) to this file besides.", HelpName = "FILE" };
        Option<string?> spec = new("--spec")
        {
            Description = "The submitted job specification: checks that each part is signed by the party it names.",
            HelpName = "FILE",
        };
        Option<bool> json = CommandLine.Json();
        Command command = new("report", "Open the parties' report parts, which are sealed to the submitter, and print them as one.") { id, spec, output, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            using JobClient client = new(caller);
            ReportResponse response = await client.ReportAsync(result.GetRequiredValue(id), cancellationToken);
            JobSpecification? specification = result.GetValue(spec) is { } file ? JobSpecificationYaml.Load(file) : null;
            if (specification is null)
            {
                terminal.Info("Without --spec the parts' signers are not compared with the job's parties.");
            }

            Report report = SealedReports.Open(response, caller.Identity, specification);
            if (result.GetValue(output) is { } path)
            {
                ReportFile.Write(path, report);
            }

            if (result.GetValue(json))
            {
                terminal.Output.Write(ReportFile.Serialise(report));
            }
            else
            {
                ReportText.Write(terminal.OutputConsole(), report);
            }

            return 0;
        });
        return command;
    }

    private static Command CreateCancel(Terminal terminal)
    {
        Argument<string> id = CommandLine.JobId();
        AccessOptions access = new();
        Option<bool> json = CommandLine.Json();
        Command command = new("cancel", "End a job at all parties; only its submitter may.") { id, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            using JobClient client = new(caller);
            string job = result.GetRequiredValue(id);
            JobStatus status = await client.CancelAsync(job, JobFiles.SignCancellation(job, caller.Identity), cancellationToken);
            terminal.Output.WriteLine(result.GetValue(json) ? JobStatusText.Json(status) : JobStatusText.Line(status));
            return 0;
        });
        return command;
    }

    // A change a line: JSON on standard output for programs, words on standard error for people.
    private static async Task<int> FollowAsync(JobClient client, string job, bool json, Terminal terminal, CancellationToken cancellationToken)
    {
        JobStatus last = await client.WatchAsync(job, Show, cancellationToken);
        if (last is { State: JobState.Done, NotCoSigned.Count: > 0 })
        {
            last = await client.SettleAsync(job, cancellationToken);
            Show(last);
        }

        return JobOutcomes.ExitCode(last);

        void Show(JobStatus status)
        {
            if (json)
            {
                terminal.Output.WriteLine(JobStatusText.Json(status));
                terminal.Output.Flush();
            }
            else
            {
                terminal.Info(JobStatusText.Line(status));
            }
        }
    }

    private static async Task<List<JobStatus>> ListAsync(JobClient client, int limit, CancellationToken cancellationToken)
    {
        List<JobStatus> jobs = [];
        string token = "";
        do
        {
            ListJobsResponse page = await client.ListAsync((uint)Math.Min(limit - jobs.Count, 1000), token, cancellationToken);
            jobs.AddRange(page.Jobs);
            token = page.NextPageToken;
        }
        while (token.Length > 0 && jobs.Count < limit);
        return jobs;
    }
}
