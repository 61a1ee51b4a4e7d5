using System.CommandLine;

namespace VertFed.Cli.Hosts;

/// <summary>`party profile`: starts the party program, which alone reads data, to show its operator what a data source holds.</summary>
internal static class ProfileCommand
{
    public static Command Create()
    {
        Option<FileInfo> config = new("--config", "-c") { Description = "Configuration file of the party (YAML).", Required = true, HelpName = "FILE" };
        Option<string> dataset = new("--dataset") { Description = "Which of its data sources; default: the one under 'data'.", HelpName = "NAME" };
        Option<bool> json = CommandLine.Json();
        Option<bool> showRare = new("--show-rare") { Description = "Name levels of fewer than 10 rows too." };
        Command command = new("profile", "Show what a data source holds: counts, missing values, ranges, levels. Nothing is sent.") { config, dataset, json, showRare };
        command.SetAction(async (result, cancellationToken) =>
        {
            List<string> arguments = ["profile", "--config", result.GetRequiredValue(config).FullName];
            if (result.GetValue(dataset) is { } name)
            {
                arguments.AddRange(["--dataset", name]);
            }

            if (result.GetValue(json))
            {
                arguments.Add("--json");
            }

            if (result.GetValue(showRare))
            {
                arguments.Add("--show-rare");
            }

            return await HostCommand.RunAsync(HostLocator.PartyNode, arguments, cancellationToken);
        });
        return command;
    }
}
