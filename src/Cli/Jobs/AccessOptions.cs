using System.CommandLine;
using VertFed.Protocol;

namespace VertFed.Cli.Jobs;

/// <summary>The options of every command that calls the coordinator. Each has an environment variable that stands in for it.</summary>
internal sealed class AccessOptions
{
    private const string AddressVariable = "VERTFED_COORDINATOR";
    private const string PinVariable = "VERTFED_COORDINATOR_FINGERPRINT";
    private const string IdentityVariable = "VERTFED_IDENTITY";

    private readonly Option<string?> _address = new("--coordinator")
    {
        Description = $"The coordinator's address; default: {AddressVariable}.",
        HelpName = "URL",
    };

    private readonly Option<string?> _pin = new("--coordinator-fingerprint")
    {
        Description = $"Fingerprint of the coordinator's key, several separated by commas; default: {PinVariable}.",
        HelpName = "HEX",
    };

    private readonly Option<string?> _identity = new("--identity")
    {
        Description = $"Your key file (PEM), with its certificate (.crt) beside it; default: {IdentityVariable}.",
        HelpName = "FILE",
    };

    public void AddTo(Command command)
    {
        command.Options.Add(_address);
        command.Options.Add(_pin);
        command.Options.Add(_identity);
    }

    /// <summary>What the options or the environment give; to be disposed of.</summary>
    /// <exception cref="VertFedException">Something is not given, malformed or unreadable (usage).</exception>
    public CoordinatorAccess Open(ParseResult result)
    {
        Uri address = CoordinatorConnection.ParseAddress(Given(result, _address, AddressVariable, "The coordinator's address"));
        string[] pins = Given(result, _pin, PinVariable, "The fingerprint of the coordinator's key")
            .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (pins.Length == 0 || !Array.TrueForAll(pins, PeerIdentity.IsFingerprint))
        {
            throw Error.BadFingerprint("--coordinator-fingerprint");
        }

        return new CoordinatorAccess(address, pins, Credential.Load(Given(result, _identity, IdentityVariable, "Your key file")));
    }

    private static string Given(ParseResult result, Option<string?> option, string variable, string what) =>
        result.GetValue(option) ?? Environment.GetEnvironmentVariable(variable) ?? throw Error.OptionMissing(option.Name, variable, what);
}
