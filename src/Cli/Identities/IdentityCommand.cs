using System.CommandLine;
using VertFed.Protocol;

namespace VertFed.Cli.Identities;

/// <summary>
/// `identity create|show`: the P-256 key pair of a party or an analyst, and its fingerprint, which goes into the other
/// sides' configuration files after it was compared over a channel that people trust.
/// </summary>
internal static class IdentityCommand
{
    public static Command Create(Terminal terminal) => new("identity", "Make or show an identity key pair.")
    {
        CreateCreate(terminal),
        CreateShow(terminal),
    };

    private static Command CreateCreate(Terminal terminal)
    {
        Argument<string> file = File();
        Option<bool> json = CommandLine.Json();
        Command command = new("create", "Make a key pair in a new file that only you may read, and print its fingerprint.") { file, json };
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(file);
            if (System.IO.File.Exists(path))
            {
                throw Error.FileExists(path);
            }

            using Identity identity = Identity.Create();
            identity.Save(path);
            Print(terminal, identity, result.GetValue(json));
            return 0;
        });
        return command;
    }

    private static Command CreateShow(Terminal terminal)
    {
        Argument<string> file = File();
        Option<bool> json = CommandLine.Json();
        Command command = new("show", "Print the fingerprint of a key pair.") { file, json };
        command.SetAction(result =>
        {
            using Identity identity = Identity.Load(result.GetRequiredValue(file));
            Print(terminal, identity, result.GetValue(json));
            return 0;
        });
        return command;
    }

    private static Argument<string> File() => new("FILE") { Description = "The key file (PEM)." };

    private static void Print(Terminal terminal, Identity identity, bool json) =>
        terminal.Output.WriteLine(json ? $$"""{"fingerprint":"{{identity.Fingerprint}}"}""" : identity.Fingerprint);
}
