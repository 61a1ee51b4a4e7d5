using System.CommandLine;
using VertFed.Cli.Reports;
using VertFed.Protocol;
using VertFed.Protocol.V1;

namespace VertFed.Cli.Jobs;

/// <summary>`job submit|check|list|watch|report|cancel|models`: what an analyst does at the coordinator, over gRPC.</summary>
internal static class JobCommand
{
    public static Command Create(Terminal terminal) => new("job", "Submit, check, list, watch, cancel jobs, read their reports and list their models.")
    {
        CreateSubmit(terminal),
        CheckCommand.Create(terminal),
        CreateList(terminal),
        CreateWatch(terminal),
        CreateReport(terminal),
        CreateCancel(terminal),
        ModelsCommand.Create(terminal),
    };

    private static Command CreateSubmit(Terminal terminal)
    {
        Argument<string> spec = new("SPEC") { Description = "The job specification (YAML)." };
        AccessOptions access = new();
        Option<bool> wait = new("--watch") { Description = "Follow the job to its end; the exit code is the job's." };
        Option<bool> json = CommandLine.Json();
        Option<string?> token = new("--client-token")
        {
            Description = "A name for this request: repeating it with the same specification returns the same job.",
            HelpName = "NAME",
        };
        Command command = new("submit", "Sign a job specification and submit it; prints the job's id.") { spec, wait, token, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            SignedJobSpec signed = JobFiles.LoadAndSign(result.GetRequiredValue(spec), caller.Identity, result.GetValue(token), out string job);
            using JobClient client = new(caller);
            JobStatus status = await client.SubmitAsync(signed, result.GetValue(token) ?? "", cancellationToken);
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
        Option<string?> state = new("--state") { Description = "Only jobs in this state.", HelpName = "STATE" };
        state.AcceptOnlyFromAmong("queued", "offered", "running", "done", "failed", "refused", "cancelled");
        Option<string?> party = new("--party") { Description = "Only jobs that this party takes part in.", HelpName = "NAME" };
        Command command = new("list", "List jobs, newest first.") { state, party, limit, json };
        access.AddTo(command);
        command.SetAction(async (result, cancellationToken) =>
        {
            using CoordinatorAccess caller = access.Open(result);
            using JobClient client = new(caller);
            ListJobsRequest conditions = new()
            {
                State = result.GetValue(state) is { } word ? Enum.Parse<JobState>(word, ignoreCase: true) : JobState.Unspecified,
                Party = result.GetValue(party) ?? "",
            };
            List<JobStatus> jobs = await client.ListAsync(conditions, result.GetValue(limit), cancellationToken);
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
            JobSpecification? specification = result.GetValue(spec) is { } yaml ? JobSpecificationYaml.Load(yaml) : null;
            if (specification is null)
            {
                terminal.Info("Without --spec the parts' signers are not compared with the job's parties.");
            }

            if (response.Status?.Kind == JobKind.Horizontal)
            {
                HorizontalReport horizontal = HorizontalParts.Open(response, caller.Identity, specification);
                if (result.GetValue(output) is { } file)
                {
                    ReportFile.WriteText(file, horizontal.Serialise());
                }

                if (result.GetValue(json))
                {
                    terminal.Output.Write(horizontal.Serialise());
                }
                else
                {
                    HorizontalText.Write(terminal.OutputConsole(), horizontal);
                }

                return 0;
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
}
