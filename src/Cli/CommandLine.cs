using System.CommandLine;
using System.CommandLine.Help;
using System.Text.Json;
using VertFed.Cli.Audit;
using VertFed.Cli.Demo;
using VertFed.Cli.Doctor;
using VertFed.Cli.Hosts;
using VertFed.Cli.Identities;
using VertFed.Cli.Jobs;
using VertFed.Cli.Sample;
using VertFed.Cli.Simulate;
using VertFed.Protocol;

namespace VertFed.Cli;

/// <summary>The tree of commands.</summary>
internal static class CommandLine
{
    public const string Name = "vertfed";

    // A plain command: a root command would take its name from the assembly.
    public static Command Create(Terminal terminal) => new(Name, "VertFed: organisations train one model without joining their data, on the customers that two of them share or on those that each has.")
    {
        DemoCommand.Create(terminal),
        SampleCommand.Create(terminal),
        SimulateCommand.Create(terminal),
        HostCommand.Create("coordinator", HostLocator.Coordinator, "Run the coordinator, which relays, orders and records what it cannot read."),
        PartyCommand.Create(),
        JobCommand.Create(terminal),
        AuditCommand.Create(terminal),
        IdentityCommand.Create(terminal),
        DoctorCommand.Create(terminal),
        CreateVersion(terminal),
        new HelpOption(),
    };

    /// <summary>The --json option that every command with data on standard output has.</summary>
    public static Option<bool> Json() => new("--json") { Description = "Print JSON on standard output." };

    /// <summary>The argument that names a job.</summary>
    public static Argument<string> JobId()
    {
        Argument<string> argument = new("ID") { Description = "The job's id: 32 hexadecimal digits." };
        argument.Validators.Add(static result =>
        {
            string text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
            if (text.Length != 32 || !text.All(char.IsAsciiHexDigitLower))
            {
                result.AddError($"'{text}' is not a job id of 32 lower-case hexadecimal digits.");
            }
        });
        return argument;
    }

    private static Command CreateVersion(Terminal terminal)
    {
        Option<bool> json = Json();
        Command command = new("version", "Print the version.") { json };
        command.SetAction(result =>
        {
            terminal.Output.WriteLine(result.GetValue(json)
                ? $$"""{"version":"{{JsonEncodedText.Encode(SoftwareVersion.Current)}}"}"""
                : SoftwareVersion.Current);
            return 0;
        });
        return command;
    }
}
