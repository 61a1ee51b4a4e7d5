using System.CommandLine;

namespace VertFed.Cli.Hosts;

/// <summary>`party`: runs a party node; its subcommands are what the operator says to the one that runs. All of it is done by the party program.</summary>
internal static class PartyCommand
{
    public static Command Create()
    {
        Command command = HostCommand.Create("party", HostLocator.PartyNode, "Run a party node beside its data; it dials out to the coordinator.");
        Option<bool> held = new("--held") { Description = "Only jobs that wait for approval." };
        command.Add(Forward("jobs", "List the node's jobs, newest first.", takesJob: false, held));
        command.Add(Forward("privacy", "Show what horizontal jobs have cost the privacy of each dataset's rows.", takesJob: false));
        command.Add(Forward("show", "Show a job with what the party's rules say of it.", takesJob: true));
        command.Add(Forward("approve", "Let a job begin that waits for approval.", takesJob: true, Reason("For the record.")));
        command.Add(Forward("refuse", "Refuse a job that waits for approval.", takesJob: true, Reason("For the record and the submitter.")));
        Option<string> dataset = new("--dataset") { Description = "Which data source; default: the one under 'data'.", HelpName = "NAME" };
        Option<bool> rare = new("--show-rare") { Description = "Name levels of fewer than 10 rows too." };
        Option<string> shared = new("--public") { Description = "Print how a job's spec names these public rows, with the columns of the data source.", HelpName = "NAME" };
        command.Add(Forward("profile", "Show what a data source holds: counts, missing values, ranges, levels. Nothing is sent.", takesJob: false, dataset, rare, shared));
        command.Add(Forward("models", "List the party's models, newest first: halves of vertical jobs, and those of horizontal jobs.", takesJob: false));
        command.Add(new Command("model", "Show, archive or delete one of this party's models.")
        {
            Forward("show", "Show a model with the columns that it reads.", takesJob: true, "model"),
            Forward("archive", "Keep the model, and let nobody score with it.", takesJob: true, "model"),
            Forward("delete", "Erase the model's coefficients from the party's store and files.", takesJob: true, "model"),
        });
        command.Add(Forward("score", "Score rows with a model that a horizontal job left at this party; no peer, coordinator or running node is needed.", takesJob: true, ScoreOptions()));
        return command;
    }

    private static Option[] ScoreOptions() =>
    [
        new Option<string>("--out", "-o") { Description = "The CSV file to write; it must not exist.", Required = true, HelpName = "FILE" },
        new Option<string>("--data") { Description = "A CSV file with the rows; default: the data source.", HelpName = "FILE" },
        new Option<string>("--dataset") { Description = "Which data source names the ids and the file's format; default: the one under 'data'.", HelpName = "NAME" },
        new Option<bool>("--personal") { Description = "With the party's own model, where the job has one." },
    ];

    private static Option<string> Reason(string description) => new("--reason") { Description = description, HelpName = "TEXT" };

    /// <summary>A subcommand that the party program carries out, with the arguments as they were given.</summary>
    private static Command Forward(string name, string description, bool takesJob, params Option[] options) =>
        Forward(name, description, takesJob, within: null, options);

    /// <param name="within">The word before it, where it stands under another command.</param>
    private static Command Forward(string name, string description, bool takesJob, string? within, params Option[] options)
    {
        Option<FileInfo> config = new("--config", "-c") { Description = "The node's configuration file (YAML).", Required = true, HelpName = "FILE" };
        Option<bool> json = CommandLine.Json();
        Argument<string> job = CommandLine.JobId();
        Command command = new(name, description) { config, json };
        if (takesJob)
        {
            command.Add(job);
        }

        foreach (Option option in options)
        {
            command.Add(option);
        }

        command.SetAction((result, cancellationToken) =>
        {
            List<string> arguments = [.. within is null ? [name] : (string[])[within, name], "--config", result.GetRequiredValue(config).FullName];
            if (takesJob)
            {
                arguments.Add(result.GetRequiredValue(job));
            }

            if (result.GetValue(json))
            {
                arguments.Add("--json");
            }

            foreach (Option option in options)
            {
                switch (option)
                {
                    case Option<bool> flag when result.GetValue(flag):
                        arguments.Add(option.Name);
                        break;
                    case Option<string> text when result.GetValue(text) is { } value:
                        arguments.AddRange([option.Name, value]);
                        break;
                }
            }

            return HostCommand.RunAsync(HostLocator.PartyNode, arguments, cancellationToken);
        });
        return command;
    }
}
