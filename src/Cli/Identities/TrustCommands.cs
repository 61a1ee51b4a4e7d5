using System.CommandLine;
using VertFed.Protocol;

namespace VertFed.Cli.Identities;

/// <summary>`identity trust` and `identity distrust`: the pins of a trust file, which services and callers read.</summary>
internal static class TrustCommands
{
    public static Command CreateTrust(Terminal terminal)
    {
        Argument<string> file = File();
        Argument<string> name = Name();
        Argument<string> fingerprint = new("FINGERPRINT") { Description = "64 lower-case hexadecimal digits, compared with the key's owner over a channel that both trust." };
        Option<string> word = new("--as") { Description = $"What the key's owner is: {string.Join(", ", TrustFile.Words)}.", HelpName = "WHAT", Required = true };
        word.AcceptOnlyFromAmong([.. TrustFile.Words]);
        Option<string?> address = new("--address") { Description = "Where a coordinator listens, https.", HelpName = "URL" };
        Option<bool> rotate = new("--rotate") { Description = "Add the key beside the one that is pinned: its owner changes keys." };
        Command command = new("trust", "Pin a key in a trust file, which is made where there is none.") { file, name, fingerprint, word, address, rotate };
        command.SetAction(result =>
        {
            Uri? url = null;
            if (result.GetValue(address) is { } text && !(Uri.TryCreate(text, UriKind.Absolute, out url) && TrustFile.IsAddress(url)))
            {
                throw Error.BadAddress(text);
            }

            string who = result.GetRequiredValue(name);
            TrustFile after = TrustFile.Change(
                result.GetRequiredValue(file), orEmpty: true,
                before => before.With(who, result.GetRequiredValue(fingerprint), result.GetRequiredValue(word), url, result.GetValue(rotate)));
            Say(terminal, after, who);
            return 0;
        });
        return command;
    }

    public static Command CreateDistrust(Terminal terminal)
    {
        Argument<string> file = File();
        Argument<string> name = Name();
        Argument<string?> fingerprint = new("FINGERPRINT") { Description = "The key; all of the name where it is left out.", Arity = ArgumentArity.ZeroOrOne };
        Command command = new("distrust", "Take a key, or all keys of a name, out of a trust file.") { file, name, fingerprint };
        command.SetAction(result =>
        {
            string who = result.GetRequiredValue(name);
            TrustFile after = TrustFile.Change(result.GetRequiredValue(file), orEmpty: false, before => before.Without(who, result.GetValue(fingerprint)));
            Say(terminal, after, who);
            return 0;
        });
        return command;
    }

    /// <summary>What the file says of a name now.</summary>
    private static void Say(Terminal terminal, TrustFile file, string name)
    {
        TrustEntry? entry = file.Entries.FirstOrDefault(entry => entry.Name == name);
        terminal.Output.WriteLine(entry is null
            ? $"{Error.OneLine(name)}: not trusted"
            : $"{entry.Name}: {string.Join(", ", entry.As)}; {string.Join(", ", entry.Fingerprints)}");
    }

    private static Argument<string> File() => new("FILE") { Description = "The trust file (YAML)." };

    private static Argument<string> Name() => new("NAME") { Description = "Its owner's name: 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter." };
}
